"""mhd-mini: written and spoken digits, a procedural twin of MHD.

Like MHD (Vasco, Yin, Melo & Paiva, "Leveraging hierarchy in multimodal generative models for
effective cross-modality inference", Neural Networks 146, 2022) an example is the picture of a
digit, the path of the pen that wrote it, and one second in which somebody says it. Picture and
path share the hand, so each says more about the other than its class; the voice shares the class
alone, and so each picture of the train split goes with several recordings. The writers and the
speakers of the test split occur in no training example.

No number measured on it belongs in a table of MHD's.
"""

from typing import NamedTuple

import numpy as np
import torch

from mmbench.core.data import Batch, Dataset, Modality, Split
from mmbench.core.source import Source
from mmbench.datasets.formats.cache import loader
from mmbench.datasets.mini.digits.handwriting import PIXELS, POINTS, Writers, ink, write
from mmbench.datasets.mini.materials import Floats, Integers, Part, rng_of, shuffled
from mmbench.datasets.mini.speech import mel
from mmbench.datasets.mini.speech.synthesiser import Speakers, record, speak
from mmbench.progress import Bar, Progress
from mmbench.protocols.arguments import at_least

NAME = "mhd-mini"
SEED = 2022
TRAIN, TEST = 12_000, 1_000
PAIRINGS = 5
VERSION = 3

WRITERS = {"train": range(1000), "test": range(1000, 1040)}
SPEAKERS = {"train": range(600), "test": range(600, 620)}
"""The numbers of the people in each split."""

MODALITIES = (
    Modality("image", "image", (1, PIXELS, PIXELS)),
    Modality("trajectory", "trajectory", (2 * POINTS,)),
    Modality("sound", "sound", (1, mel.FRAMES, mel.BANDS), spectrogram=mel.SPECTROGRAM),
)
_CHUNK = 1000  # examples made at a time; the content depends on it


class Cast(NamedTuple):
    """Who writes and says what."""

    digits: Integers  # (N,) the class of each example, all ten equally often if 10 divides N
    writers: Integers  # (N,) numbers out of WRITERS
    speakers: Integers  # (N,) numbers out of SPEAKERS


def cast(part: Part, count: int, seed: int = SEED) -> Cast:
    """The digits and people of the `count` examples of a split."""
    return Cast(
        digits=rng_of(seed, NAME, part, "digits").permutation(np.arange(count) % 10),
        writers=rng_of(seed, NAME, part, "writer of each").choice(WRITERS[part], count),
        speakers=rng_of(seed, NAME, part, "speaker of each").choice(SPEAKERS[part], count),
    )


def make(
    train: int = TRAIN,
    test: int = TEST,
    pairings: int = PAIRINGS,
    seed: int = SEED,
    progress: Progress | None = None,
) -> Dataset:
    """Makes the data set, of at least 10 pictures and recordings in each split.

    Each picture of the train split occurs in `pairings` examples, each time with another recording
    of its digit, and each recording as often: the split has `train` times `pairings` examples.

    Returns:
        image (1, 28, 28) and sound (1, 32, 128) as uint8, trajectory (200,) in [0, 1]: 100
        x-coordinates to the right, then 100 y-coordinates upwards, on the sheet that the image
        shows. `mel.FLOOR_DB` and `mel.CEILING_DB` turn a sound back into decibels.

    Raises:
        ValueError: There are fewer than 10 pictures in a split, or no pairings.
    """
    at_least(10, train=train, test=test)
    at_least(1, pairings=pairings)
    with (progress or Progress(None)).stage(f"making {NAME}", train + test, unit="example") as bar:
        first, last = _split("train", train, seed, bar), _split("test", test, seed, bar)
    paired = _paired(first, pairings, seed)
    return Dataset(NAME, MODALITIES, paired, last, 10, mel.RATE, version=VERSION)


def _paired(split: Split, pairings: int, seed: int) -> Split:
    """The train split with each picture and its path in several examples."""
    assert split.labels is not None  # for the type checker
    first, digits = torch.arange(len(split)), split.labels.numpy()
    streams = (rng_of(seed, NAME, "train", "pairing", i) for i in range(1, pairings))
    others = [torch.from_numpy(shuffled(digits, rng)) for rng in streams]
    rows, sounds = first.repeat(pairings), torch.cat([first, *others])
    index = {"image": rows, "trajectory": rows.clone(), "sound": sounds}
    return Split(split.tensors, index, split.labels.repeat(pairings))


def _people(part: Part, seed: int) -> tuple[Writers, Speakers]:
    writers = Writers(len(WRITERS[part]), rng_of(seed, NAME, part, "writers"))
    return writers, Speakers(len(SPEAKERS[part]), rng_of(seed, NAME, part, "speakers"))


def _split(part: Part, count: int, seed: int, bar: Bar) -> Split:
    who = cast(part, count, seed)
    writers, speakers = _people(part, seed)
    tensors: Batch = {m.name: torch.empty(count, *m.shape, dtype=torch.uint8) for m in MODALITIES}
    tensors["trajectory"] = tensors["trajectory"].float()
    for i, start in enumerate(range(0, count, _CHUNK)):
        rows = slice(start, start + _CHUNK)
        digits = who.digits[rows]
        hands = writers[who.writers[rows] - WRITERS[part].start]
        paths, widths = write(digits, hands, rng_of(seed, NAME, part, "writing", i))
        tensors["image"][rows, 0] = _bytes(ink(paths, widths))
        flat = paths.transpose(0, 2, 1).reshape(len(paths), -1)
        tensors["trajectory"][rows] = torch.from_numpy(flat)

        voices = speakers[who.speakers[rows] - SPEAKERS[part].start]
        rng = rng_of(seed, NAME, part, "speech", i)
        power = record(speak(digits, voices, rng), voices, rng)
        tensors["sound"][rows, 0] = _bytes(mel.scaled(power))
        bar.update(bar.done + len(digits))
    return Split(tensors, labels=torch.from_numpy(who.digits))


def _bytes(unit: Floats) -> torch.Tensor:
    """[0, 1] in 255 steps."""
    return torch.from_numpy(np.rint(unit * 255).astype(np.uint8))


mhd_mini = Source(
    title="written and spoken digits made on the spot, a twin of MHD (nothing to download)",
    twin="mhd",
    paper="after Vasco, Yin, Melo & Paiva, Leveraging hierarchy in multimodal generative models "
    "for effective cross-modality inference, 2022, https://doi.org/10.1016/j.neunet.2021.11.019",
    load=loader(NAME, VERSION, lambda progress: make(progress=progress)),
    version=VERSION,
)
