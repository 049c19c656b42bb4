"""Statistics of samples: Fréchet distances and bootstrapped intervals."""
