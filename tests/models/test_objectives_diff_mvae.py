"""The objectives of Diff-MVAE against its paper, with linear networks and without a library."""

import numpy as np
import pytest
import torch
from closed_forms import (
    ERRORS,
    alpha,
    array,
    expected_log_normal,
    gaussian,
    integral,
    kl,
    product,
    sigma,
    subsets,
)
from linear_networks import (
    DEVIATIONS,
    HOW,
    MODALITIES,
    NAMES,
    PARTS,
    SMALL,
    Linear,
    agree,
    average,
    flat,
    inputs,
)

from mmbench.models import diff_mvae
from mmbench.models.diff_mvae import DiffMVAE, DiffMVAEStar
from mmbench.models.parts.auxiliary import AuxiliaryScore
from mmbench.models.parts.diffusion_decoder import UNet
from mmbench.seeds import stream


@pytest.fixture
def diffusion_vae(monkeypatch):
    """Builds one whose images are decoded by a diffusion with a linear network."""
    monkeypatch.setattr(
        diff_mvae, "ConditionalUNet", lambda sde, shape, latent, size: Linear(4, 1, latent)
    )

    def build(kind=DiffMVAE, **settings):
        torch.manual_seed(0)
        how = {"latent": 2, "training": HOW, "score": HOW, "sampler": {"name": "euler"}}
        unet = UNet([8], 1, groups=4)
        model = kind(MODALITIES, PARTS, diffusion=["image"], unet=unet, **how, **SMALL, **settings)
        for i, p in enumerate(model.parameters()):
            p.data += 0.2 * torch.randn(p.shape, generator=stream(0, i))
        return model

    return build


EARLIEST = 1e-3


def expected_bound(network, x, q):
    """Equation 2 with λ(t) = g(t)² and both ends, and with λ(t) = 1, over z of q."""
    A, c, b, C = network.arrays
    y, (mean, variance), D = 2 * x - 1, q, len(x)

    def error(t):
        centre = alpha(t) * y @ A + c + t * b[0] + mean @ C
        spread = (variance[:, None] * C**2).sum()
        return (centre**2).sum() + spread + ((sigma(t) * A - np.eye(D)) ** 2).sum()

    def weighted(u):  # in log t: g² over σ² is large at early times
        t = np.exp(u)
        return t * (0.1 + 19.9 * t) / sigma(t) ** 2 * error(t) / 2

    path = integral(weighted, np.log(EARLIEST), 0, 200)
    prior = kl(alpha(1.0) * y, np.full(D, sigma(1.0) ** 2))
    first = D / 2 * (1 + np.log(2 * np.pi * (sigma(EARLIEST) / alpha(EARLIEST)) ** 2))
    plain = integral(error, EARLIEST, 1) / (1 - EARLIEST) / 2
    return {DiffMVAE: D * np.log(2) - prior - path - first, DiffMVAEStar: -plain}


@pytest.mark.parametrize("row", [NAMES, ["curve", "image"], ["image"], ["marks"]])
@pytest.mark.parametrize("kind", [DiffMVAE, DiffMVAEStar])
def test_the_objective_of_diff_mvae_is_equation_5(diffusion_vae, kind, row):
    """For two values of β, and two of a weight of a bound; of one example that has some."""
    x = {m: v[:1] for m, v in inputs().items()}
    here = {m: array(x[m].flatten(1))[0] for m in row}
    present = torch.tensor([[float(m in row) for m in NAMES]])
    found = []
    for beta, weight in ((1.0, 1.0), (20.0, 1.0), (1.0, 0.2)):
        model = diffusion_vae(kind, beta=beta, weights={"image": weight})

        def objective(present, *rest, model=model):
            *values, noise = rest
            return model.objective(dict(zip(NAMES, values, strict=True)), present.T, noise)

        experts = {m: gaussian(flat(model.encoders[m], v)) for m, v in here.items()}
        terms = []
        for subset in subsets(row):
            prior = [(np.zeros(2), np.ones(2))] if len(subset) == 3 else []
            q = product([*prior, *(experts[m] for m in subset)])
            value = -beta * kl(*q)
            for m, v in here.items():
                if m == "image":
                    value += weight * expected_bound(model.decoders[m].network, v, q)[kind]
                else:
                    value += expected_log_normal(v, model.decoders[m][0], DEVIATIONS[m], *q)
            terms.append(value)
        wanted = np.mean(terms)
        mean, error = average(objective, present, *x.values())
        agree((mean, error), wanted)
        found.append((wanted, error))
    assert abs(found[1][0] - found[0][0]) > ERRORS * found[1][1]
    assert "image" not in row or abs(found[2][0] - found[0][0]) > ERRORS * found[0][1]


def test_the_auxiliary_score_model_s_loss_is_the_error_of_the_noise():
    """Of standardised z, with the output α v + σ z, from the earliest time on."""
    model = AuxiliaryScore(2, 8, 1, 8, 4, steps=3)
    model.network = Linear(2, 1)
    model.mean.copy_(torch.tensor([0.5, -1.0]))
    model.std.copy_(torch.tensor([2.0, 0.5]))
    z = torch.randn(4, 2, generator=stream(0, "z"))
    y = (array(z) - array(model.mean)) / array(model.std)
    A, c, B = model.network.arrays

    def error(t):
        α, σ = alpha(t), sigma(t)
        centre = α * (α * y @ A + c + t * B) + σ * α * y
        matrix = α * σ * A + (σ**2 - 1) * np.eye(2)
        return (centre**2).sum(1).mean() + (matrix**2).sum()

    agree(average(model.loss, z), integral(error, EARLIEST, 1) / (1 - EARLIEST))
