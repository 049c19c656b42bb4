"""Paths that users name, and where this machine keeps things unless they do."""

import os
from pathlib import Path

from platformdirs import user_cache_path

from mmbench.errors import seen

SWEEPS = "sweeps"
"""The folder in the cache of what this machine makes for a sweep whose results lie elsewhere."""


def named(name: str, value: object, expected: str = "a path") -> Path:
    """The path of a file or a folder that a user named.

    Args:
        name: The argument's, for messages.
        value: What the user gave for it.
        expected: What it should be, for messages.

    Raises:
        ValueError: It is neither a text nor a path.
    """
    if isinstance(value, str | os.PathLike):
        return Path(value)
    raise ValueError(f"{name} is {seen(value)}, expected {expected}")


def cache_folder() -> Path:
    """The folder of trained classifiers, data sets and features of real data: $MMBENCH_CACHE."""
    chosen = os.environ.get("MMBENCH_CACHE")
    return Path(chosen) if chosen else user_cache_path("mmbench", appauthor=False)


def data_folder() -> Path:
    """The folder of data sets that downloads go to."""
    return cache_folder() / "data"
