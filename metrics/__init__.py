"""Metrics of multi-modal generation."""
