"""Samples for a metric: checked against their modality, in batches."""

from collections.abc import Iterator

import torch
from torch import Tensor

from mmbench.core.data import Modality

OVERSHOOT = (-1.0, 2.0)
"""The range that samples of data in [0, 1] may have: an unbounded likelihood overshoots, but never
as far as data of another scale reach."""
DARK = (-0.5, 0.1)
"""A value, and the share of values below it that samples of data in [0, 1] may have: data in
[-1, 1], which a tanh ends in, have more."""
BLOCK = 1024
"""Samples that are checked at a time."""


def check(samples: Tensor, modality: Modality, pixels: bool = False) -> None:
    """Refuses samples (N, *shape) that are not of a modality.

    Args:
        samples: Floats or bool; of a text the numbers of its words.
        modality: What they should be.
        pixels: Whether uint8 is accepted too, for [0, 1] in 255 steps.

    Raises:
        ValueError: Shape or type differ, a value is not finite, far out of range or no word, or
            values are on the scale from -1 to 1.
    """
    name, text, shape = modality.name, modality.kind == "text", tuple(samples.shape)
    if shape[1:] != modality.shape or not len(samples):
        expected = f"(N, {', '.join(map(str, modality.shape))})"
        raise ValueError(f"samples of {name} have shape {shape}, expected {expected}")
    if pixels and samples.dtype == torch.uint8:
        return
    real = samples.is_floating_point() or samples.dtype == torch.bool
    if samples.is_complex() or not (text or real):
        found = str(samples.dtype).removeprefix("torch.")
        expected = "whole" if text else "floating-point"
        raise ValueError(f"samples of {name} are {found}, expected {expected} numbers")
    for i, block in enumerate(samples.split(BLOCK)):
        x = block.flatten(1)
        if (wrong := ~x.isfinite()).any():
            row, value = _first(x, wrong, i)
            found = f"not finite, the first of them in row {row}: {value}"
            raise ValueError(f"samples of {name} are {found}, expected finite numbers")
        if text:
            wrong = (x < 0) | (x >= len(modality.words)) | (x != x.long())
            if wrong.any():
                row, value = _first(x, wrong, i)
                expected = f"whole numbers from 0 to {len(modality.words) - 1}"
                raise ValueError(
                    f"{name} has the token {value:g} in row {row}, expected {expected}"
                )
        elif modality.kind not in ("trajectory", "vector"):
            low, high = float(x.min()), float(x.max())
            if not OVERSHOOT[0] <= low <= high <= OVERSHOOT[1]:
                reach = f"reach from {low:g} to {high:g}"
                raise ValueError(f"samples of {name} {reach}, expected values in [0, 1]")
            below = float((x < DARK[0]).float().mean())
            if below > DARK[1]:
                share = f"have {below:.0%} of their values below {DARK[0]:g}"
                expected = "expected values in [0, 1], not in [-1, 1]"
                raise ValueError(f"samples of {name} {share}, {expected}")


def check_pictures(images: Tensor) -> None:
    """Refuses what are no pictures (N, 3, H, W): bytes, or floats in [0, 1] without overshoot.

    Raises:
        ValueError: As `check`, or a value is outside [0, 1].
    """
    if images.ndim != 4:
        raise ValueError(f"images have shape {tuple(images.shape)}, expected (N, 3, H, W)")
    check(images, Modality("images", "image", (3, *images.shape[2:])), pixels=True)
    if images.dtype != torch.uint8:
        require_unit(images, "images")


def require_unit(samples: Tensor, title: str) -> None:
    """Refuses samples (N, ...) with values outside [0, 1]; `title` says whose they are.

    Raises:
        ValueError: There are such.
    """
    if not bool(((samples >= 0) & (samples <= 1)).all()):
        reach = f"{float(samples.min()):g} to {float(samples.max()):g}"
        raise ValueError(f"the {title} reach from {reach}, expected values in [0, 1]")


def require_each(samples: Tensor, rows: Tensor, title: str) -> None:
    """Refuses samples (N, ...) that are not one for each of the test examples `rows`.

    Raises:
        ValueError: There are more or fewer; `title` says of what, such as "samples of image".
    """
    if len(samples) != len(rows):
        found = f"{len(samples)} {title} for {len(rows)} test examples"
        raise ValueError(f"{found}, expected one for each")


def _first(x: Tensor, wrong: Tensor, block: int) -> tuple[int, float]:
    """The row and the value of the first wrong one in a block: (B, D) twice."""
    row = int(wrong.any(1).nonzero()[0])
    return block * BLOCK + row, float(x[row][wrong[row]][0])


def batches(
    samples: Tensor, modality: Modality, size: int, device: torch.device, pixels: bool = False
) -> Iterator[Tensor]:
    """Samples for a network on a device, `size` at a time, once `check` has accepted all.

    Yields:
        (B, *shape), float32, int64 for text, or uint8 where `pixels` allows it.

    Raises:
        ValueError: As `check`.
    """
    check(samples, modality, pixels)
    for start in range(0, len(samples), size):
        x = samples[start : start + size].to(device)
        yield x if x.dtype == torch.uint8 else x.long() if modality.kind == "text" else x.float()
