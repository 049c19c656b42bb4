"""A small MNIST-SVHN on disk, and what loading it gives."""

import gzip

import numpy as np
from scipy.io import savemat

from mmbench.datasets.formats import idx
from mmbench.datasets.mnist_svhn import mnist_svhn
from mmbench.progress import Progress

COUNTS = {"train": (range(3, 13), range(12, 2, -1)), "test": ([2] * 10, [3] * 10)}
"""Pictures of each class in MNIST and in SVHN."""


MATS = ("train_32x32.mat", "test_32x32.mat")


def labels(part, view):
    rng = np.random.default_rng([part == "test", view])
    return rng.permutation(np.repeat(np.arange(10), COUNTS[part][view]))


def pictures(part, view):
    rng = np.random.default_rng([part == "test", view, 1])
    shape = ((28, 28), (3, 32, 32))[view]
    return rng.integers(0, 256, (len(labels(part, view)), *shape), np.uint8)


def idx_bytes(array):
    return bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write_mnist(raw, packed=False):
    raw.mkdir(parents=True)
    for part in ("train", "test"):
        arrays = pictures(part, 0), labels(part, 0).astype(np.uint8)
        for name, array in zip(idx.names(part), arrays, strict=True):
            data = idx_bytes(array)
            if packed:
                (raw / f"{name}.gz").write_bytes(gzip.compress(data))
            else:
                (raw / name).write_bytes(data)


def write_svhn(folder, **change):
    folder.mkdir(parents=True, exist_ok=True)
    for part, name in zip(("train", "test"), MATS, strict=True):
        y = labels(part, 1).astype(np.uint8)
        content = {
            "X": pictures(part, 1).transpose(2, 3, 1, 0),
            "y": np.where(y == 0, 10, y)[:, None],
        }
        savemat(folder / name, content | change, do_compression=True)
    return folder


def load(folder, cache):
    return mnist_svhn.load(folder, cache, Progress(None))


def published_counts():
    """Of each class in the real train splits, from which 1,121,360 pairs are made."""
    mnist = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
    svhn = (4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659)
    return tuple(np.repeat(np.arange(10), n) for n in (mnist, svhn))
