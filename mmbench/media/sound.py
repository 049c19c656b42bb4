"""From a sound to its picture and back."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmbench.core.data import Spectrogram
from mmbench.extras import optional
from mmbench.seeds import derive

Waves = NDArray[np.float32]

ITERATIONS = 60
"""Iterations of Griffin and Lim's algorithm, as many as the authors of MLD use."""


def waveforms(samples: Tensor, how: Spectrogram, rate: int) -> Tensor:
    """Sounds that have these spectrograms, as nearly as there are any.

    Power at every frequency that fits the bands, by non-negative least squares, then phases that
    fit frames to their neighbours (Griffin and Lim, "Signal estimation from modified short-time
    Fourier transform", 1984, https://doi.org/10.1109/TASSP.1984.1164317), both by librosa: of the
    defaults of `Spectrogram` what its `feature.inverse.mel_to_audio` returns. Phases begin at
    random, for all samples alike, so that a waveform depends on its own spectrogram alone. The
    samples (N, 1, frames, bands) are clamped to [0, 1]; the rate is in hertz.

    Returns:
        (N, (frames − 1) · hop), float32, in the scale of the spectrograms: not in [−1, 1]
        unless their decibels refer to a full scale.

    Raises:
        ImportError: librosa is not installed.
    """
    librosa = library()
    decibels = how.floor + (how.ceiling - how.floor) * samples.detach().cpu().double().clamp(0, 1)
    power: NDArray[Any] = (10 ** (decibels[:, 0] / 10)).transpose(1, 2).numpy()
    first = derive(0, "Griffin-Lim") % 2**32

    def invert(one: NDArray[Any]) -> NDArray[np.float32]:
        bands = {"htk": how.scale == "htk", "norm": 1 if how.norm == "mean" else "slaney"}
        magnitude = librosa.feature.inverse.mel_to_stft(
            one.astype(np.float32), sr=rate, n_fft=how.fft, power=2.0, fmin=how.lowest, **bands
        )
        settings = {"n_iter": ITERATIONS, "hop_length": how.hop, "random_state": first}
        return np.asarray(librosa.griffinlim(magnitude, **settings))

    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        return torch.from_numpy(np.stack(list(threads.map(invert, power))).astype(np.float32))


def spectrogram(wave: Waves, how: Spectrogram, rate: int, bands: int, loudest: float) -> Tensor:
    """The picture of a sound (samples,), by librosa's mel spectrogram: (1, frames, bands).

    The sound is scaled so that the loudest cell of the picture has the value `loudest`, in (0, 1];
    the rate is in hertz.

    Raises:
        ImportError: librosa is not installed.
    """
    power = library().feature.melspectrogram(
        y=wave,
        sr=rate,
        n_fft=how.fft,
        hop_length=how.hop,
        win_length=how.window,
        power=2.0,
        n_mels=bands,
        fmin=how.lowest,
        htk=how.scale == "htk",
        norm=1 if how.norm == "mean" else "slaney",
    )
    decibels = 10 * np.log10(np.maximum(power.astype(np.float64) / power.max(), 1e-30))
    scaled = (loudest + decibels.T / (how.ceiling - how.floor)).clip(0, 1)
    return torch.from_numpy(scaled.astype(np.float32))[None]


def library() -> Any:
    """The module librosa.

    Raises:
        ImportError: It is not installed.
    """
    return optional("librosa", "a waveform", "librosa")
