"""MNIST's files, in the IDX format: plain, or compressed by gzip as published.

LeCun, Cortes & Burges, "The MNIST database of handwritten digits", 1998,
http://yann.lecun.com/exdb/mnist/.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PIXELS = 28
STEMS = {"train": "train", "test": "t10k"}
"""How the files of each split begin."""
PLACES = (
    *("MNIST/raw", "mnist/MNIST/raw", "mnist-svhn/MNIST/raw", "mnist/raw", "raw"),
    *("MNIST", "mnist", "."),
)
"""Folders below the user's own in which MNIST's files may lie; torchvision's comes first."""

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]


def names(part: str) -> tuple[str, str]:
    """The files that hold the images and the labels of a split, "train" or "test"."""
    return f"{STEMS[part]}-images-idx3-ubyte", f"{STEMS[part]}-labels-idx1-ubyte"


def place(folder: Path) -> str | None:
    """Which of PLACES below a folder holds a file of MNIST; None if there is none."""
    every = [file + end for part in STEMS for file in names(part) for end in ("", ".gz")]
    return next((p for p in PLACES if any((folder / p / file).is_file() for file in every)), None)


def file(raw: Path, name: str) -> Path:
    """A file of MNIST, or its compressed form where that is all there is.

    Raises:
        FileNotFoundError: There is neither.
    """
    plain, packed = raw / name, raw / f"{name}.gz"
    for path in (plain, packed):
        if path.is_file():
            return path
    raise FileNotFoundError(f"neither {plain} nor {packed.name} beside it exists")


def digits(raw: Path, part: str) -> tuple[Bytes, Integers]:
    """The examples of a split, "train" or "test", whose files lie in the folder `raw`.

    Returns:
        The images (N, 28, 28), 0 is paper and 255 is ink, and the labels (N,), 0 to 9.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, or holds something else.
    """
    images, labels = (file(raw, name) for name in names(part))
    x, y = read(images, 3), read(labels, 1)
    if x.shape[1:] != (PIXELS, PIXELS):
        size = f"{x.shape[1]} x {x.shape[2]} pixels"
        raise ValueError(f"{images} has pictures of {size}, expected {PIXELS} x {PIXELS}")
    if len(x) != len(y):
        raise ValueError(f"{labels} holds {len(y)} labels, expected {len(x)}")
    if len(y) and y.max() > 9:
        raise ValueError(f"{labels} holds the label {y.max()}, expected the digits 0 to 9")
    return x, y.astype(np.int64)


def read(path: Path, axes: int) -> Bytes:
    """The array of bytes that an IDX file holds, compressed if its name ends in .gz.

    Raises:
        ValueError: It is damaged, or no IDX file of bytes with that many axes.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as stream:
            head = stream.read(4 + 4 * axes)
            if head[:4] != bytes((0, 0, 8, axes)) or len(head) < 4 + 4 * axes:
                raise ValueError(f"{path} is no IDX file of bytes with {axes} axes")
            shape = tuple(np.frombuffer(head, ">u4", offset=4).tolist())
            size = math.prod(shape)
            # One byte more than there should be: at the end gzip compares the checksum.
            data = stream.read(size + 1) if size < 2**34 else b""
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is damaged ({error}): download it again") from None
    if len(data) != size:
        raise ValueError(f"{path} is damaged: it does not hold {size:,} bytes, as its header says")
    return np.frombuffer(data, np.uint8).reshape(shape)
