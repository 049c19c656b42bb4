"""A data set of the user's own on disk, as a folder and as arrays."""

import numpy as np

from mmbench.datasets.custom import described
from mmbench.progress import Progress

SILENT = Progress(None)


TOML = """
files = "{}"
sampling_rate = 8000

[modalities.photo]
kind = "image"

[modalities.outline]
kind = "mask"

[modalities.caption]
kind = "text"
length = 6
words = ["<exc>", "<pad>", "<eos>", "red", "blue"]

[modalities.traits]
kind = "attributes"
words = ["bald", "young"]

[modalities.walk]
kind = "trajectory"

[modalities.series]
kind = "vector"
"""


def load(path, folder=None):
    return described(path).load(None, (folder or path.parent) / "cache", SILENT)


def arrays(n=6, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "photo": rng.integers(0, 256, (n, 3, 5, 4), np.uint8),
        "outline": rng.random((n, 1, 5, 4)) < 0.5,
        "caption": rng.integers(0, 5, (n, 6)),
        "traits": rng.integers(0, 2, (n, 2)),
        "walk": rng.random((n, 8)),
        "series": rng.normal(0, 5, (n, 2, 5)),
        "labels": np.arange(n) % 3,
    }


def named(**parts):
    return {f"{part}/{m}": x for part, views in parts.items() for m, x in views.items()}


FOLDER = """
name = "birds"
files = "data"

[modalities.photo]
kind = "image"
size = [8, 6]

[modalities.caption]
kind = "text"
length = 5
least = 2

[modalities.song]
kind = "sound"
"""
