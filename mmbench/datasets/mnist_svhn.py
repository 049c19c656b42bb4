"""MNIST-SVHN: a written digit and a house number's crop of the same class.

Shi, Siddharth, Paige & Torr, "Variational mixture-of-experts autoencoders for multi-modal deep
generative models", NeurIPS 2019, https://arxiv.org/abs/1911.03393. The pictures of a class in
MNIST and in SVHN are cut to as many as there are of both (10,000 at most) and paired at random
20 times over: 1,121,360 training and 200,000 test pairs of 56,068 and 10,000 pictures a view. The
pairing belongs to the data set, not to a run: it depends on nothing but the labels.
"""

import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from mmbench.core.data import Dataset, Modality, Split
from mmbench.datasets.formats import idx
from mmbench.datasets.formats.cache import cached, fingerprint, place
from mmbench.datasets.formats.folders import Published
from mmbench.datasets.formats.idx import Bytes, Integers
from mmbench.errors import argument, concerning, first_line, hint
from mmbench.progress import Progress
from mmbench.seeds import derive

NAME = "mnist-svhn"
PUBLISHED = Published.of(NAME)
VERSION = 1
SEED = 2019
"""The seed of the pairing."""
TIMES = 20
"""How often each picture occurs in a split."""
MOST = 10_000
"""Pictures of a class that are paired, at most."""
PARTS = ("train", "test")
MODALITIES = (Modality("mnist", "image", (1, 28, 28)), Modality("svhn", "image", (3, 32, 32)))

_SVHN_PLACES = ("SVHN", "svhn", ".")
_UNREADABLE = (EOFError, LookupError, OSError, TypeError, ValueError)  # what loadmat raises


def load(folder: Path | None, cache: Path, progress: Progress) -> Dataset:
    """Reads MNIST and SVHN as torchvision keeps them, and pairs them.

    The folder holds MNIST/raw/ and SVHN's two .mat files, the latter beside it or in SVHN/. The
    decoded tensors and the pairs of the whole data set take 276 MB of the cache.

    Returns:
        Modalities mnist (1, 28, 28) and svhn (3, 32, 32) as uint8, labels 0 to 9. The first
        twentieth of a split's examples has every picture once, and so has each one after it.

    Raises:
        FileNotFoundError: The files are not there.
        ValueError: A file is damaged, or holds something else.
    """
    root = _root(folder)
    raw, mats = root / str(idx.place(root)), root / str(_svhn_place(root))
    files = [idx.file(raw, name) for part in PARTS for name in idx.names(part)]
    files += [mats / _mat(part) for part in PARTS]
    PUBLISHED.require(*files)
    names = (path.relative_to(root).as_posix() for path in files)
    source = fingerprint(root, names, f"{NAME} {VERSION}")

    def read() -> Dataset:
        splits = []
        with progress.stage("reading MNIST and SVHN", len(PARTS), unit="split") as bar:
            for part in PARTS:
                splits.append(paired(*idx.digits(raw, part), *svhn(mats / _mat(part)), part))
                bar.update(len(splits))
        with concerning(root):
            return Dataset(NAME, MODALITIES, splits[0], splits[1], classes=10, version=VERSION)

    return cached(place(cache, NAME, root), source, read, progress)


def _root(folder: Path | None) -> Path:
    try:
        return PUBLISHED.find(folder, lambda p: bool(idx.place(p) and _svhn_place(p)))
    except FileNotFoundError:
        half = PUBLISHED.find(folder, lambda p: bool(idx.place(p) or _svhn_place(p)))
        lacking = "SVHN" if idx.place(half) else "MNIST"
        given = f"give the folder that holds it as {argument('folder')}"
        advice = f"run '{hint(f'data download {NAME}')}', or {given}"
        raise FileNotFoundError(f"{half} does not hold {lacking}: {advice}") from None


def _mat(part: str) -> str:
    return f"{part}_32x32.mat"


def _svhn_place(folder: Path) -> str | None:
    files = [_mat(part) for part in PARTS]
    return next((p for p in _SVHN_PLACES if any((folder / p / f).is_file() for f in files)), None)


def svhn(path: Path) -> tuple[Bytes, Integers]:
    """The examples in one of SVHN's .mat files of crops.

    Netzer, Wang, Coates, Bissacco, Wu & Ng, "Reading digits in natural images with unsupervised
    feature learning", 2011, http://ufldl.stanford.edu/housenumbers. A file holds X (32, 32, 3, N),
    uint8, and y (N, 1), 1 to 10, where 10 is the digit 0.

    Returns:
        The images (N, 3, 32, 32) and the labels (N,), 0 to 9.

    Raises:
        ValueError: The file is damaged, or holds something else.
    """
    try:
        found = loadmat(path, variable_names=["X", "y"])
    except (FileNotFoundError, PermissionError, MemoryError):
        raise
    except (*_UNREADABLE, MatReadError, NotImplementedError, struct.error, zlib.error) as error:
        why = first_line(error)
        raise ValueError(f"{path} is damaged or no MATLAB 5 file ({why})") from None
    for name in ("X", "y"):
        if not isinstance(found.get(name), np.ndarray):
            raise ValueError(f"{path} holds no array {name}, expected X and y")
    images, labels = found["X"], found["y"]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[:3] != (32, 32, 3):
        wrong = f"{path} holds X of shape {images.shape} and type {images.dtype}"
        raise ValueError(f"{wrong}, expected (32, 32, 3, N) and uint8")
    if labels.size != images.shape[3]:
        raise ValueError(f"{path} holds {labels.size} labels in y, expected {images.shape[3]}")
    others = labels[~np.isin(labels, np.arange(1, 11))]
    if len(others):
        raise ValueError(f"{path} holds the label {others[0]}, expected 1 to 9, and 10 for 0")
    pictures = np.ascontiguousarray(images.transpose(3, 2, 0, 1))
    return pictures, labels.ravel().astype(np.int64) % 10


class Pairs(NamedTuple):
    """Which pictures of two views make an example."""

    first: Integers  # (N,) rows of the first view
    second: Integers  # (N,) rows of the second view, each of the class of its partner
    labels: Integers  # (N,) that class


def pair(
    first: Integers, second: Integers, part: str, times: int = TIMES, seed: int = SEED
) -> Pairs:
    """Pairs the pictures of two views, given their classes (A,) and (B,), at random in each class.

    In each class the first n pictures of both views are taken, where n is as many as both views
    have, and MOST at most. They are paired `times` times over, each time all of them once and in
    a new order, so that any stretch of the pairs is a fair sample. Each split has its own random
    streams.
    """
    rows: dict[int, tuple[Integers, Integers]] = {}
    for c in np.union1d(first, second).tolist():
        mine, other = np.flatnonzero(first == c), np.flatnonzero(second == c)
        count = min(len(mine), len(other), MOST)
        rows[c] = mine[:count], other[:count]
    mine = np.concatenate([a for a, _ in rows.values()])
    rounds = []
    for r in range(times):
        other = np.concatenate(
            [b[_permutation(len(b), seed, part, r, c)] for c, (_, b) in rows.items()]
        )
        order = _permutation(len(mine), seed, part, r, "order")
        rounds.append((mine[order], other[order]))
    left, right = (np.concatenate(side) for side in zip(*rounds, strict=True))
    return Pairs(left, right, first[left])


def _permutation(count: int, seed: int, *purpose: object) -> Integers:
    # By the raw bits of PCG64, which numpy keeps as they are; what a Generator makes of them
    # may change between its versions.
    bits = np.random.PCG64(derive(seed, NAME, *purpose)).random_raw(count)
    return np.argsort(bits, kind="stable")


def paired(
    mnist: Bytes,
    mnist_labels: Integers,
    svhn: Bytes,
    svhn_labels: Integers,
    part: str,
    times: int = TIMES,
    seed: int = SEED,
) -> Split:
    """A split of the pairs that `pair` makes; pictures that occur in none are left out.

    Digits are (A, 28, 28) with labels (A,), crops (B, 3, 32, 32) with labels (B,), all 0 to 9.
    """
    pairs = pair(mnist_labels, svhn_labels, part, times, seed)
    tensors, index = {}, {}
    for name, x, rows in (("mnist", mnist[:, None], pairs.first), ("svhn", svhn, pairs.second)):
        kept, new = np.unique(rows, return_inverse=True)
        tensors[name] = torch.from_numpy(x[kept])
        index[name] = torch.from_numpy(new.astype(np.int32))
    return Split(tensors, index, torch.from_numpy(pairs.labels))


mnist_svhn = PUBLISHED.source(
    title="written digits and street numbers, each paired with 20 of the other (1,321,360 pairs)",
    paper="Shi, Siddharth, Paige & Torr: Variational mixture-of-experts autoencoders for "
    "multi-modal deep generative models, 2019, https://arxiv.org/abs/1911.03393",
    download="https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz",
    load=load,
    version=VERSION,
)
