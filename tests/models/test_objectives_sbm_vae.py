"""The losses of SBM-VAE against its paper, with linear networks and without a library."""

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
    mean_and_error,
    sigma,
)
from linear_networks import (
    DEVIATIONS,
    HOW,
    MODALITIES,
    PARTS,
    Linear,
    agree,
    average,
    flat,
    inputs,
)
from torch import nn

from mmbench.models import sbm_vae
from mmbench.models.parts.matching import Guidance
from mmbench.models.sbm_vae import SBMVAE, SBMVAEC
from mmbench.seeds import stream


@pytest.fixture
def sbm(monkeypatch):
    """Builds one with a linear score network, which needs no library."""
    monkeypatch.setattr(sbm_vae, "LatentUNet", lambda M, D, *_: Linear(M * D, 1))

    def build(kind=SBMVAE, **settings):
        torch.manual_seed(0)
        how = {"latent": 2, "vae": HOW, "score": HOW, "channels": [8]}
        return kind(MODALITIES, PARTS, **how, **settings)

    return build


@pytest.mark.parametrize(("low", "high"), [(0.1, 20.0), (1.0, 5.0)])
def test_the_loss_of_sbm_vae_is_the_mean_error_of_the_noise(sbm, low, high):
    model = sbm(beta_min=low, beta_max=high)
    A, c, B = model.score_network.arrays
    z = torch.randn(4, 6, generator=stream(0, "z"))

    def error(t):
        mean = alpha(t, low, high) * array(z) @ A + c + t * B
        return (mean**2).mean() + ((sigma(t, low, high) * A - np.eye(6)) ** 2).sum() / 6

    agree(average(model.score_matching_loss, z), integral(error, 0, 1))


@pytest.mark.parametrize("beta", [0.1, 2.0])
def test_the_loss_of_a_unimodal_vae_is_its_negative_bound(sbm, beta):
    model, x = sbm(beta={"image": beta, "curve": 1.0, "marks": 0.0}), inputs()
    for m, factor in (("image", beta), ("curve", 1.0), ("marks", 0.0)):
        vae = model.autoencoder(m)
        decoder = next(layer for layer in vae.decoder if isinstance(layer, nn.Linear))
        wanted = []
        for v in array(x[m].flatten(1)):
            q = gaussian(flat(vae.encoder, v))
            log_p = expected_log_normal(v, decoder, DEVIATIONS[m], *q)
            wanted.append(factor * kl(*q) - log_p)
        agree(average(vae.loss, x[m]), np.mean(wanted))


def test_the_loss_of_the_matching_classifier_is_its_cross_entropy(sbm, monkeypatch):
    """Of as many matching pairs as mismatching ones, each noised to a time of its own."""
    model = sbm(SBMVAEC, guidance=Guidance(1.0, HOW, width=8))

    def logit(a, b, t, pair):
        return (1.5 * a * b).sum(-1) * (1 - t) + 0.4 * a[..., 0] + pair - 0.7

    monkeypatch.setattr(model.matching, "forward", logit)
    z = torch.randn(5, 6, generator=stream(0, "z"))
    loss = lambda z, noise: model.matching.loss(z, model.sde, noise)
    found, own = average(loss, z, repeats=1, calls=1500)

    rng, n = np.random.default_rng(0), 60_000
    views, pairs = array(z).reshape(5, 3, 2), np.array([(0, 1), (0, 2), (1, 2)])
    pair, row = rng.integers(3, size=n), rng.integers(5, size=n)
    other = (row + rng.integers(1, 5, size=n)) % 5
    total = 0.0
    for first, sign in ((row, -1), (other, 1)):
        t = rng.random(n)
        a, b = views[first, pairs[pair, 0]], views[row, pairs[pair, 1]]
        a, b = (
            alpha(t)[:, None] * v + sigma(t)[:, None] * rng.normal(size=v.shape) for v in (a, b)
        )
        total = total + np.log1p(np.exp(sign * logit(a, b, t, pair)))
    wanted, error = mean_and_error(total)
    assert found == pytest.approx(wanted, abs=ERRORS * np.hypot(own, error))
