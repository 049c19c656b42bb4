"""Figures: what each shows, and how they look."""
