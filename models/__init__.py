"""Diffusion-based multi-modal generative models and their parts."""
