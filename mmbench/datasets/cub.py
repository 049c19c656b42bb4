"""CUB: photographs of birds, each with ten captions.

Photographs: Wah, Branson, Welinder, Perona & Belongie, "The Caltech-UCSD Birds-200-2011 dataset",
2011, https://www.vision.caltech.edu/datasets/cub_200_2011. Captions: Reed, Akata, Schiele & Lee,
"Learning deep representations of fine-grained visual descriptions", CVPR 2016,
https://arxiv.org/abs/1605.05395. Protocol: Shi, Siddharth, Paige & Torr, "Variational
mixture-of-experts autoencoders for multi-modal deep generative models", NeurIPS 2019,
https://arxiv.org/abs/1911.03393.

An example is a photograph with one of its captions. The two public layouts split training and
test differently: that of Shi et al. by species (150 and 50), Caltech's within each species, so
numbers measured on one do not compare with numbers measured on the other.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmbench.core.data import Dataset, Modality, Split
from mmbench.datasets.formats.cache import cached, fingerprint, place
from mmbench.datasets.formats.captions import LENGTH, Vocabulary, tokenise
from mmbench.datasets.formats.folders import Published, in_threads
from mmbench.errors import concerning
from mmbench.files.folder import visible
from mmbench.files.text import read_text
from mmbench.media.image import pictures, resized
from mmbench.progress import Progress

NAME = "cub"
PUBLISHED = Published.of(NAME)
VERSION = 1
PIXELS = 64
EACH = 10
"""Captions of a photograph."""

_TEXTS = {"train": "text_trainvalclasses.txt", "test": "text_testclasses.txt"}
_CALTECH = "CUB_200_2011"
_CAPTIONS = ("text", "text_c10")


@dataclass(frozen=True)
class Part:
    """The photographs of a split and where their captions are."""

    photographs: tuple[str, ...]  # relative to the root, in the order of the captions
    # Files of captions, one a line, relative to the root, in the same order.
    texts: tuple[str, ...]


def load(folder: Path | None, cache: Path, progress: Progress) -> Dataset:
    """Reads CUB in either of its public layouts.

    The folder holds what is unpacked from cub.zip (train/ and test/ with a folder for each
    species, text_trainvalclasses.txt, text_testclasses.txt), or CUB_200_2011/ beside text/ or
    text_c10/ with a file of captions for each photograph; or holds them in folders called cub
    or CUB. The decoded tensors of the whole data set take 152 MB of the cache.

    Returns:
        Modalities image (3, 64, 64) as uint8, squeezed without cropping, and sentence (32,) as
        the tokens of `mmbench.datasets.formats.captions`. Ten examples share each photograph.

    Raises:
        FileNotFoundError: The files are not there.
        ValueError: A file is damaged, a photograph has not ten captions, or a caption is empty.
    """
    root = PUBLISHED.find(folder, lambda at: _is_theirs(at) or _is_caltechs(at))
    parts = _theirs(root) if _is_theirs(root) else _caltechs(root)
    names = [name for part in parts.values() for name in (*part.texts, *part.photographs)]
    lists = [f"{_CALTECH}/{name}" for name in _LISTS] if not _is_theirs(root) else []
    source = fingerprint(root, [*lists, *names], f"{NAME} {VERSION}")
    return cached(place(cache, NAME, root), source, lambda: _read(root, parts, progress), progress)


def _read(root: Path, parts: Mapping[str, Part], progress: Progress) -> Dataset:
    words = {name: [tokenise(c) for c in captions(root, part)] for name, part in parts.items()}
    vocabulary = Vocabulary.of(words["train"])

    def split(name: str) -> Split:
        images = _pictures(root, parts[name], name, progress)
        index = torch.arange(EACH * len(images)) // EACH
        sentences = vocabulary.tokens(words[name])
        return Split({"image": images, "sentence": sentences}, {"image": index})

    both = split("train"), split("test")
    with concerning(root):
        return Dataset(NAME, modalities(vocabulary), *both, version=VERSION)


def modalities(vocabulary: Vocabulary, pixels: int = PIXELS) -> tuple[Modality, Modality]:
    """A picture of a bird, and a caption of it."""
    return (
        Modality("image", "image", (3, pixels, pixels)),
        Modality("sentence", "text", (LENGTH,), vocabulary.words),
    )


def captions(root: Path, part: Part) -> list[str]:
    """The captions of a split, ten for each photograph in turn.

    Raises:
        ValueError: They are not ten for each photograph, or one is empty.
    """
    found = []
    each = len(part.photographs) // len(part.texts)  # photographs that a file describes
    for name in part.texts:
        # bytes that are no UTF-8 are the no-break spaces of another encoding
        lines = read_text(root / name, errors="replace").split("\n")
        if not lines[-1].strip():
            lines.pop()
        for number, line in enumerate(lines, 1):
            if not tokenise(line):
                raise ValueError(f"{root / name} has an empty caption in line {number}")
        if len(lines) != EACH * each:
            wanted = f"{EACH * each:,}: {EACH} for each of {each:,} photographs"
            raise ValueError(f"{root / name} has {len(lines):,} captions, expected {wanted}")
        found += lines
    return found


def _pictures(root: Path, part: Part, title: str, progress: Progress) -> Tensor:
    """(N, 3, 64, 64) uint8."""
    images = np.empty((len(part.photographs), 3, PIXELS, PIXELS), np.uint8)

    def decode(i: int) -> int:
        path = root / part.photographs[i]
        images[i] = resized(path, (PIXELS, PIXELS)).transpose(2, 0, 1)
        return 1

    in_threads(decode, range(len(images)), f"decoding CUB's {title} split", "image", progress)
    return torch.from_numpy(images)


# The layout of Shi et al.: photographs sorted by species and name, as torchvision's ImageFolder
# sorts them, and all captions of a split in one file in that order.


def _is_theirs(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _TEXTS.values())


def _theirs(root: Path) -> dict[str, Part]:
    parts = {}
    for name, text in _TEXTS.items():
        PUBLISHED.require(root / text, root / name)
        photographs = tuple(
            f"{name}/{species}/{photograph.name}"
            for species in sorted(e.name for e in visible(root / name) if e.is_dir())
            for photograph in pictures(root / name / species)
        )
        if not photographs:
            raise FileNotFoundError(f"{root / name} holds no photographs in folders of species")
        parts[name] = Part(photographs, (text,))
    return parts


# Caltech's layout: lists of photographs and of their split, and Reed et al.'s captions in a file
# for each photograph.

_IMAGES, _SPLIT = "images.txt", "train_test_split.txt"
_LISTS = {
    _IMAGES: (re.compile(r"(\d+) (\S+)"), "a number and a photograph below images/"),
    _SPLIT: (re.compile(r"(\d+) ([01])"), "a number and 1 for train or 0 for test"),
}


def _is_caltechs(folder: Path) -> bool:
    return (folder / _CALTECH / _IMAGES).is_file()


def _caltechs(root: Path) -> dict[str, Part]:
    base = root / _CALTECH
    names, split = _rows(base / _IMAGES), _rows(base / _SPLIT)
    if names.keys() != split.keys():
        lone = min(names.keys() ^ split.keys(), key=lambda key: (len(key), key))
        has, lacks = (_IMAGES, _SPLIT) if lone in names else (_SPLIT, _IMAGES)
        raise ValueError(f"{base / lacks} lacks image {lone} of {has}, expected it in both")
    text = next((name for name in _CAPTIONS if (root / name).is_dir()), None)
    if text is None:
        missing = root / _CAPTIONS[0]
        raise FileNotFoundError(f"{missing} does not exist: expected files of ten captions there")
    parts = {}
    for part, flag in (("train", "1"), ("test", "0")):
        chosen = [names[key] for key in names if split[key] == flag]
        if not chosen:
            wrong = f"no photograph in the {part} split"
            raise ValueError(f"{base / _SPLIT} has {wrong}, expected some with {flag}")
        photographs = tuple(f"{_CALTECH}/images/{name}" for name in chosen)
        texts = tuple(f"{text}/{os.path.splitext(name)[0]}.txt" for name in chosen)
        PUBLISHED.require(*(root / path for path in (*photographs, *texts)))
        parts[part] = Part(photographs, texts)
    return parts


def _rows(path: Path) -> dict[str, str]:
    """Number -> value of one of Caltech's lists, in its order."""
    PUBLISHED.require(path)
    pattern, form = _LISTS[path.name]
    rows: dict[str, str] = {}
    lines = read_text(path).rstrip().split("\n")
    for number, line in enumerate(lines, 1):
        match = pattern.fullmatch(line.strip())
        if not match or match[1] in rows:
            wanted = f"expected {form}, and each number once"
            raise ValueError(f"{path} has {line.strip()!r} in line {number}, {wanted}")
        rows[match[1]] = match[2]
    return rows


cub = PUBLISHED.source(
    title="photographs of birds with ten captions each, 64 x 64 RGB (11,788 photographs)",
    paper="Wah, Branson, Welinder, Perona, Belongie: The Caltech-UCSD Birds-200-2011 dataset, "
    "2011, https://www.vision.caltech.edu/datasets/cub_200_2011; captions by Reed, Akata, "
    "Schiele, Lee: Learning deep representations of fine-grained visual descriptions, 2016, "
    "https://arxiv.org/abs/1605.05395",
    download="http://www.robots.ox.ac.uk/~yshi/mmdgm/datasets/cub.zip",
    load=load,
    version=VERSION,
)
