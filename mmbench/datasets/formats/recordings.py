"""Recordings that people have, as the pictures of sounds that models are given."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmbench.core.data import Dataset, Modality
from mmbench.datasets.formats.examples import usual
from mmbench.errors import first_line
from mmbench.extras import optional
from mmbench.files.folder import visible
from mmbench.files.regular import regular
from mmbench.media.sound import Waves, library, spectrogram

ENDINGS = (".wav", ".flac", ".ogg", ".mp3")
"""The endings by which recordings are found in a folder."""


def read(path: Path, modality: Modality, dataset: Dataset) -> Tensor:
    """The picture of a recording, (1, *shape), as `waveforms` turns it back into a sound.

    Channels are averaged and the rate becomes the data set's. Of a longer recording the loudest
    stretch of the modality's length counts, a shorter one is padded with silence. Its loudness
    becomes the data set's: the loudest cell of the picture is as bright as that of test examples
    on average.

    Args:
        path: A WAV, FLAC, OGG or MP3 of any rate and number of channels.
        modality: The modality, which says how its sounds became pictures.
        dataset: The data set whose sounds it joins.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: librosa or soundfile is not installed.
        ValueError: The file is damaged, empty or silent, or the modality does not say how its
            sounds became pictures.
    """
    if not regular(path).is_file():
        raise FileNotFoundError(f"there is no file {path} to read {modality.name} from")
    how, rate = modality.spectrogram, dataset.sampling_rate
    if how is None or rate is None:
        why = f"{dataset.name} does not say how its sounds became pictures"
        raise ValueError(f"{path} cannot become {modality.name}: {why}; give an array")
    frames, bands = modality.shape[-2:]
    wave = _stretch(_load(path, rate), (frames - 1) * how.hop)
    if not wave.any():
        raise ValueError(f"{path} is silent, expected a sound")
    wave = wave / np.abs(wave).max()  # single precision holds no power of the quietest
    level = usual(dataset, modality.name).flatten(1).amax(1).mean()
    return spectrogram(wave, how, rate, bands, float(level))[None, :, :frames]


def several(folder: Path, rate: int) -> Iterator[Tensor]:
    """The recordings of a folder at a rate in hertz; the folder is read at once, they later.

    Returns:
        (1, T) each, float32, channels averaged.

    Raises:
        FileNotFoundError: There is no such folder, or it holds no recording.
        ImportError: soundfile is not installed, or librosa where a file has another rate.
        ValueError: A file is damaged or empty.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder, expected one of sounds")
    found = sorted(e.name for e in visible(folder) if e.name.lower().endswith(ENDINGS))
    if not found:
        raise FileNotFoundError(f"{folder} holds no sounds, expected files {', '.join(ENDINGS)}")
    return (torch.from_numpy(_load(regular(folder / name), rate))[None] for name in found)


def _load(path: Path, rate: int) -> Waves:
    """The sound (samples,) at a rate."""
    soundfile = optional("soundfile", "a recording", "soundfile")
    try:
        channels, own = soundfile.read(path, dtype="float32", always_2d=True)
    except (RuntimeError, ValueError, TypeError) as error:  # TypeError: samples without a header
        raise ValueError(f"{path} cannot be read as a sound ({first_line(error)})") from None
    wave: Waves = channels.mean(1)
    if not len(wave) or not np.isfinite(wave).all():
        raise ValueError(f"{path} holds no sound, expected samples that are finite")
    return wave if own == rate else library().resample(wave, orig_sr=own, target_sr=rate)


def _stretch(wave: Waves, length: int) -> Waves:
    """The loudest stretch of a length, or the whole sound between equal silences."""
    if len(wave) <= length:
        before = (length - len(wave)) // 2
        return np.pad(wave, (before, length - len(wave) - before))
    energy = np.concatenate([[0.0], np.cumsum(wave.astype(np.float64) ** 2)])
    first = int(np.argmax(energy[length:] - energy[:-length]))
    return wave[first : first + length]
