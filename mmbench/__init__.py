"""Benchmark and evaluation suite for multi-modal generative models."""

__version__ = "1.0.0rc1"
