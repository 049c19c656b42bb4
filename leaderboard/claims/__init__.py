"""The papers' claims: what each compares, and whether results bear it out."""
