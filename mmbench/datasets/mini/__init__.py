"""Procedural twins of the papers' data sets: nothing to download, seconds to make."""
