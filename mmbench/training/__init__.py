"""Training: the loop that every model is trained by, and how networks run fast."""
