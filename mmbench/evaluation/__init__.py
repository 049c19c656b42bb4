"""Evaluation: the scores of what a model draws, and what of them is out of date."""
