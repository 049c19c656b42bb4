"""Protocols: the papers' settings as TOML files, and how they are read and compared."""
