"""VGGish sees what Google's code makes of a sound, and computes what it computes."""

import numpy as np
import pytest
import torch
import torchvggish

from mmbench.metrics.extractors.vggish import RATE, VGGISH, load_vggish, log_mel
from mmbench.seeds import stream

CPU = torch.device("cpu")


def sounds(name, n=3, length=RATE):
    return torch.rand(n, length, generator=stream(0, "vggish", name)) * 2 - 1


@pytest.fixture(scope="module")
def original():
    """With random weights, for tests only."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return torchvggish.VGG(torchvggish.make_layers(), postprocess=False).eval()


@pytest.fixture(scope="module")
def network(original, tmp_path_factory):
    path = tmp_path_factory.mktemp("vggish") / VGGISH.file
    torch.save(original.state_dict(), path)
    return load_vggish(path, CPU)


def test_front_end_is_the_packages():
    waves = torch.cat([sounds("front"), torch.zeros(1, RATE)])
    examples = [torchvggish.waveform_to_examples(x.double().numpy(), RATE) for x in waves]
    found = log_mel(waves)
    assert found.shape == (4, torchvggish.NUM_FRAMES, torchvggish.NUM_BANDS)
    torch.testing.assert_close(found.float()[:, None], torch.cat(examples), rtol=1e-6, atol=1e-7)
    long = sounds("long", 2, 3 * RATE)
    assert torch.equal(log_mel(long), log_mel(long[:, :RATE]))  # the first example counts


def test_a_pinned_number():
    """A sine of 1 kHz: the loudest band of the first frame; and silence."""
    t = torch.arange(RATE, dtype=torch.float64) / RATE
    row = log_mel(0.5 * torch.sin(2 * torch.pi * 1000 * t)[None])[0, 0]
    assert row.argmax() == 19 and row.max() == pytest.approx(4.118051928853351, abs=1e-9)
    assert log_mel(torch.zeros(1, RATE)).unique().item() == pytest.approx(np.log(0.01))


def test_network_is_the_packages_before_its_last_activation(original, network):
    waves = sounds("network")
    examples = torch.cat([torchvggish.waveform_to_examples(x.numpy(), RATE) for x in waves])
    with torch.no_grad():
        expected, found = original(examples), network(waves)
    assert found.shape == (3, VGGISH.dims)
    torch.testing.assert_close(found.relu(), expected)
    assert found.min() < 0 < found.max()


def test_the_published_hash_is_in_the_files_name():
    assert VGGISH.sha256[:8] in VGGISH.file and len(VGGISH.sha256) == 64
    assert VGGISH.url.endswith(VGGISH.file)
