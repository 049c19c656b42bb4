"""Benchmark and evaluation suite for multi-modal generative models."""

__version__ = "0.1.0"
