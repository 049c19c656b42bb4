"""A data set: a bright row of one picture, and the bright column of the same number in another."""

from pathlib import Path

import torch

from mmbench.core import Dataset, Modality, Source, Split
from mmbench.progress import Progress

SIDE = 8


def split(n: int, seed: int) -> Split:
    """Some examples, of the classes in turn; uint8 holds [0, 1] in 255 steps."""
    labels = torch.arange(n) % SIDE
    noise = torch.Generator().manual_seed(seed)
    rows, columns = (torch.rand(n, 1, SIDE, SIDE, generator=noise) * 0.2 for _ in range(2))
    rows[torch.arange(n), 0, labels] += 0.8
    columns[torch.arange(n), 0, :, labels] += 0.8
    views = {"rows": rows, "columns": columns}
    return Split({m: (x * 255).byte() for m, x in views.items()}, labels=labels)


def load(folder: Path | None, cache: Path, progress: Progress) -> Dataset:
    """Makes the examples; a published data set is read from the user's folder instead."""
    shape = (1, SIDE, SIDE)
    views = Modality("rows", "image", shape), Modality("columns", "image", shape)
    return Dataset("two-views", views, split(512, 0), split(128, 1), classes=SIDE)


two_views = Source(title="Bright rows and columns", paper="", load=load)
