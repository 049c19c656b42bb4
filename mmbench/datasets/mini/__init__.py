"""Procedural twins of the papers' data sets: nothing to download, seconds to make.

Each has a function `make`. Equal arguments give equal bits: the numbers `train` and `test` of
examples, and the `seed` of every random stream. It reports to `progress`, by default to nobody.
The `VERSION` of a twin is raised whenever its content changes; the cache is then made again.

Products and functions such as exp differ in the last bits from processor to processor, by vector
width and by BLAS. They are taken in double precision, and what comes of them is rounded
afterwards, to float32 or to a byte: so the same bits are made everywhere, and results of different
machines are results on the same data.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mmbench.seeds import derive

Part = Literal["train", "test"]
"""The splits of a data set."""


def table(module: str, name: str) -> Any:
    """The content of a JSON file beside a module.

    Args:
        module: The module's `__file__`.
        name: The file's name.
    """
    return json.loads(Path(module).with_name(name).read_text("utf-8"))


def rng_of(seed: int, *purpose: object) -> np.random.Generator:
    """The random stream of a purpose."""
    return np.random.default_rng(derive(seed, *purpose))


def check_counts(counts: Mapping[str, int], least: int, why: str = "") -> None:
    """Refuses to make a data set that would be too small.

    Args:
        counts: Argument -> its value, e.g. {"train": 12_000, "test": 1_000}.
        least: The smallest allowed.
        why: How the message ends.

    Raises:
        ValueError: One of them is smaller.
    """
    for title, count in counts.items():
        if count < least:
            raise ValueError(f"{title} is {count}, expected at least {least}{why}")
