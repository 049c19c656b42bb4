"""MHD: a handwritten digit as a picture, as the path of the pen, and as it is spoken.

Vasco, Yin, Melo & Paiva, "Leveraging hierarchy in multimodal generative models for effective
cross-modality inference", Neural Networks 146, 2022, https://arxiv.org/abs/2110.03608: 50,000
training and 10,000 test examples, in two files that torch.save wrote.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import inf, nan
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmbench.core.data import Dataset, Modality, Spectrogram, Split
from mmbench.datasets.formats.folders import Published
from mmbench.errors import concerning
from mmbench.files import tensors
from mmbench.progress import Progress

NAME = "mhd"
PARTS = ("train", "test")
MODALITIES = (
    Modality("image", "image", (1, 28, 28)),
    Modality("trajectory", "trajectory", (200,)),
    Modality("sound", "sound", (1, 32, 128), spectrogram=Spectrogram(-200.0, -47.563736)),
)
"""The decibels are those that the published file of training examples states too."""
PUBLISHED = Published.of(NAME)


def load(folder: Path | None, cache: Path, progress: Progress) -> Dataset:
    """Reads MHD.

    Each file is a tuple: labels (N,), images (N, 1, 28, 28), trajectories (N, 200), sounds
    (N, 4, 32, 32), and the ranges of trajectories and sounds before they were scaled to [0, 1].
    A sound's tiles follow each other along the mel axis: together they are (128 mel, 32 frames).
    The folder holds both files, or a folder mhd with them. The files are tensors already, so that
    the cache is not used.

    Returns:
        image (1, 28, 28), as uint8 where its values are steps of 1/255; trajectory (200,), first
        the x-coordinates; sound (1, 32 frames, 128 mel), float16 in [0, 1]; labels 0 to 9, which
        are no modality.

    Raises:
        FileNotFoundError: The files are not there.
        ValueError: A file is damaged or holds something else.
    """
    root = PUBLISHED.find(folder, lambda place: any((place / _file(p)).is_file() for p in PARTS))
    splits, ranges = {}, {}
    with progress.stage("reading MHD", len(PARTS), unit="file") as bar:
        for i, part in enumerate(PARTS):
            PUBLISHED.require(root / _file(part))
            splits[part], ranges[part] = _split(root / _file(part))
            bar.update(i + 1)
    modalities = (*MODALITIES[:2], replace(MODALITIES[2], spectrogram=ranges["train"]))
    with concerning(root):
        return Dataset(NAME, modalities, splits["train"], splits["test"], 10, sampling_rate=16_000)


def _file(part: str) -> str:
    return f"mhd_{part}.pt"


def _split(path: Path) -> tuple[Split, Spectrogram | None]:
    """The examples of a file, and how their sounds were scaled."""
    found: Any = tensors.read(path)
    if not isinstance(found, (tuple, list)) or len(found) < 4:
        raise ValueError(f"{path} is not MHD's: expected a tuple of labels, images and more")
    labels = found[0]
    if not isinstance(labels, Tensor) or labels.ndim != 1:
        raise ValueError(f"{path} does not begin with a tensor of labels (N,)")
    digits = labels.long()
    if len(digits) == 0 or not 0 <= int(digits.min()) <= int(digits.max()) <= 9:
        raise ValueError(f"{path} has labels that are no digits 0 to 9")
    shapes = {"image": (1, 28, 28), "trajectory": (200,), "sound": (4, 32, 32)}
    image, trajectory, sound = (
        _values(path, name, x, (len(labels), *shape))
        for (name, shape), x in zip(shapes.items(), found[1:4], strict=True)
    )
    steps = (image * 255).round_()
    views = {
        "image": steps.to(torch.uint8) if torch.equal(steps / 255, image) else image.clone(),
        "trajectory": trajectory.clone(),
        "sound": sound.reshape(-1, 128, 32).transpose(1, 2).unsqueeze(1).half().contiguous(),
    }
    return Split(views, labels=digits.clone()), _scale(path, found[5:])


def _scale(path: Path, found: Sequence[Any]) -> Spectrogram | None:
    """How sounds were scaled, from a file's {"min": decibels, "max": decibels}."""
    if not found:
        return MODALITIES[2].spectrogram
    try:
        low, high = (float(found[0][end]) for end in ("min", "max"))
    except (TypeError, KeyError, IndexError, ValueError):
        low = high = nan
    if not -inf < low < high < inf:
        raise ValueError(f"{path} has {found[0]!r} as the range of the sounds, expected decibels")
    return Spectrogram(low, high)


def _values(path: Path, name: str, x: object, shape: tuple[int, ...]) -> Tensor:
    """Floats in [0, 1] of a certain shape."""
    if not isinstance(x, Tensor) or tuple(x.shape) != shape:
        seen = f"shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"{path} has, for {name}, {seen}, expected shape {shape}")
    low, high = x.min().item(), x.max().item()
    if not 0 <= low <= high <= 1:  # also refuses NaN
        raise ValueError(f"{path} has, for {name}, values from {low:g} to {high:g}, not in [0, 1]")
    return x.detach().float()


mhd = PUBLISHED.source(
    title="handwritten digits as picture, pen trajectory and speech (60,000 examples)",
    paper="Vasco, Yin, Melo & Paiva, Leveraging hierarchy in multimodal generative models for "
    "effective cross-modality inference, 2022, https://arxiv.org/abs/2110.03608",
    download="https://drive.usercontent.google.com/download"
    "?id=1Tj1i-hXA0INQpU0jmuTMO4IwfDoGD2oV&export=download&confirm=t",
    load=load,
)
