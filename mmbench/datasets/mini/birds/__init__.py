"""Drawn birds, the scenes around them and captions: what CUB's twins show."""
