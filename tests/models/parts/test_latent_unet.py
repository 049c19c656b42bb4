import sys

import pytest
import torch

from mmbench.models.parts.latent_unet import LatentUNet, picture
from mmbench.seeds import stream


@pytest.mark.parametrize(
    ("latent", "levels", "shape"),
    [
        (64, 1, (8, 8)),
        (64, 4, (8, 8)),
        (256, 5, (16, 16)),
        (768, 4, (24, 32)),
        (16, 2, (4, 4)),
        (12, 2, (2, 6)),
        (1, 1, (1, 1)),
    ],
)
def test_a_latent_makes_the_squarest_picture(latent, levels, shape):
    assert picture(latent, levels) == shape


@pytest.mark.parametrize(
    ("latent", "levels", "words"),
    [
        (60, 4, "latent is 60.*4 levels.*64, 8 x 8"),
        (0, 1, "latent is 0.*1, 1 x 1"),
        (-4, 2, "latent is -4"),
        (64, 0, "channels is empty"),
    ],
)
def test_a_latent_that_makes_none_is_told(latent, levels, words):
    with pytest.raises(ValueError, match=words):
        picture(latent, levels)


@pytest.mark.parametrize("attention", [True, False])
def test_it_predicts_no_noise_before_it_is_trained(attention):
    network = LatentUNet(3, 16, [8, 16], layers=1, attention=attention)
    r = torch.randn(5, 48, generator=stream(0, "r"))
    assert torch.equal(network(r, torch.rand(5)), torch.zeros(5, 48))


def test_modalities_are_the_channels_of_the_picture():
    network, seen = LatentUNet(2, 12, [8, 8], layers=1), {}
    network.network.register_forward_pre_hook(lambda _, x: seen.update(x=x[0], t=x[1]))
    r = torch.randn(3, 24, generator=stream(0, "r"))
    network(r, torch.tensor([0.0, 0.5, 1.0]))
    assert seen["x"].shape == (3, 2, 2, 6)
    assert torch.equal(seen["x"].flatten(2), r.view(3, 2, 12))
    assert seen["t"].tolist() == [0, 500, 1000]


def test_it_tells_times_and_examples_apart():
    network = LatentUNet(2, 16, [8, 16], layers=1).eval()
    torch.nn.init.normal_(network.network.conv_out.weight)
    r = torch.randn(4, 32, generator=stream(0, "r"))
    early, late = (network(r, torch.full((4,), t)) for t in (0.1, 0.2))
    assert (early - late).abs().amax(1).min() > 1e-3
    torch.testing.assert_close(
        network(r[2:], torch.full((2,), 0.1)), early[2:], atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"channels": [8, 12]}, r"channels\[1\] is 12, expected a positive multiple of groups, 8"),
        ({"channels": [16, 8, 16]}, "channels has 8 where .* expected at least 16"),
        ({"layers": 0}, "layers is 0"),
        ({"layers": 2**53}, "layers is 9007199254740992"),
    ],
)
def test_bad_settings_are_told(change, words):
    with pytest.raises(ValueError, match=words):
        LatentUNet(**{"modalities": 2, "latent": 16, "channels": [8], **change})


def test_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ImportError, match=r"pip install 'mmbench\[diffusion\]'"):
        LatentUNet(2, 16, [8])
