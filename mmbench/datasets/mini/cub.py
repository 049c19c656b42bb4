"""cub-mini: drawn birds with captions from a grammar, a procedural twin of CUB.

Like CUB (Wah, Branson, Welinder, Perona & Belongie, 2011,
https://www.vision.caltech.edu/datasets/cub_200_2011; captions by Reed, Akata, Schiele & Lee, 2016,
https://arxiv.org/abs/1605.05395) an example is the picture of a bird with one of its ten captions.
A caption names some of what the picture shows, in words of a small grammar, so whether the
two agree is known exactly. Some pairs of colours of body and wings occur in the test
split alone.

No number measured on it belongs in a table of CUB's.
"""

import torch

from mmbench.core.data import Dataset, Split
from mmbench.core.source import Source
from mmbench.datasets.cub import EACH, PIXELS, modalities
from mmbench.datasets.formats.cache import loader
from mmbench.datasets.formats.captions import Vocabulary, tokenise
from mmbench.datasets.mini.birds.birds import ATTRIBUTES, COLOURS, Bird, draw
from mmbench.datasets.mini.birds.captions import captions
from mmbench.datasets.mini.materials import Part, rng_of
from mmbench.progress import Progress
from mmbench.protocols.arguments import at_least

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
    at_least(16, pixels=pixels)
    at_least(1, train=train, test=test)
    name = NAME if pixels == PIXELS else f"{NAME}-{pixels}"
    counts: dict[Part, int] = {"train": train, "test": test}
    images: dict[str, torch.Tensor] = {}
    words: dict[str, list[list[str]]] = {"train": [], "test": []}
    with (progress or Progress(None)).stage(f"making {name}", train + test, unit="picture") as bar:
        for part, count in counts.items():
            images[part] = torch.empty(count, 3, pixels, pixels, dtype=torch.uint8)
            for i, bird in enumerate(birds(part, count, seed)):
                picture = draw(bird, pixels, rng_of(seed, NAME, part, "picture", i))
                images[part][i] = torch.from_numpy(picture).permute(2, 0, 1)
                said = captions(bird, EACH, rng_of(seed, NAME, part, "captions", i))
                words[part] += map(tokenise, said)
                bar.update(bar.done + 1)
    vocabulary = Vocabulary.of(words["train"])
    train_split, test_split = (
        Split(
            {"image": x, "sentence": vocabulary.tokens(words[part])},
            {"image": torch.arange(EACH * len(x)) // EACH},
        )
        for part, x in images.items()
    )
    known = modalities(vocabulary, pixels)
    return Dataset(name, known, train_split, test_split, version=VERSION)


_PAPER = (
    "after Wah, Branson, Welinder, Perona, Belongie: The Caltech-UCSD Birds-200-2011 dataset, "
    "2011, https://www.vision.caltech.edu/datasets/cub_200_2011"
)

cub_mini = Source(
    title="drawn birds with captions from a grammar, 64 x 64 RGB, a twin of CUB (nothing to "
    "download)",
    twin="cub",
    paper=_PAPER,
    load=loader(NAME, VERSION, lambda progress: make(64, progress=progress)),
    version=VERSION,
)
cub_mini_32 = Source(
    title="drawn birds with captions from a grammar, 32 x 32 RGB, a twin of CUB (nothing to "
    "download)",
    twin="cub",
    paper=_PAPER,
    load=loader(f"{NAME}-32", VERSION, lambda progress: make(32, progress=progress)),
    version=VERSION,
)
