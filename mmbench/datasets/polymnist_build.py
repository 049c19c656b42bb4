"""Builds a PolyMNIST of any number of modalities from MNIST and as many background pictures.

The recipe is that of Sutter, Daunhawer & Vogt, "Generalized Multimodal ELBO", ICLR 2021,
https://arxiv.org/abs/2105.02470: for each modality and digit the pictures of MNIST are permuted
on their own, binarised, and laid over a random crop of that modality's background by inverting
its colours under the digit.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from PIL import Image

from mmbench.datasets.formats import idx
from mmbench.datasets.formats.folders import in_threads
from mmbench.datasets.formats.idx import Bytes, Integers
from mmbench.files.atomic import naming
from mmbench.media.image import pictures, resized
from mmbench.progress import Progress
from mmbench.seeds import derive

PIXELS = idx.PIXELS
THRESHOLD = 128
"""MNIST's pixels above it are the digit."""
DIGITS = range(10)


def build(
    mnist: Path,
    backgrounds: Path,
    out: Path,
    modalities: int,
    train: int | None = None,
    test: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> None:
    """Writes out/MMNIST/{train,test}/m{k}/{i}.{digit}.png, 8-bit RGB, as PolyMNIST is published.

    Example i of a digit shows it in every modality, of which there are at least 2, each time in
    another hand, drawn independently. Equal arguments make equal pictures, and the first
    modalities are the same however many there are. MNIST's folder is, for example, the one that
    holds MNIST/raw/. The backgrounds are the first *.jpg and *.png of their folder in natural
    order (2.jpg comes before 10.jpg). The training and test examples are shared out equally among
    the digits; by default all 60,000 and 10,000 are used, whose digits differ a little in number.
    `out` appears once everything is written.

    Raises:
        FileExistsError: There is something at `out`.
        FileNotFoundError: MNIST or the backgrounds are not there.
        ValueError: There are too few modalities, backgrounds or digits, or a file is damaged.
    """
    progress = progress or Progress(None)
    if modalities < 2:
        raise ValueError(f"{modalities} modalities make no pairs, expected at least 2")
    if os.path.lexists(out):
        raise FileExistsError(f"{out} exists already: name a folder that does not, or remove it")
    pictures = [_picture(path) for path in _backgrounds(backgrounds, modalities)]
    place = idx.place(mnist)
    if place is None:
        advice = "'mmbench data download mnist-svhn' gets its files"
        raise FileNotFoundError(f"{mnist} does not hold MNIST: {advice}")
    splits = {}
    for part, count in (("train", train), ("test", test)):
        images, labels = idx.digits(mnist / place, part)
        shares = _shares(labels, part, count)
        splits[part] = (images, [np.flatnonzero(labels == d) for d in DIGITS], shares)

    jobs = [(part, k, d) for part in splits for k in range(modalities) for d in DIGITS]
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        beside = Path(scratch) / out.name

        def work(job: tuple[str, int, int]) -> int:
            part, k, digit = job
            images, members, shares = splits[part]
            rng = np.random.default_rng(derive(seed, "polymnist", *job))
            rows = rng.permutation(members[digit])[: shares[digit]]
            folder = beside / "MMNIST" / part / f"m{k}"
            for i, tile in enumerate(overlay(images[rows], pictures[k], rng)):
                Image.fromarray(tile).save(folder / f"{i}.{digit}.png")
            return len(rows)

        for part in splits:
            for k in range(modalities):
                (beside / "MMNIST" / part / f"m{k}").mkdir(parents=True)
        total = modalities * sum(sum(shares) for _, _, shares in splits.values())
        with naming(out):
            in_threads(work, jobs, f"writing {out}", "image", progress, total)
        beside.rename(out)


def overlay(digits: Bytes, picture: Bytes, rng: np.random.Generator) -> Bytes:
    """Digits over random crops of a picture, whose colours are inverted under the digit.

    Digits (N, 28, 28), 0 is paper and 255 is ink, over a picture (H, W, 3), neither side of which
    is shorter than 28, give (N, 28, 28, 3).
    """
    height, width = (size - PIXELS + 1 for size in picture.shape[:2])
    y, x = rng.integers(height, size=len(digits)), rng.integers(width, size=len(digits))
    crops = np.lib.stride_tricks.sliding_window_view(picture, (PIXELS, PIXELS), axis=(0, 1))
    tiles = crops[y, x].transpose(0, 2, 3, 1)
    return np.where(digits[..., None] > THRESHOLD, 255 - tiles, tiles)


def _shares(labels: Integers, part: str, count: int | None) -> list[int]:
    """How many examples each digit gets."""
    there: list[int] = np.bincount(labels, minlength=10).tolist()
    if count is None:
        return there
    if count < 10:
        raise ValueError(f"{part} is {count}, expected at least 10: one example of each digit")
    shares = [len(range(d, count, 10)) for d in DIGITS]
    for d, (wanted, held) in enumerate(zip(shares, there, strict=True)):
        if wanted > held:
            wrong = f"{part} is {count}, which takes {wanted} pictures of the digit {d}"
            raise ValueError(f"{wrong}; MNIST has {held}: expected at most {10 * min(there)}")
    return shares


def _backgrounds(folder: Path, count: int) -> list[Path]:
    """The first pictures of a folder in natural order."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder: expected {count} pictures in it")
    natural = lambda path: [int(s) if s.isdecimal() else s for s in re.split(r"(\d+)", path.name)]
    found = sorted(pictures(folder), key=natural)
    if len(found) < count:
        raise ValueError(f"{folder} has {len(found)} pictures, too few for {count} modalities")
    return found[:count]


def _picture(path: Path) -> Bytes:
    """(H, W, 3)."""
    pixels = resized(path, None)
    if min(pixels.shape[:2]) < PIXELS:
        size = f"{pixels.shape[1]} x {pixels.shape[0]} pixels"
        raise ValueError(f"{path} has {size}, expected at least {PIXELS} x {PIXELS}")
    return pixels


def _dir(name: str, text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    kind = click.Path(path_type=Path)
    return click.option(name, required=True, type=kind, metavar="DIR", help=text)


@click.command("polymnist")
@_dir("--mnist", "The folder that holds MNIST/raw/, as torchvision keeps it.")
@_dir("--backgrounds", "A folder of *.jpg and *.png, one picture for each modality.")
@_dir("--out", "The folder to make; name it by --data afterwards.")
@click.option("--modalities", default=5, type=click.IntRange(2), help="Views; by default 5.")
@click.option("--train", type=int, help="Training examples; by default all 60,000.")
@click.option("--test", type=int, help="Test examples; by default all 10,000.")
@click.option("--seed", default=0, show_default=True, help="Of the pairing and the crops.")
def build_polymnist(
    mnist: Path,
    backgrounds: Path,
    out: Path,
    modalities: int,
    train: int | None,
    test: int | None,
    seed: int,
) -> None:
    """Write a PolyMNIST of K modalities, following the published recipe.

    \b
    Example:
      mmbench data build polymnist --mnist DIR --backgrounds DIR --modalities 10 --out DIR
    """  # noqa: D301  (click's mark for "do not wrap" is the control character)
    build(mnist, backgrounds, out, modalities, train, test, seed, Progress())
    click.echo(f"{out}: use it by --dataset polymnist --data {out}")
