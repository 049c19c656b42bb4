"""Every loss of a latent diffusion against its paper's formula, with linear networks.

With a network f(r, τ) = r A + τ B + c the error of the noise is affine in the noise, so that its
expected square is exact (`tests/formulas`); what is left is an integral over the time.
"""

from itertools import product as every_combination

import numpy as np
import pytest
import torch
from closed_forms import alpha, array, integral, log_normal, sigma, subsets
from linear_networks import (
    CALLS,
    DEVIATIONS,
    HOW,
    LINEAR,
    MODALITIES,
    PARTS,
    REPEATS,
    SMALL,
    Linear,
    agree,
    average,
    flat,
    inputs,
)

from mmbench.architecture import Architecture
from mmbench.core.data import Modality, Split
from mmbench.core.likelihood import Likelihood
from mmbench.models.diff_mvae import DiffMVAE, DiffMVAEStar
from mmbench.models.mld import MLD
from mmbench.models.mld_inpaint import MLDInpaint
from mmbench.models.mld_star import MLDStar
from mmbench.models.mld_uni import MLDUni
from mmbench.models.sbm_vae import SBMVAE, SBMVAEC
from mmbench.models.supervised import Supervised
from mmbench.registry import names, place
from mmbench.seeds import stream

SIZES = {"image": 3, "curve": 2, "marks": 1}
OWNER = np.repeat(np.arange(3), list(SIZES.values()))
LATENT = {"latent": SIZES, "autoencoder": HOW, "score": HOW, "sampler": {"name": "ancestral"}}
DIFFUSION = {"mld": MLD, "mld-star": MLDStar, "mld-inpaint": MLDInpaint, "mld-uni": MLDUni}


def latent_diffusion(kind, **settings):
    torch.manual_seed(0)
    more = {"image": "generic/picture"} if kind is MLDStar else {}
    model = kind(MODALITIES, PARTS, **LATENT, **SMALL, **more, **settings)
    model.score_network = Linear(6, 1 if kind is MLDInpaint else 3)
    return model


def expected_error(network, z, times, noisy, shown, counts):
    """E ||f(r, τ) - ε||² over the coordinates that count, for one example z (D,).

    r is z diffused to a coordinate's time where noisy, z itself elsewhere, ε where it is not
    shown; τ are the times that the network receives.
    """
    A, c, B = network.arrays
    own = times[OWNER] if len(times) == 3 else times
    signal = np.where(shown, np.where(noisy, alpha(own), 1), 0)
    noise = np.where(shown, np.where(noisy, sigma(own), 0), 1)
    told = times if len(times) == 1 else np.where(known(shown), times, 1.0)
    mean = (signal * z) @ A + c + told @ B
    matrix = noise[:, None] * A - np.eye(len(z))
    return ((mean**2 + (matrix**2).sum(0)) * counts).sum()


def known(shown):
    """Which of the modalities an example has, from its coordinates."""
    return np.array([shown[OWNER == i].all() for i in range(3)])


def mld(network, z, present, d):
    """Algorithm 2: all are diffused with probability d, else a proper subset, weighted by ω."""
    shares = {(0, 1, 2): d} | {s: (1 - d) / 6 for s in subsets(range(3)) if len(s) < 3}
    total = 0.0
    for subset, share in shares.items():
        diffused = np.isin(range(3), subset) & present
        diffused = diffused if diffused.any() else present
        mask, shown = diffused[OWNER], present[OWNER]
        error = integral(
            lambda t, f=diffused, m=mask, s=shown: expected_error(network, z, f * t, m, s, m), 0, 1
        )
        total += share * shown.sum() / mask.sum() * error
    return total


def mld_uni(network, z, present):
    """Section A.4: a time for each modality, no masks."""
    x, w = np.polynomial.legendre.leggauss(10)
    shown, total = present[OWNER], 0.0
    for index in every_combination(range(10), repeat=3):
        times = (x[list(index)] + 1) / 2
        error = expected_error(network, z, times, np.full(6, True), shown, shown)
        total += (w[list(index)] / 2).prod() * error
    return total


def mld_inpaint(network, z, present):
    """Equation 5: one time for all, no masks."""
    whole = np.full(6, True)
    return integral(lambda t: expected_error(network, z, np.array([t]), whole, whole, whole), 0, 1)


FORMULAS = {MLD: mld, MLDStar: mld, MLDUni: mld_uni, MLDInpaint: mld_inpaint}
SETTINGS = {
    MLD: [{"d": 0.5}, {"d": 0.0}, {"d": 1.0}, {"d": 0.3, "masks": "batch"}],
    MLDStar: [{"d": 0.7}],
}
PRESENT = torch.tensor([[1.0, 1, 1], [1, 1, 0], [0, 1, 1], [0, 0, 1]])


@pytest.mark.parametrize(
    ("kind", "settings", "incomplete"),
    [
        (kind, settings, incomplete)
        for kind in DIFFUSION.values()
        for settings in SETTINGS.get(kind, [{}])
        for incomplete in (False, True)
        if kind.takes_incomplete or not incomplete
    ],
)
def test_the_loss_of_a_latent_diffusion_is_the_papers(kind, settings, incomplete):
    model = latent_diffusion(kind, **settings)
    z = torch.randn(4, 6, generator=stream(0, "z"))
    present = PRESENT if incomplete else torch.ones(4, 3)

    def loss(z, present, noise):
        return model.diffusion_loss(z, noise, present if incomplete else None)

    d = {k: v for k, v in settings.items() if k == "d"}
    rows = zip(array(z), array(present) > 0, strict=True)
    wanted = np.mean([FORMULAS[kind](model.score_network, *row, **d) for row in rows])
    # a mask for each batch: more batches
    repeats, calls = (50, 600) if settings.get("masks") == "batch" else (REPEATS, CALLS)
    agree(average(loss, z, present, repeats=repeats, calls=calls), wanted)


def test_d_matters():
    """Two values of d give two losses: of proper subsets, and of all diffused."""
    z, present = np.random.default_rng(0).normal(size=6), np.full(3, True)
    network = latent_diffusion(MLD).score_network
    assert abs(mld(network, z, present, 0.0) - mld(network, z, present, 1.0)) > 0.2


def test_an_autoencoder_s_loss_is_the_negative_likelihood_of_its_reconstruction():
    model, x = latent_diffusion(MLD), inputs()
    for m, v in x.items():
        ae, flattened = model.autoencoder(m), array(v.flatten(1))
        again = flat(ae.decoder, flat(ae.encoder, flattened))
        wanted = -log_normal(flattened, again, DEVIATIONS[m]).mean()
        assert ae.loss(v).item() == pytest.approx(wanted, rel=1e-5)


def test_the_stronger_autoencoder_of_images_has_the_squared_error():
    model, x = latent_diffusion(MLDStar).eval(), inputs()["image"]
    ae = model.autoencoder("image")
    square = array(((ae.decoder(ae.encoder(x)) - x) ** 2).flatten(1).sum(1)).mean()
    assert ae.loss(x).item() == pytest.approx(square + 2 * np.log(np.pi), rel=1e-5)


# Supervised classifiers


def test_the_loss_of_a_classifier_is_the_cross_entropy_of_its_target():
    marks = Modality("bits", "attributes", (4,))
    parts = {**PARTS, "bits": Architecture(marks, LINEAR, Likelihood("bernoulli"))}
    torch.manual_seed(0)
    model = Supervised([MODALITIES[0], marks], parts, latent=3, training=HOW)
    image = torch.rand(20, 1, 2, 2, generator=stream(0, "image"))
    bits = torch.rand(20, 4, generator=stream(0, "bits")) < 0.5
    losses = {}

    class Watcher:
        def minimise(self, stage, network, loss, *rest):
            losses[stage] = loss(torch.arange(20), stream(0, "noise"))

    model.fit(Split({"image": image, "bits": bits}), Watcher())
    first, second = model.classifiers["bits"]
    logit = flat(second, flat(first, array(image.flatten(1))))
    true = 1 / (1 + np.exp(-logit))
    wanted = -np.where(bits.numpy(), np.log(true), np.log(1 - true)).sum(1).mean()
    assert losses["bits from image"].item() == pytest.approx(wanted, rel=1e-4)


COMPARED = {*FORMULAS, SBMVAE, SBMVAEC, DiffMVAE, DiffMVAEStar, Supervised}


def test_every_model_is_here():
    ours = {place("models", n) for n in names("models") if ":" not in n}
    here = {f"{kind.__module__}:{kind.__name__}" for kind in COMPARED}
    assert {c for c in ours if c.startswith("mmbench.models.")} == here
