"""mnist-svhn-mini: written digits and street numbers, a procedural twin of MNIST-SVHN.

Like MNIST-SVHN (Shi, Siddharth, Paige & Torr, "Variational mixture-of-experts autoencoders for
multi-modal deep generative models", NeurIPS 2019, https://arxiv.org/abs/1911.03393) an example
pairs a digit written by hand with the crop of a street number that shares its class and nothing
else, and a picture occurs in several pairs. The writers and the typefaces of the test split occur
in no training example.

No number measured on it belongs in a table of MNIST-SVHN's.
"""

import numpy as np

from mmbench.core.data import Dataset, Split
from mmbench.core.source import Source
from mmbench.datasets import mnist_svhn
from mmbench.datasets.formats.cache import loader
from mmbench.datasets.mini.digits.handwriting import written
from mmbench.datasets.mini.digits.house_numbers import PIXELS, Numerals, photograph
from mmbench.datasets.mini.digits.typefaces import Face
from mmbench.datasets.mini.materials import Bytes, Integers, rng_of
from mmbench.progress import Bar, Progress
from mmbench.protocols.arguments import at_least
from mmbench.seeds import derive

NAME = "mnist-svhn-mini"
SEED = 2019
TRAIN, TEST = 10_000, 1_000
PAIRINGS = 5
VERSION = 2
WRITERS = {"train": 200, "test": 40}
TYPEFACES = {"train": 200, "test": 40}
"""How many there are in each split; no writer and no typeface is in both."""
_CHUNK = 500  # pictures made at a time; the content depends on it


def make(
    train: int = TRAIN,
    test: int = TEST,
    pairings: int = PAIRINGS,
    seed: int = SEED,
    progress: Progress | None = None,
) -> Dataset:
    """Makes the data set, of at least 10 pictures of each view in each split.

    Each picture occurs `pairings` times; a split has that many times as many examples.

    Returns:
        mnist (1, 28, 28) and svhn (3, 32, 32) as uint8, labels 0 to 9.

    Raises:
        ValueError: There are fewer than 10 pictures in a split, or no pairings.
    """
    at_least(10, train=train, test=test)
    at_least(1, pairings=pairings)
    progress = progress or Progress(None)
    with progress.stage(f"making {NAME}", 2 * (train + test), unit="picture") as bar:
        made = [_split(p, n, pairings, seed, bar) for p, n in (("train", train), ("test", test))]
        return Dataset(NAME, mnist_svhn.MODALITIES, made[0], made[1], classes=10, version=VERSION)


def _split(part: str, count: int, pairings: int, seed: int, bar: Bar) -> Split:
    every = np.arange(count) % 10
    texts, numbers = (rng_of(seed, NAME, part, v).permutation(every) for v in ("mnist", "svhn"))
    hand = written(texts, WRITERS[part], derive(seed, NAME, part, "written"), bar)
    street = _photographs(numbers, part, seed, bar)
    return mnist_svhn.paired(hand, texts, street, numbers, part, pairings, seed)


def _photographs(digits: Integers, part: str, seed: int, bar: Bar) -> Bytes:
    rng = rng_of(seed, NAME, part, "typefaces")
    faces = [Face(rng) for _ in range(TYPEFACES[part])]
    used, which = np.unique(
        rng_of(seed, NAME, part, "typeface of each").integers(0, len(faces), len(digits)),
        return_inverse=True,
    )
    numerals = Numerals([faces[i] for i in used])
    out = np.empty((len(digits), 3, PIXELS, PIXELS), np.uint8)
    for start in range(0, len(digits), _CHUNK):
        some = slice(start, start + _CHUNK)
        rng = rng_of(seed, NAME, part, "photographs", start)
        out[some] = np.rint(255 * photograph(digits[some], which[some], numerals, rng))
        bar.update(bar.done + len(digits[some]))
    return out


mnist_svhn_mini = Source(
    title="written digits and street numbers made on the spot, a twin of MNIST-SVHN (nothing to "
    "download)",
    twin="mnist-svhn",
    paper="after Shi, Siddharth, Paige & Torr, Variational mixture-of-experts autoencoders for "
    "multi-modal deep generative models, 2019, https://arxiv.org/abs/1911.03393",
    load=loader(NAME, VERSION, lambda progress: make(progress=progress)),
    version=VERSION,
)
