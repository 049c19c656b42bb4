"""Pictures of digits written by several people."""

import numpy as np
from numpy.typing import NDArray

from mmbench.datasets.mini.digits import handwriting
from mmbench.progress import Bar
from mmbench.seeds import derive

PIXELS = handwriting.PIXELS
_CHUNK = 500  # pictures made at a time; the content depends on it


def written(
    digits: NDArray[np.int64], writers: int, seed: int, bar: Bar | None = None
) -> NDArray[np.uint8]:
    """Writes each digit in the hand of one of some writers.

    Args:
        digits: (N,) 0 to 9.
        writers: How many there are.
        seed: Of the writers and of what they write.
        bar: Where to report.

    Returns:
        (N, PIXELS, PIXELS), 0 is paper and 255 is ink.
    """
    people = handwriting.draw_writers(writers, np.random.default_rng(derive(seed, "writers")))
    out = np.empty((len(digits), PIXELS, PIXELS), np.uint8)
    for start in range(0, len(digits), _CHUNK):
        some = digits[start : start + _CHUNK]
        rng = np.random.default_rng(derive(seed, "writing", start))
        paths, widths = handwriting.write(some, people[rng.integers(0, writers, len(some))], rng)
        out[start : start + _CHUNK] = np.rint(255 * handwriting.ink(paths, widths))
        if bar is not None:
            bar.update(bar.done + len(some))
    return out
