"""cub-mini: drawn birds with captions from a grammar, a procedural twin of CUB.

Like CUB (Wah, Branson, Welinder, Perona & Belongie, 2011,
https://www.vision.caltech.edu/datasets/cub_200_2011; captions by Reed, Akata, Schiele & Lee, 2016,
https://arxiv.org/abs/1605.05395) an example is the picture of a bird with one of its ten captions.
A caption names some of what the picture shows, in words of a small grammar, so whether the
two agree is known exactly. Some pairs of colours of body and wings occur in the test
split alone.

No number measured on it belongs in a table of CUB's.
"""

import numpy as np
import torch

from mmbench.core.data import Dataset, Split
from mmbench.core.source import Source
from mmbench.datasets.cub import EACH, PIXELS, modalities
from mmbench.datasets.formats.cache import loader
from mmbench.datasets.formats.captions import Vocabulary, tokenise
from mmbench.datasets.mini import Part, check_counts, rng_of
from mmbench.datasets.mini.birds.birds import ATTRIBUTES, COLOURS, Bird, draw
from mmbench.datasets.mini.birds.grammar import captions
from mmbench.progress import Bar, Progress

NAME = "cub-mini"
SEED = 2011
TRAIN, TEST = 5_000, 500
"""Birds in each split; ten times as many examples."""
VERSION = 1

_SAME = {"wing": 0.3, "breast": 0.25, "crown": 0.3}
_PLAIN = 0.04  # birds of one colour, but for the beak
_NAMES = tuple(COLOURS)

HELD_OUT = frozenset(
    (body, _NAMES[(i + step) % len(_NAMES)]) for i, body in enumerate(_NAMES) for step in (2, 5)
)
"""Colours of body and wings that no training example has: a quarter of the unequal pairs."""


def birds(part: Part, count: int, seed: int = SEED) -> list[Bird]:
    """What the birds of a split look like, in the order of its pictures.

    A part has the colour of the body more often than another; all else is independent and
    uniform.
    """
    rng = rng_of(seed, NAME, part, "birds")
    found: list[Bird] = []
    for _ in range(count):
        bird = {a: values[rng.integers(len(values))] for a, values in ATTRIBUTES.items()}
        body = bird["body"]
        plain = rng.random() < _PLAIN
        for name, same in _SAME.items():
            others = [c for c in _NAMES if c != body]
            if name == "wing" and part == "train":
                others = [c for c in others if (body, c) not in HELD_OUT]
            other = others[rng.integers(len(others))]
            bird[name] = body if rng.random() < same or plain else other
        found.append(bird)
    return found


def make(
    pixels: int = PIXELS,
    train: int = TRAIN,
    test: int = TEST,
    seed: int = SEED,
    progress: Progress | None = None,
) -> Dataset:
    """Makes the data set of `train` and `test` birds.

    The pictures have `pixels` x `pixels`; what they show and the captions do not depend on it.

    Returns:
        As `mmbench.datasets.cub.load`: image (3, pixels, pixels) as uint8 and sentence (32,) as
        tokens, ten examples a picture.

    Raises:
        ValueError: `pixels` is below 16, or there is no bird in a split.
    """
    check_counts({"pixels": pixels}, 16, ": less shows no beak")
    check_counts({"train": train, "test": test}, 1, " bird")
    name = NAME if pixels == PIXELS else f"{NAME}-{pixels}"
    words = {"train": _words("train", train, seed), "test": _words("test", test, seed)}
    vocabulary = Vocabulary.of(words["train"])

    def split(part: Part, count: int, bar: Bar) -> Split:
        image = _pictures(part, count, pixels, seed, bar)
        tensors = {"image": image, "sentence": vocabulary.tokens(words[part])}
        return Split(tensors, {"image": torch.arange(EACH * count) // EACH})

    with (progress or Progress(None)).stage(f"making {name}", train + test, unit="picture") as bar:
        both = split("train", train, bar), split("test", test, bar)
    return Dataset(name, modalities(vocabulary, pixels), *both, version=VERSION)


def _words(part: Part, count: int, seed: int) -> list[list[str]]:
    said = []
    for i, bird in enumerate(birds(part, count, seed)):
        rng = rng_of(seed, NAME, part, "captions", i)
        said += [tokenise(text) for text in captions(bird, EACH, rng)]
    return said


def _pictures(part: Part, count: int, pixels: int, seed: int, bar: Bar) -> torch.Tensor:
    images = np.empty((count, 3, pixels, pixels), np.uint8)
    for i, bird in enumerate(birds(part, count, seed)):
        rng = rng_of(seed, NAME, part, "picture", i)
        images[i] = draw(bird, pixels, rng).transpose(2, 0, 1)
        bar.update(bar.done + 1)
    return torch.from_numpy(images)


_PAPER = (
    "after Wah, Branson, Welinder, Perona, Belongie: The Caltech-UCSD Birds-200-2011 dataset, "
    "2011, https://www.vision.caltech.edu/datasets/cub_200_2011"
)

cub_mini = Source(
    title="drawn birds with captions from a grammar, 64 x 64 RGB, a twin of CUB (nothing to "
    "download)",
    paper=_PAPER,
    load=loader(NAME, VERSION, lambda progress: make(64, progress=progress)),
)
cub_mini_32 = Source(
    title="drawn birds with captions from a grammar, 32 x 32 RGB, a twin of CUB (nothing to "
    "download)",
    paper=_PAPER,
    load=loader(f"{NAME}-32", VERSION, lambda progress: make(32, progress=progress)),
)
