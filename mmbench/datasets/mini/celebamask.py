"""celebamask-mini: drawn faces, a procedural twin of CelebAMask-HQ.

As in CelebAMask-HQ (Lee, Liu, Wu & Luo, "MaskGAN: Towards Diverse and Interactive Facial Image
Manipulation", CVPR 2020, https://arxiv.org/abs/1907.11922) an example is a face, the union of the
masks of its parts but the skin, and the same 18 attributes, each true of the drawing and visible
in it. Nobody in the test split occurs in a training example.

No number measured on it belongs in a table of CelebAMask-HQ's.
"""

import numpy as np
import torch

from mmbench.core.data import Dataset, Split
from mmbench.core.source import Source
from mmbench.datasets.celebamask_hq import ATTRIBUTES, modalities, shrunk
from mmbench.datasets.formats.cache import loader
from mmbench.datasets.mini.faces import faces, people
from mmbench.datasets.mini.materials import Part, rng_of
from mmbench.progress import Bar, Progress
from mmbench.protocols.arguments import at_least

NAME = "celebamask-mini"
SEED = 2020
TRAIN, TEST = 4_000, 500
VERSION = 1

PEOPLE = {"train": range(1000), "test": range(1000, 1125)}
"""The numbers of the people in each split."""


def portrait(part: Part, i: int, seed: int = SEED) -> people.Portrait:
    """Who and what example `i` of a split shows, whatever the number of pixels."""
    rng = rng_of(seed, NAME, part, "portrait", i)
    who = people.Person(rng_of(seed, NAME, "person", int(rng.choice(PEOPLE[part]))))
    return people.Portrait(who, rng)


def make(
    pixels: int = 128,
    train: int = TRAIN,
    test: int = TEST,
    seed: int = SEED,
    progress: Progress | None = None,
) -> Dataset:
    """Makes the data set; image and mask have `pixels` x `pixels`, at least 16 x 16.

    Returns:
        image (3, pixels, pixels) as uint8, mask (1, pixels, pixels) and attributes (18,) as bool.

    Raises:
        ValueError: There are fewer than 16 pixels, or no example in a split.
    """
    at_least(16, pixels=pixels)
    at_least(1, train=train, test=test)
    name = NAME if pixels == 128 else f"{NAME}-{pixels}"
    with (progress or Progress(None)).stage(f"making {name}", train + test, unit="example") as bar:
        splits = _split("train", train, pixels, seed, bar), _split("test", test, pixels, seed, bar)
    return Dataset(name, modalities(pixels), *splits, version=VERSION)


def _split(part: Part, count: int, pixels: int, seed: int, bar: Bar) -> Split:
    image = np.empty((count, 3, pixels, pixels), np.uint8)
    mask = np.empty((count, 1, pixels, pixels), bool)
    attributes = np.empty((count, len(ATTRIBUTES)), bool)
    for i in range(count):
        shown = portrait(part, i, seed)
        drawing = faces.draw(shown, pixels)
        image[i] = drawing.picture.transpose(2, 0, 1)
        mask[i, 0] = shrunk(drawing.union(), pixels)
        attributes[i] = people.attributes(shown)
        bar.update(bar.done + 1)
    named = {"image": image, "mask": mask, "attributes": attributes}
    return Split({m: torch.from_numpy(x) for m, x in named.items()})


_PAPER = (
    "after Lee, Liu, Wu, Luo: MaskGAN: Towards Diverse and Interactive Facial Image Manipulation, "
    "2020, https://arxiv.org/abs/1907.11922"
)

celebamask_mini = Source(
    title="faces drawn on the spot, 128 x 128, a twin of CelebAMask-HQ (nothing to download)",
    twin="celebamask-hq",
    paper=_PAPER,
    load=loader(NAME, VERSION, lambda progress: make(128, progress=progress)),
    version=VERSION,
)
celebamask_mini_32 = Source(
    title="celebamask-mini drawn at 32 x 32 (nothing to download)",
    twin="celebamask-hq",
    paper=_PAPER,
    load=loader(f"{NAME}-32", VERSION, lambda progress: make(32, progress=progress)),
    version=VERSION,
)
