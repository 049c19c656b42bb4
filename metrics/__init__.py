"""Metrics of multi-modal generation: coherence and Fréchet distances."""
