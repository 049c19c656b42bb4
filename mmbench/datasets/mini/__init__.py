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
from copy import copy
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from mmbench.seeds import derive

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Part = Literal["train", "test"]
"""The splits of a data set."""


def table(module: str, name: str) -> Any:
    """The content of the JSON file of that name beside a module, given by its `__file__`."""
    return json.loads(Path(module).with_name(name).read_text("utf-8"))


def rng_of(seed: int, *purpose: object) -> np.random.Generator:
    """The random stream of a purpose."""
    return np.random.default_rng(derive(seed, *purpose))


class People:
    """The habits of several people: each attribute is an array with a row for each of them."""

    def __getitem__(self, who: Integers) -> Self:
        """The people of the given numbers, repeated as asked."""
        chosen = copy(self)
        vars(chosen).update({name: habit[who] for name, habit in vars(self).items()})
        return chosen
