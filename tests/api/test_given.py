"""What people give becomes what models are given."""

import io

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from mmbench.api.given import conditions
from mmbench.core.data import Dataset, Modality, Split
from mmbench.datasets.mini.speech.mel import BANDS, FRAMES, RATE, SPECTROGRAM
from mmbench.progress import Progress

MODALITIES = (
    Modality("image", "image", (1, 8, 8)),
    Modality("sound", "sound", (1, FRAMES, BANDS), spectrogram=SPECTROGRAM),
)


@pytest.fixture
def world():
    """Dark pictures with a bright stroke, and loud sounds."""
    image = torch.zeros(5, 1, 8, 8, dtype=torch.uint8)
    for i in range(5):
        image[i, :, i : i + 2] = 255
    sound = torch.full((5, 1, FRAMES, BANDS), 0.8)
    split = Split({"image": image, "sound": sound})
    return Dataset("digits", MODALITIES, split, split, None, RATE)


@pytest.mark.parametrize("ending", [".wav", ".FLAC"])
def test_a_recording_is_a_sound(world, tmp_path, ending):
    t = np.arange(RATE) / RATE
    path = tmp_path / f"own{ending}"
    soundfile.write(path, np.sin(2 * np.pi * 440 * t), RATE)
    (x,) = conditions({"sound": path}, world, Progress(None)).values()
    assert x.shape == (1, 1, FRAMES, BANDS)
    assert x.max() == pytest.approx(0.8)


def test_how_loud_a_recording_is_does_not_matter(world, tmp_path):
    """Down to what has no power in single precision."""
    wave = np.sin(2 * np.pi * 440 * np.arange(1000) / RATE)  # short: all of it is shown
    found = []
    for level in (1.0, 1e-30):
        path = tmp_path / f"{level}.wav"
        soundfile.write(path, level * wave, RATE, subtype="FLOAT")
        found += conditions({"sound": path}, world, Progress(None)).values()
    assert torch.allclose(*found, atol=1e-3)


def test_a_recording_without_a_header_is_a_sentence(world, tmp_path):
    (tmp_path / "own.raw").write_bytes(bytes(100))
    with pytest.raises(ValueError, match=r"own\.raw cannot be read as a sound"):
        conditions({"sound": tmp_path / "own.raw"}, world, Progress(None))


@pytest.mark.parametrize(("bright", "reported"), [(False, False), (True, True)])
@pytest.mark.parametrize("size", [(8, 8), (40, 24)])
def test_a_negative_is_reported(world, tmp_path, bright, reported, size):
    pixels = np.zeros(size, np.uint8)
    pixels[:, size[1] // 4 : size[1] // 2] = 255
    Image.fromarray(255 - pixels if bright else pixels).save(tmp_path / "own.png")
    said = io.StringIO()
    (x,) = conditions({"image": tmp_path / "own.png"}, world, Progress(said)).values()
    assert x.shape == (1, 1, 8, 8)
    assert ("swapped" in said.getvalue()) == reported
