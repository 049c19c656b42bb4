"""Data sets: one file each, a function `load(folder)` that returns a `Dataset`."""
