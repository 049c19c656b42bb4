"""PolyMNIST: the same digit in M >= 2 hands, each laid over a background of its modality.

Sutter, Daunhawer & Vogt, "Generalized Multimodal ELBO", ICLR 2021,
https://arxiv.org/abs/2105.02470: 60,000 training and 10,000 test examples of 5 modalities, RGB,
28 x 28. An example is the file name {i}.{digit}.png, present in every modality.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmbench.core.data import Batch, Dataset, Modality, Split
from mmbench.datasets.formats.cache import cached, fingerprint, place
from mmbench.datasets.formats.folders import Published, in_threads
from mmbench.errors import concerning
from mmbench.files import tensors
from mmbench.files.folder import files
from mmbench.media.image import decoded, planes
from mmbench.progress import Progress

NAME = "polymnist"
PUBLISHED = Published.of(NAME)
VERSION = 1
PIXELS = 28
SHAPE = (3, PIXELS, PIXELS)
PARTS = ("train", "test")

_CHUNK = 512  # images that a thread decodes at a time
_IMAGE_NAME = re.compile(r"(0|[1-9][0-9]{0,15})\.([0-9])\.png")

Keys = NDArray[np.int64]
"""(N,) ascending: 10 i + digit of each example {i}.{digit}.png."""


def load(folder: Path | None, cache: Path, progress: Progress) -> Dataset:
    """Reads PolyMNIST: the published PNGs, or the tensors of MultiVae's redistribution.

    The folder holds train/ and test/, or holds them in folders called MMNIST or PolyMNIST. In both
    layouts the modalities are numbered from 0: m0/{i}.{digit}.png, or m0.pt (N, 3, 28, 28),
    uint8 or floats in [0, 1], rounded to 255 steps, with labels.pt (N,). The decoded tensors of
    the whole data set take 823 MB of the cache.

    Returns:
        Modalities m0, m1, ... of shape (3, 28, 28) as uint8, labels 0 to 9.

    Raises:
        FileNotFoundError: The files are not there.
        ValueError: A file is damaged, or the modalities do not pair.
    """
    root = PUBLISHED.find(folder, lambda place: any(_numbers(place / part) for part in PARTS))
    parts = {part: _part(root / part) for part in PARTS}
    counts = {part: found.modalities for part, found in parts.items()}
    if counts["train"] != counts["test"]:
        has = " and ".join(f"{root / part} has {count}" for part, count in counts.items())
        raise ValueError(f"{has} modalities, expected the same modalities in both")
    names = (f"{part}/{name}" for part, found in parts.items() for name in found.files)
    source = fingerprint(root, names, f"{NAME} {VERSION}")

    def read() -> Dataset:
        modalities = tuple(Modality(f"m{k}", "image", SHAPE) for k in range(counts["train"]))
        train, test = (parts[part].read(progress) for part in PARTS)
        with concerning(root):
            return Dataset(NAME, modalities, train, test, classes=10, version=VERSION)

    return cached(place(cache, NAME, root), source, read, progress)


class Part(NamedTuple):
    """A split on the disk."""

    modalities: int  # M
    files: Iterator[str]  # all that is read, relative to the split's folder
    read: Callable[[Progress], Split]  # decodes them


def _numbers(folder: Path) -> list[tuple[int, bool]]:
    """Number of each modality in a split's folder, and whether it is a folder of pictures."""
    if not folder.is_dir():
        return []
    matches = [(re.fullmatch(r"m(0|[1-9][0-9]*)(\.pt)?", p.name), p) for p in folder.iterdir()]
    return sorted((int(m[1]), p.is_dir()) for m, p in matches if m and p.is_dir() != bool(m[2]))


def _part(folder: Path) -> Part:
    """The split in a folder; the pictures where there are both."""
    PUBLISHED.require(folder)
    found = _numbers(folder)
    pictures = any(is_folder for _, is_folder in found)
    numbers = [k for k, is_folder in found if is_folder == pictures]
    ending, count = "" if pictures else ".pt", len(numbers)
    if count < 2:
        raise ValueError(f"{folder} has {count} modalities, expected at least two, m0 and m1")
    if missing := sorted(set(range(numbers[-1])) - set(numbers)):
        raise ValueError(f"{folder} has m{numbers[-1]}{ending} but no m{missing[0]}{ending}")
    if pictures:
        keys = _paired(folder, count)
        names = (f"m{k}/{_image_name(key)}" for k in range(count) for key in keys)
        return Part(count, names, partial(_pictures, folder, count, keys))
    if not (labels := folder / "labels.pt").is_file():
        raise FileNotFoundError(f"{labels} does not exist: expected the digits of the examples")
    files = iter([*(f"m{k}.pt" for k in range(count)), "labels.pt"])
    return Part(count, files, partial(_tensors, folder, count))


# As published: a folder of PNGs for each modality.


def _paired(folder: Path, modalities: int) -> Keys:
    """The examples, whose names every modality has."""
    keys = [_keys(folder / f"m{k}") for k in range(modalities)]
    if all(np.array_equal(k, keys[0]) for k in keys[1:]):
        return keys[0]
    every = np.unique(np.concatenate(keys))
    lacking = []
    for m, k in enumerate(keys):
        missing = np.setdiff1d(every, k, assume_unique=True)
        if len(missing):
            names = [_image_name(key) for key in missing[:3]] + ["..."] * (len(missing) > 3)
            lacking.append(f"m{m} lacks {len(missing)} ({', '.join(names)})")
    raise ValueError(f"the modalities of {folder} do not pair: {'; '.join(lacking)}")


def _pictures(folder: Path, modalities: int, keys: Keys, progress: Progress) -> Split:
    images = np.empty((modalities, len(keys), *SHAPE), np.uint8)
    starts = range(0, len(keys), _CHUNK)
    chunks = [(m, slice(a, a + _CHUNK)) for m in range(modalities) for a in starts]

    def decode(chunk: tuple[int, slice]) -> int:
        m, rows = chunk
        names = [f"m{m}/{_image_name(key)}" for key in keys[rows]]
        images[m, rows] = [_picture(folder / name) for name in names]
        return len(names)

    title = f"decoding PolyMNIST's {folder.name} split"
    in_threads(decode, chunks, title, "image", progress, modalities * len(keys))
    views = {f"m{m}": torch.from_numpy(x) for m, x in enumerate(images)}
    return Split(views, labels=torch.from_numpy(keys % 10))


def _image_name(key: int) -> str:
    return f"{key // 10}.{key % 10}.png"


def _picture(path: Path) -> NDArray[np.uint8]:
    """(3, 28, 28) from a PNG of that size whose colours 8-bit RGB holds."""
    return planes(decoded(path, ("PNG",), (PIXELS, PIXELS)).convert("RGB"))


def _keys(folder: Path) -> Keys:
    """The examples that a folder of pictures holds."""
    keys = []
    for name in files(folder):
        if not (match := _IMAGE_NAME.fullmatch(name)):
            wrong = f"{folder / name} is not named {{i}}.{{digit}}.png"
            raise ValueError(f"{wrong}, e.g. 0.5.png")
        keys.append(int(match[1] + match[2]))
    return np.sort(np.array(keys, np.int64))


# As MultiVae stores it: a tensor for each modality, and one for the labels.
#
# Senellart, Chadebec & Allassonniere, "MultiVae: A Python package for Multimodal Variational
# Autoencoders on Partial Datasets", 2025, https://github.com/AgatheSenellart/MultiVae,
# src/multivae/data/datasets/mmnist.py.


def _tensors(folder: Path, modalities: int, progress: Progress) -> Split:
    labels = _labels(folder / "labels.pt")
    views: Batch = {}
    title = f"reading PolyMNIST's {folder.name} split"
    with progress.stage(title, modalities, unit="file") as bar:
        for k in range(modalities):
            path = folder / f"m{k}.pt"
            views[f"m{k}"] = _pixels(path, _tensor(path), len(labels))
            bar.update(k + 1)
    return Split(views, labels=labels)


def _labels(path: Path) -> Tensor:
    labels = _tensor(path)
    if labels.ndim != 1:
        raise ValueError(f"{path} has shape {tuple(labels.shape)}, expected (N,)")
    digits = labels.long()
    wrong = (digits != labels) | (digits < 0) | (digits > 9)
    if wrong.any():
        label = labels[wrong][0].item()
        raise ValueError(f"{path} holds the label {label:g}, expected the digits 0 to 9")
    return digits.clone()


def _tensor(path: Path) -> Tensor:
    found = tensors.read(path)
    if not isinstance(found, Tensor):
        raise ValueError(f"{path} holds a {type(found).__name__}, expected one tensor")
    return found.detach()


def _pixels(path: Path, images: Tensor, count: int) -> Tensor:
    """(N, 3, 28, 28) as uint8, a copy."""
    if tuple(images.shape) != (count, *SHAPE):
        raise ValueError(f"{path} has shape {tuple(images.shape)}, expected {(count, *SHAPE)}")
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(f"{path} holds {images.dtype}, expected uint8 or floats in [0, 1]")
    out = torch.empty(images.shape, dtype=torch.uint8)
    for start in range(0, count, _CHUNK):
        x = images[start : start + _CHUNK]
        if x.dtype != torch.uint8:
            low, high = x.min().item(), x.max().item()
            if not 0 <= low <= high <= 1:  # also refuses NaN
                wanted = "expected floats in [0, 1] or uint8"
                raise ValueError(f"{path} holds values from {low:g} to {high:g}, {wanted}")
            x = (x.float() * 255).round_()
        out[start : start + _CHUNK] = x
    return out


polymnist = PUBLISHED.source(
    title="one digit over five kinds of background, 28 x 28 RGB (70,000 examples)",
    paper="Sutter, Daunhawer, Vogt: Generalized Multimodal ELBO, 2021, "
    "https://arxiv.org/abs/2105.02470",
    download="https://zenodo.org/record/4899160/files/PolyMNIST.zip",
    load=load,
    version=VERSION,
)
