"""Random choices, numbers and colours from one stream."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Rgb = tuple[int, int, int]
"""Red, green and blue from 0 to 255."""

_T = TypeVar("_T")


class Dice:
    """Choices drawn from one stream."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def chance(self, odds: float) -> bool:
        """True as often as the odds, from 0 to 1, say."""
        return bool(self._rng.random() < odds)

    def uniform(self, low: float, high: float) -> float:
        """A number from a range."""
        return float(self._rng.uniform(low, high))

    def normal(self, mean: float, deviation: float) -> float:
        """No further than two deviations from the mean."""
        return float(mean + deviation * np.clip(self._rng.standard_normal(), -2, 2))

    def one(self, choices: Sequence[_T], odds: Sequence[float] | None = None) -> _T:
        """One of some choices, equally likely by default."""
        return choices[int(self._rng.choice(len(choices), p=odds))]

    def colour(self, low: int, high: int) -> Rgb:
        """A colour whose channels are in a range."""
        return _rgb(self._rng.integers(low, high, 3))

    def vivid(self, low: int, high: int, share: float) -> Rgb:
        """A grey with a share of some colour."""
        return _rgb(self.uniform(low, high) + share * self._rng.uniform(-128, 128, 3))

    def near(self, colour: Rgb, spread: float) -> Rgb:
        """A lighter or darker colour, of nearly the same tint."""
        brighter, tint = self._rng.uniform(-1, 1), self._rng.uniform(-1, 1, 3)
        return _rgb(np.array(colour) + spread * (brighter + tint / 3))

    def between(self, colours: Sequence[Rgb]) -> Rgb:
        """A blend of two neighbours."""
        at = self.uniform(0, len(colours) - 1)
        low = int(at)
        first, second = np.array(colours[low]), np.array(colours[low + 1])
        return _rgb(first + (at - low) * (second - first))


def _rgb(colour: NDArray[np.float64] | NDArray[np.int64]) -> Rgb:
    red, green, blue = np.rint(np.clip(colour, 0, 255)).astype(int).tolist()
    return red, green, blue
