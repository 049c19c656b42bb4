"""A recording becomes the picture that the data set would have made of it."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from mmbench.core.data import Dataset, Modality, Split
from mmbench.datasets.formats.recordings import read
from mmbench.datasets.mini.speech.mel import (
    BANDS,
    FRAMES,
    RATE,
    SAMPLES,
    SPECTROGRAM,
    mel_power,
    scaled,
)
from mmbench.media.sound import spectrogram

SOUND = Modality("sound", "sound", (1, FRAMES, BANDS), spectrogram=SPECTROGRAM)


def wave(length=SAMPLES):
    """A chord that swells and falls, with a little noise, (samples,) within [-1, 1]."""
    t = np.arange(length) / RATE
    chord = sum(np.sin(2 * np.pi * hertz * t) for hertz in (300, 700, 1900)) / 4
    noise = np.random.default_rng(0).normal(0, 1e-3, length)
    return (chord * np.sin(np.pi * t / t[-1]) ** 2 + noise).astype(np.float32)


def own(x):
    """What the twin makes of a sound, (frames, bands)."""
    return torch.from_numpy(scaled(mel_power(x[None]))[0].astype(np.float32))


@pytest.fixture
def world():
    """A data set of one sound."""
    split = Split({"sound": own(wave())[None, None]})
    return Dataset("voices", (SOUND,), split, split, None, RATE)


def test_it_is_the_twins_own_picture():
    expected = own(wave())
    found = spectrogram(wave(), SPECTROGRAM, RATE, BANDS, float(expected.max()))[0]
    loud = expected > 0.2
    assert (found - expected)[loud].abs().max() < 0.01
    assert loud.float().mean() > 0.1


@pytest.mark.parametrize("ending", ["wav", "flac"])
@pytest.mark.parametrize("change", ["as it is", "stereo", "quiet", "44.1 kHz", "long", "short"])
def test_any_recording_of_it_gives_the_same_picture(world, tmp_path, ending, change):
    import librosa

    x, rate, path = wave(), RATE, tmp_path / f"it.{ending}"
    if change == "quiet":
        x = x / 30
    elif change == "44.1 kHz":
        x, rate = librosa.resample(x, orig_sr=RATE, target_sr=44_100), 44_100
    elif change == "long":
        x = np.pad(x, (RATE // 2, 2 * RATE))
    elif change == "short":  # what is cut is as good as silent
        x = x[400:-400]
    soundfile.write(path, np.stack([x, x], 1) if change == "stereo" else x, rate)
    found = read(path, SOUND, world)
    assert found.shape == (1, *SOUND.shape)
    expected = own(wave())
    loud = expected > 0.5
    assert (found[0, 0] - expected)[loud].abs().mean() < 0.03


def test_bad_recordings_are_one_sentence(world, tmp_path):
    path = tmp_path / "it.wav"
    with pytest.raises(FileNotFoundError, match=r"it\.wav"):
        read(path, SOUND, world)
    for content in (b"", b"no sound", b"RIFF\x00\x00\x00\x00WAVE"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"it\.wav"):
            read(path, SOUND, world)
    soundfile.write(path, np.zeros(RATE), RATE)
    with pytest.raises(ValueError, match="silent"):
        read(path, SOUND, world)
    soundfile.write(path, wave(), RATE)
    with pytest.raises(ValueError, match="voices"):
        read(path, replace(SOUND, spectrogram=None), world)
