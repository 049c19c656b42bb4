"""VGGish sees what Google's code makes of a sound, and computes what it computes."""

import numpy as np
import pytest
import torch

from mmbench.metrics.extractors.vggish import VGGISH, VGGish, log_mel
from mmbench.seeds import stream

SECOND = 16_000


def sounds(name, n=3, length=SECOND):
    return torch.rand(n, length, generator=stream(0, "vggish", name)) * 2 - 1


def reference(wave):
    """mel_features.log_mel_spectrogram of Google's VGGish, by its parameters, as published."""
    mel = lambda hertz: 1127.0 * np.log(1.0 + hertz / 700.0)
    window = 0.5 - 0.5 * np.cos(2 * np.pi / 400 * np.arange(400))
    frames = np.stack([wave[i : i + 400] for i in range(0, len(wave) - 399, 160)])
    magnitudes = np.abs(np.fft.rfft(frames * window, 512))
    bins = mel(np.linspace(0.0, 8000.0, 257))
    edges = np.linspace(mel(125.0), mel(7500.0), 66)
    weights = np.empty((257, 64))
    for i in range(64):
        low, centre, high = edges[i : i + 3]
        up, down = (bins - low) / (centre - low), (high - bins) / (high - centre)
        weights[:, i] = np.maximum(0.0, np.minimum(up, down))
    weights[0] = 0.0
    return np.log(magnitudes @ weights + 0.01)


@pytest.fixture(scope="module")
def network():
    """With random weights, for tests only."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return VGGish().eval()


def test_front_end_is_googles():
    waves = sounds("front")
    for wave, found in zip(waves, log_mel(waves), strict=True):
        expected = reference(wave.double().numpy())[:96]
        assert found.shape == (96, 64)
        assert np.abs(found.numpy() - expected).max() < 1e-10
    assert np.isfinite(reference(np.zeros(SECOND))).all()


def test_a_pinned_number():
    """A sine of 1 kHz: the loudest band of the first frame; and silence."""
    t = torch.arange(SECOND, dtype=torch.float64) / SECOND
    row = log_mel(0.5 * torch.sin(2 * torch.pi * 1000 * t)[None])[0, 0]
    assert row.argmax() == 19 and row.max() == pytest.approx(4.118051928853351, abs=1e-9)
    assert log_mel(torch.zeros(1, SECOND)).unique().item() == pytest.approx(np.log(0.01))


def test_network_is_torchvggishs(network):
    """Its layers by the names of the published file, and its order of channels."""
    state = network.state_dict()
    convolutions = {
        0: (1, 64),
        3: (64, 128),
        6: (128, 256),
        8: (256, 256),
        11: (256, 512),
        13: (512, 512),
    }
    linear = {0: (12288, 4096), 2: (4096, 4096), 4: (4096, 128)}
    shapes = {f"features.{i}.weight": (b, a, 3, 3) for i, (a, b) in convolutions.items()}
    shapes |= {f"features.{i}.bias": (b,) for i, (_, b) in convolutions.items()}
    shapes |= {f"embeddings.{i}.weight": (b, a) for i, (a, b) in linear.items()}
    shapes |= {f"embeddings.{i}.bias": (b,) for i, (_, b) in linear.items()}
    assert {k: tuple(x.shape) for k, x in state.items()} == shapes
    waves = sounds("network", 2)
    x = log_mel(waves).float()[:, None]
    with torch.no_grad():
        for i in convolutions:
            if i in (3, 6, 11):
                x = torch.nn.functional.max_pool2d(x, 2)
            f = state[f"features.{i}.weight"], state[f"features.{i}.bias"]
            x = torch.relu(torch.nn.functional.conv2d(x, *f, padding=1))
        x = torch.nn.functional.max_pool2d(x, 2)
        x = torch.transpose(torch.transpose(x, 1, 3), 1, 2).reshape(2, -1)
        for i in linear:
            x = x @ state[f"embeddings.{i}.weight"].T + state[f"embeddings.{i}.bias"]
            x = x if i == 4 else torch.relu(x)
        found = network(waves)
    assert found.shape == (2, VGGISH.dims)
    torch.testing.assert_close(found, x)
    assert found.min() < 0  # no activation


def test_the_published_hash_is_in_the_files_name():
    assert VGGISH.sha256[:8] in VGGISH.file and len(VGGISH.sha256) == 64
    assert VGGISH.url.endswith(VGGISH.file)
