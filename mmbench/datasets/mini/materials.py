"""What twins are made of: random streams, tables beside modules, the habits of people."""

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


def shuffled(digits: Integers, rng: np.random.Generator) -> Integers:
    """(N,) the examples in another order that leaves each where one of its own digit was."""
    order = np.empty(len(digits), np.int64)
    for digit in range(10):
        own = np.flatnonzero(digits == digit)
        order[own] = rng.permutation(own)
    return order
