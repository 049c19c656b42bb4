"""The papers' claims: what each compares, and whether the results confirm it."""
