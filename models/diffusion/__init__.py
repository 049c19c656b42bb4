"""Diffusion: its process, the network of its score, and samplers."""
