"""Metrics of sounds."""

import os
from pathlib import Path

from torch import Tensor

from mmbench.api.device import compute_device
from mmbench.metrics.fad import frechet_audio_distance
from mmbench.scores.inputs import Device, File, Samples, file, tensor


def fad(
    generated: Samples, real: Samples, *, weights: File = None, device: Device = "auto"
) -> float:
    """FAD: the Fréchet distance of sounds as VGGish hears them (`mmbench.metrics.fad`).

    Args:
        generated: (N, T) at 16 kHz, of any scale, or a folder of recordings (.wav, .flac, .ogg,
            .mp3), resampled where they have another rate.
        real: Likewise; N and T may differ.
        weights: A file of VGGish's weights; by default the published one in $MMBENCH_WEIGHTS or
            torch's cache.
        device: As for `fid`.

    Returns:
        The distance, at least 0; it depends on N.

    Raises:
        FileNotFoundError: There is no such folder, or no weights.
        ImportError: torchvggish is not installed.
        ValueError: The sounds are not finite or too few, or a file is damaged.
    """
    named, where = file(weights), compute_device(device)
    sides = _heard(generated, "generated"), _heard(real, "real")
    return frechet_audio_distance(*sides, named, where)


def _heard(x: Samples, title: str) -> Tensor | Path:
    return Path(x) if isinstance(x, str | os.PathLike) else tensor(x, title)
