"""polymnist-mini: the same digit in five hands over five textures, a procedural twin of PolyMNIST.

Made by PolyMNIST's own recipe (Sutter, Daunhawer & Vogt, "Generalized Multimodal ELBO", ICLR
2021, https://arxiv.org/abs/2105.02470; see `mmbench.datasets.polymnist_build`) out of digits and
surfaces drawn on the spot: from m0, an evening sky, to m4, a wall of bricks, the digit is ever
harder to keep apart from what lies below it. The writers of the test split occur in no training
example.

No number measured on it belongs in a table of PolyMNIST's.
"""

import numpy as np
import torch

from mmbench.core.data import Batch, Dataset, Modality, Split
from mmbench.core.source import Source
from mmbench.datasets.formats.cache import loader
from mmbench.datasets.mini.digits.handwriting import PIXELS, written
from mmbench.datasets.mini.digits.textures import TEXTURES
from mmbench.datasets.mini.materials import Bytes, rng_of, shuffled
from mmbench.datasets.polymnist_build import overlay
from mmbench.progress import Bar, Progress
from mmbench.protocols.arguments import at_least
from mmbench.seeds import derive

NAME = "polymnist-mini"
SEED = 2021
TRAIN, TEST = 10_000, 1_000
VERSION = 1
WRITERS = {"train": 200, "test": 40}
"""How many there are in each split; nobody is in both."""
MODALITIES = tuple(Modality(f"m{k}", "image", (3, PIXELS, PIXELS)) for k in range(len(TEXTURES)))


def make(
    train: int = TRAIN,
    test: int = TEST,
    seed: int = SEED,
    progress: Progress | None = None,
    surfaces: int | None = None,
) -> Dataset:
    """Makes the data set, of at least 10 examples in each split.

    `surfaces` is the seed of what lies below the digits, where that is to be another data set's.

    Returns:
        m0 to m4 (3, 28, 28) as uint8, labels 0 to 9.

    Raises:
        ValueError: There are fewer than 10 examples in a split.
    """
    at_least(10, train=train, test=test)
    with (progress or Progress(None)).stage(f"making {NAME}", train + test, unit="digit") as bar:
        below = seed if surfaces is None else surfaces
        streams = (rng_of(below, NAME, m.name, "texture") for m in MODALITIES)
        drawn = [texture(rng) for texture, rng in zip(TEXTURES, streams, strict=True)]
        made = [_split(p, n, drawn, seed, bar) for p, n in (("train", train), ("test", test))]
        return Dataset(NAME, MODALITIES, made[0], made[1], classes=10, version=VERSION)


def _split(part: str, count: int, surfaces: list[Bytes], seed: int, bar: Bar) -> Split:
    """Examples; both splits take their crops from the same surfaces, as in PolyMNIST."""
    labels = rng_of(seed, NAME, part, "digits").permutation(np.arange(count) % 10)
    ink = written(labels, WRITERS[part], derive(seed, NAME, part, "written"), bar)
    tensors: Batch = {}
    for modality, surface in zip(MODALITIES, surfaces, strict=True):
        rng = rng_of(seed, NAME, part, modality.name, "digits over it")
        rows = shuffled(labels, rng)  # the modalities share the class, not the hand
        tiles = overlay(ink[rows], surface, rng)
        tensors[modality.name] = torch.from_numpy(tiles.transpose(0, 3, 1, 2).copy())
    return Split(tensors, labels=torch.from_numpy(labels))


polymnist_mini = Source(
    title="one digit over five textures made on the spot, a twin of PolyMNIST (nothing to "
    "download)",
    twin="polymnist",
    paper="after Sutter, Daunhawer & Vogt, Generalized Multimodal ELBO, 2021, "
    "https://arxiv.org/abs/2105.02470",
    load=loader(NAME, VERSION, lambda progress: make(progress=progress)),
    version=VERSION,
)
