"""Samples on their way into a metric: of their modality, finite, in batches."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from mmbench.core.data import Modality


def check(samples: Tensor, modality: Modality, pixels: bool = False) -> None:
    """Refuses samples (N, *shape) that are not of a modality.

    Args:
        samples: Floats or bool; of a text the numbers of its words.
        modality: What they should be.
        pixels: Whether uint8 is good too, for [0, 1] in 255 steps.

    Raises:
        ValueError: They have another shape or type, are not finite, far out of range, or no words.
    """
    name, text = modality.name, modality.kind == "text"
    if tuple(samples.shape[1:]) != modality.shape or not len(samples):
        raise ValueError(f"samples of {name} have shape {tuple(samples.shape)}, expected "
                         f"(N, {', '.join(map(str, modality.shape))})")  # fmt: skip
    if pixels and samples.dtype == torch.uint8:
        return
    if samples.is_complex() or not (
        text or samples.is_floating_point() or samples.dtype == torch.bool
    ):
        raise ValueError(f"samples of {name} are {str(samples.dtype).removeprefix('torch.')}, "
                         f"expected {'whole' if text else 'floating-point'} numbers")  # fmt: skip
    for start in range(0, len(samples), 1024):
        x = samples[start : start + 1024].flatten(1)
        if (wrong := ~x.isfinite()).any():
            row, value = _first(x, wrong)
            raise ValueError(f"samples of {name} are not finite, the first of them in row "
                             f"{start + row}: {value}, expected finite numbers")  # fmt: skip
        if text:
            wrong = (x < 0) | (x >= len(modality.words)) | (x != x.long())
            if wrong.any():
                row, value = _first(x, wrong)
                raise ValueError(f"{name} has the token {value:g} in row {start + row}, expected "
                                 f"whole numbers from 0 to {len(modality.words) - 1}")  # fmt: skip
        elif modality.kind != "trajectory":
            low, high = float(x.min()), float(x.max())
            if not OVERSHOOT[0] <= low <= high <= OVERSHOOT[1]:
                raise ValueError(f"samples of {name} reach from {low:g} to {high:g}, expected "
                                 "values in [0, 1]")  # fmt: skip


OVERSHOOT = (-1.0, 2.0)
"""What samples may reach where data are in [0, 1]: a likelihood without bounds overshoots, but
never as far as data of another scale reach."""


def _first(x: Tensor, wrong: Tensor) -> tuple[int, float]:
    """The row and the value of the first that is wrong: (N, D) twice."""
    row = int(wrong.any(1).nonzero()[0])
    return row, float(x[row][wrong[row]][0])


def batches(
    samples: Tensor, modality: Modality, size: int, device: torch.device, pixels: bool = False
) -> Iterator[Tensor]:
    """Samples on their way into a network, `size` at a time, once all are found good.

    Args:
        samples: (N, *shape), as `check` takes them.
        modality: What they should be.
        size: Of a batch.
        device: Where the network is.
        pixels: Whether uint8 is good too.

    Yields:
        (B, *shape), float32, or int64 for text, or uint8 as it came.

    Raises:
        ValueError: As `check`.
    """
    check(samples, modality, pixels)
    for start in range(0, len(samples), size):
        x = samples[start : start + size].to(device)
        yield x if x.dtype == torch.uint8 else x.long() if modality.kind == "text" else x.float()
