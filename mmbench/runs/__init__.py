"""Runs: a model trained and scored on a data set with a seed, and what is drawn from it."""
