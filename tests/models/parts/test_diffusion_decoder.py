"""The decoder that is a diffusion: its bound, its samples and its network."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mmbench.models.diffusion.ddim import DDIM
from mmbench.models.diffusion.sde import VPSDE
from mmbench.models.parts.diffusion_decoder import ConditionalUNet, DiffusionDecoder, UNet
from mmbench.seeds import stream


class Exact(nn.Module):
    """The noise in y_t, on average, where y ~ N(z, variance)."""

    def __init__(self, variance):
        super().__init__()
        self.variance, self.sde = variance, VPSDE()

    def forward(self, y, t, z):
        shape = (-1, *[1] * (y.ndim - 1))
        α, σ = self.sde.alpha(t).view(shape), self.sde.sigma(t).view(shape)
        return σ * (y - α * z.view_as(y)) / (α**2 * self.variance + σ**2)


def toy(variance, likelihood=True, sampler=None):
    network = Exact(variance)
    return DiffusionDecoder(
        network.sde, (1, 2, 2), network, sampler or {"name": "ddim"}, likelihood
    )


def gaussian(x, z, variance):
    """Log-density of x where 2x - 1 ~ N(z, variance)."""
    y = 2 * x.flatten(1) - 1
    density = torch.distributions.Normal(z, variance**0.5).log_prob(y).sum(1)
    return density + y.shape[1] * math.log(2)


@pytest.mark.parametrize("variance", [0.05, 0.3])
def test_the_bound_is_the_likelihood_of_a_gaussian(variance):
    """With the exact score nothing is lost but what the ends lose: of each example."""
    x = torch.tensor([[0.5, 0.6, 0.7, 0.4], [0.7, 0.5, 0.9, 0.3], [0.5, 0.5, 0.5, 0.5]])
    z = torch.tensor([0.0, 0.1, 0.4, -0.3]).expand(3, -1)
    truth = gaussian(x, z, variance)
    count = 100_000
    for i in range(3):
        many = x[i].view(1, 1, 2, 2).expand(count, -1, -1, -1)
        bounds = toy(variance).log_prob(z[:1].expand(count, -1), many, stream(0, "t", i)).double()
        error = bounds.std().item() / math.sqrt(count)
        assert error < 0.1
        assert abs(bounds.mean().item() - truth[i].item()) < 4 * error + 0.01


def test_the_bound_is_the_papers_integral_over_even_times():
    """Also of a network that errs; and it is below the likelihood then."""
    decoder, true = toy(0.6), 0.2
    noise = stream(0, "data")
    N, D = 200_000, 4
    z = torch.zeros(N, D)
    y = true**0.5 * torch.randn(N, 1, 2, 2, generator=noise)
    bounds = decoder.log_prob(z, (y + 1) / 2, noise).double()
    # ½ ∫ β E|| score ||² in closed form: the network's error is linear in y and ε
    sde, τ = decoder.sde, 1e-3
    t = torch.linspace(math.log(τ), 0, 20_001, dtype=torch.float64).exp()
    α, σ = sde.alpha(t), sde.sigma(t)
    share = σ / (α**2 * 0.6 + σ**2)
    square = (share * α) ** 2 * true + (share * σ - 1) ** 2  # E (ε̂ - ε)² of a coordinate
    integral = torch.trapezoid(sde.beta(t) / (2 * σ**2) * D * square, t).item()
    αT, σT = sde.alpha(1.0), sde.sigma(1.0)
    prior = D / 2 * (αT**2 * true + σT**2 - 1 - 2 * math.log(σT))
    first = D / 2 * (1 + math.log(2 * math.pi * (sde.sigma(τ) / sde.alpha(τ)) ** 2))
    wanted = D * math.log(2) - prior - integral - first
    error = bounds.std().item() / math.sqrt(N)
    assert abs(bounds.mean().item() - wanted) < 4 * error + 1e-3
    assert wanted < gaussian((y + 1) / 2, z, true).mean().item() - 0.1


def test_unweighted_it_is_half_the_squared_error_of_the_noise():
    decoder = toy(0.2, likelihood=False)
    N = 50_000
    z = torch.zeros(N, 4)
    y = 0.2**0.5 * torch.randn(N, 1, 2, 2, generator=stream(0, "data"))
    found = decoder.log_prob(z, (y + 1) / 2, stream(0, "noise")).double()
    t = torch.linspace(1e-3, 1, 20_001, dtype=torch.float64)
    α, σ = decoder.sde.alpha(t), decoder.sde.sigma(t)
    left = 0.2 * α**2 / (0.2 * α**2 + σ**2)  # of a unit of noise
    wanted = -2 * left.mean().item()
    assert abs(found.mean().item() - wanted) < 4 * found.std().item() / math.sqrt(N)


@pytest.mark.parametrize(
    ("sampler", "tolerance"),
    [({"name": "ddim", "grid": "quadratic"}, 0.01), ({"name": "euler", "steps": 1000}, 0.01)],
)
def test_samples_have_the_decoders_distribution(sampler, tolerance):
    """Where the network is exact."""
    z = torch.tensor([0.2, -0.1, 0.0, 0.3]).expand(4000, -1)
    x = toy(0.01, sampler=sampler).sample(z, stream(0, "x"), 1000).flatten(1)
    torch.testing.assert_close(2 * x.mean(0) - 1, z[0], atol=tolerance, rtol=0)
    torch.testing.assert_close(2 * x.std(0), torch.full((4,), 0.1), atol=tolerance, rtol=0)


def test_ddim_follows_the_flow_of_a_gaussian():
    """Its map from noise to data is linear, with the deviation of the data, as steps grow."""
    sde, free = VPSDE(), torch.ones(1, dtype=torch.bool)
    score = lambda r, t: -(r - sde.alpha(t)) / (0.09 * sde.alpha(t) ** 2 + sde.sigma(t) ** 2)
    z = torch.zeros(1000, 1)
    start = torch.empty(1000, 1).normal_(generator=stream(0, "r"))
    r = DDIM(400, clip=False).sample(score, sde, z, free, stream(0, "r"))
    torch.testing.assert_close(r, 1 + 0.3 * start, atol=0.02, rtol=0)
    assert torch.equal(DDIM(4).sample(score, sde, z + 7, ~free, stream(0, "r")), z + 7)


@pytest.mark.parametrize("patch", [1, 2, 3])
def test_the_network_takes_any_side_and_sees_picture_time_and_z(patch):
    torch.manual_seed(0)
    size = UNet([8, 8, 16], 1, attention=[2, 1], groups=4, patch=patch)
    network = ConditionalUNet(VPSDE(), (2, 7, 10), 5, size).eval()
    assert any("attentions" in name for name, _ in network.named_parameters())
    y, t, z = torch.randn(3, 2, 7, 10), torch.rand(3), torch.randn(3, 5)
    out = network(y, t, z)
    assert out.shape == y.shape
    for other in ((y + 1, t, z), (y, t / 2, z), (y, t, z + 1)):
        assert not torch.allclose(network(*other), out, atol=1e-4)


def test_patches_are_put_back_where_they_were(monkeypatch):
    network = ConditionalUNet(VPSDE(), (2, 7, 10), 5, UNet([8, 8], 1, groups=4, patch=2)).eval()
    seen = []

    def same(x, *_):
        seen.append(x)
        return SimpleNamespace(sample=x)

    monkeypatch.setattr(network.unet, "forward", same)
    y, t = torch.randn(3, 2, 7, 10), torch.full((3,), 0.5)
    α, σ = network.sde.alpha(0.5), network.sde.sigma(0.5)
    torch.testing.assert_close(network(y, t, torch.zeros(3, 5)), (α + σ) * y)
    (x,) = seen
    assert x.shape == (3, 8, 4, 6)  # 8 x 12 pixels, so that one level halves the patches
    torch.testing.assert_close(x[:, 0, 0, 0], y[:, 0, 0, 0])
    torch.testing.assert_close(x[:, 1, 0, 0], y[:, 0, 0, 1])
    torch.testing.assert_close(x[:, 6, 1, 2], y[:, 1, 3, 4])
