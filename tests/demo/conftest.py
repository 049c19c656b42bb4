import pytest
import torch

from mmbench.api.trained import TrainedRun
from mmbench.core.data import Dataset, Modality, Spectrogram, Split
from mmbench.datasets.formats.captions import SPECIALS
from mmbench.progress import Progress
from mmbench.protocols.protocol import load
from mmbench.runs.run import Run
from mmbench.seeds import stream

RATE, SHAPE = 1000, (1, 8, 8)  # whose waveforms are found in no time
MODALITIES = (
    Modality("digit", "image", (1, 16, 16)),
    Modality("mask", "mask", (1, 8, 8)),
    Modality("sound", "sound", SHAPE, spectrogram=Spectrogram(-80, 0, fft=64, hop=16)),
    Modality("path", "trajectory", (8,)),
    Modality("caption", "text", (6,), (*SPECIALS, "a", "red", "bird")),
    Modality("traits", "attributes", (3,), ("wings", "beak", "<b>tail</b>")),
)
SETTINGS = [
    "models.mld.latent=2",
    "models.mld.width=16",
    "models.mld.groups=4",
    "models.mld.time_embedding=16",
    "models.mld.autoencoder.epochs=1",
    "models.mld.score.epochs=1",
    "evaluation.sampler={name='ancestral', steps=2}",
]


def split(n):
    """White strokes on black, and noise."""
    noise = stream(0, n)
    digit = torch.zeros(n, 1, 16, 16, dtype=torch.uint8)
    digit[..., 2:14, 7:9] = 255
    return Split(
        {
            "digit": digit,
            "mask": torch.randint(0, 2, (n, 1, 8, 8), generator=noise).float(),
            "sound": torch.rand(n, *SHAPE, generator=noise),
            "path": torch.rand(n, 8, generator=noise),
            "caption": torch.tensor([[3, 4, 5, 2, 0, 0]]).expand(n, 6).clone(),
            "traits": torch.randint(0, 2, (n, 3), generator=noise).float(),
        }
    )


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A run, trained for a moment, on modalities of every kind."""
    dataset = Dataset("birds", MODALITIES, split(16), split(4), None, RATE)
    out, cpu = tmp_path_factory.mktemp("demo"), torch.device("cpu")
    protocol = load("birds", None, SETTINGS, "mld")
    run = Run("mld", dataset, 0, protocol, out, cpu, out / "cache", Progress(None), {})
    return TrainedRun(run, out / "none.json")
