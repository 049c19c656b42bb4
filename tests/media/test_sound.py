"""A spectrogram becomes a sound that has it."""

import librosa
import numpy as np
import torch

from mmbench.core.data import Spectrogram
from mmbench.datasets.formats.cache import cached
from mmbench.datasets.mini.mhd import make
from mmbench.datasets.mini.speech import mel
from mmbench.media.sound import waveforms
from mmbench.progress import Progress

RATE = 16_000
HOW = Spectrogram(-120.0, -20.0)


def tones():
    """Two quiet sounds of a second: a chord that swells, a tone that rises."""
    t = np.arange(RATE) / RATE
    chord = sum(np.sin(2 * np.pi * hertz * t) for hertz in (300, 700, 1900)) * t
    rising = np.sin(2 * np.pi * (400 * t + 1200 * t**2))
    return (1e-3 * np.stack([chord, rising])).astype(np.float32)


def pictures(waves):
    """librosa's mel spectrograms, scaled: (N, 1, frames, 128)."""
    power = librosa.feature.melspectrogram(y=waves, sr=RATE)
    decibels = 10 * np.log10(np.maximum(power, 1e-20))
    unit = torch.from_numpy((decibels - HOW.floor) / (HOW.ceiling - HOW.floor)).clamp(0, 1)
    return unit.transpose(1, 2)[:, None]


def test_sounds_come_back():
    x = pictures(tones())
    waves = waveforms(x, HOW, RATE)
    assert waves.shape == (2, 31 * 512) and waves.dtype == torch.float32
    loud = x > 0.6  # within 40 dB of the ceiling
    error = (pictures(waves.numpy()) - x)[loud].abs().mean()
    assert error < 0.03  # 3 dB
    # librosa's own inversion, whose phases are random, is no nearer.
    power = librosa.db_to_power((HOW.floor + 100 * x[:, 0]).transpose(1, 2).numpy())
    theirs = librosa.feature.inverse.mel_to_audio(power, sr=RATE, n_iter=60)
    assert error < 1.2 * (pictures(theirs) - x)[loud].abs().mean()


def test_a_sound_depends_on_its_own_picture_alone():
    x = pictures(tones())
    both, last = waveforms(x, HOW, RATE), waveforms(x[1:], HOW, RATE)
    assert torch.equal(both[1:], last)
    wild = torch.where(x < 0.3, x - 2, x)
    assert torch.equal(waveforms(wild, HOW, RATE), waveforms(wild.clamp(0, 1), HOW, RATE))


def test_the_twins_spectrograms_are_inverted_by_their_own_scale():
    dataset = make(train=10, test=10)
    how = dataset.modality("sound").spectrogram
    bands = librosa.filters.mel(
        sr=RATE, n_fft=how.fft, n_mels=128, fmin=how.lowest, htk=True, norm=1
    )
    np.testing.assert_allclose(bands, mel.mel_matrix().toarray(), atol=1e-6)
    x = dataset.test.batch(torch.arange(4))["sound"]
    waves = waveforms(x, how, RATE).numpy() * how.fft / 4  # librosa's windows are not scaled
    again = mel.mel_power(np.pad(waves, ((0, 0), (0, mel.SAMPLES - waves.shape[1]))))
    both = torch.stack([torch.from_numpy(mel.scaled(again)).flatten(), x.flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.9


def test_a_kept_data_set_knows_its_spectrograms(tmp_path):
    path = tmp_path / "kept.safetensors"
    first = make(train=10, test=10)
    kept = [cached(path, "sounds", lambda: first, Progress(None)) for _ in range(2)][1]
    assert kept is not first
    assert kept.modality("sound").spectrogram == mel.SPECTROGRAM
    assert kept.modalities == first.modalities
