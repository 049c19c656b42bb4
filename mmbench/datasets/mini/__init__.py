"""Procedural twins of the papers' data sets: nothing to download, seconds to make.

Products and functions such as exp differ in the last bits from processor to processor, by vector
width and by BLAS. They are taken in double precision, and what comes of them is rounded
afterwards, to float32 or to a byte: so the same bits are made everywhere, and results of different
machines are results on the same data.
"""

from collections.abc import Mapping


def check_counts(counts: Mapping[str, int], least: int, why: str = "") -> None:
    """Refuses a data set that would be too small.

    Args:
        counts: Argument -> its value, e.g. {"train": 12_000, "test": 1_000}.
        least: The smallest that will do.
        why: What follows the number in the sentence.

    Raises:
        ValueError: One of them is smaller.
    """
    for title, count in counts.items():
        if count < least:
            raise ValueError(f"{title} is {count}, expected at least {least}{why}")
