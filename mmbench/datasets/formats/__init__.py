"""Formats that several data sets come in, and the cache of what was read."""
