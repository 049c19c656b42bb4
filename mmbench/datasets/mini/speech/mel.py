"""MHD's picture of a sound: log-mel decibels of one second, scaled to [0, 1].

32 frames of 25 ms, 512 samples apart and centred on their time, by 128 mel bands from 20 Hz to
8 kHz. Frames this short show the resonances of a voice and blur the harmonics of its pitch.
Mel scale of O'Shaughnessy, Speech Communication: Human and Machine, 1987.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import scipy
from numpy.typing import NDArray

from mmbench.core.data import Spectrogram
from mmbench.datasets.mini.materials import Floats

RATE = 16_000  # samples a second
SAMPLES = RATE  # of one sound
FFT = 1024
WINDOW = 400
"""Samples of a frame; padded with zeros to FFT."""
HOP = 512
FRAMES = SAMPLES // HOP + 1  # 32
BANDS = 128
LOWEST_HZ = 20.0
FLOOR_DB = -75.0
"""Stored as 0; decibels of the mean power in a band, where a full-scale sine has 0 dB."""
CEILING_DB = -5.0
"""Stored as 1."""
SPECTROGRAM = Spectrogram(
    FLOOR_DB, CEILING_DB, FFT, HOP, LOWEST_HZ, scale="htk", norm="mean", window=WINDOW
)


def _ends() -> Floats:
    """Hertz of the BANDS + 2 points, evenly spaced in mel, between which bands rise and fall."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (LOWEST_HZ, RATE / 2))
    return 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)


def band_hertz() -> Floats:
    """The middle of each band in hertz (BANDS,)."""
    return _ends()[1:-1]


@cache
def mel_matrix() -> scipy.sparse.csr_array:
    """Triangular bands (BANDS, FFT / 2 + 1), each row a weighted mean of the bins."""
    ends = _ends()[:, None]
    low, middle, high = ends[:-2], ends[1:-1], ends[2:]
    hz = np.fft.rfftfreq(FFT, 1 / RATE)
    bands = np.minimum((hz - low) / (middle - low), (high - hz) / (high - middle)).clip(0)
    return scipy.sparse.csr_array(bands / bands.sum(1, keepdims=True))


def mel_power(waves: NDArray[np.float32]) -> Floats:
    """Mean power in each band and frame of waves (N, SAMPLES) in [-1, 1].

    Returns:
        (N, FRAMES, BANDS), linear; a full-scale sine has about 1 at its frequency.
    """
    window = np.zeros(FFT)
    window[(FFT - WINDOW) // 2 :][:WINDOW] = scipy.signal.windows.hann(WINDOW, sym=False)
    window *= 2 / window.sum()
    padded = np.pad(waves, ((0, 0), (FFT // 2, FFT)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT, axis=1)[:, ::HOP][:, :FRAMES]
    spectra = scipy.fft.rfft(frames * window, axis=-1).reshape(-1, FFT // 2 + 1)
    power = spectra.real**2 + spectra.imag**2
    # A sparse product: as fast, and unlike BLAS the same in every bit for any number of threads.
    bands = (mel_matrix() @ power.T).T
    return np.ascontiguousarray(bands).reshape(len(waves), FRAMES, BANDS)


def scaled(power: Floats) -> Floats:
    """Power as decibels, FLOOR_DB to CEILING_DB mapped to [0, 1] and clipped."""
    decibels = 10 * np.log10(np.maximum(power, 1e-12))
    return ((decibels - FLOOR_DB) / (CEILING_DB - FLOOR_DB)).clip(0, 1)
