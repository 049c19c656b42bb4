"""Every loss of a diffusion model against its paper's formula, with linear networks.

With a network f(r, τ) = r A + τ B + c the error of the noise is affine in the noise, so that its
expected square is exact (`tests/formulas`); what is left is an integral over the time.
"""

from itertools import product as every_combination

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
    linear,
    log_normal,
    mean_and_error,
    product,
    sigma,
    subsets,
)
from torch import nn

from mmbench.architecture import Architecture, Likelihood, Networks
from mmbench.core.data import Modality, Split
from mmbench.models import diff_mvae, sbm_vae
from mmbench.models.diff_mvae import DiffMVAE, DiffMVAEStar
from mmbench.models.mld import MLD
from mmbench.models.mld_inpaint import MLDInpaint
from mmbench.models.mld_star import MLDStar
from mmbench.models.mld_uni import MLDUni
from mmbench.models.parts.auxiliary import AuxiliaryScore
from mmbench.models.parts.diffusion_decoder import UNet
from mmbench.models.parts.matching import Guidance
from mmbench.models.sbm_vae import SBMVAE, SBMVAEC
from mmbench.models.supervised import Supervised
from mmbench.registry import names, place
from mmbench.seeds import stream
from mmbench.training.trainer import Optimisation

HOW = Optimisation(epochs=1, batch_size=20, learning_rate=1e-3)
LINEAR = Networks(
    lambda m, n: nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(m.shape)), n)),
    lambda m, n: nn.Sequential(nn.Linear(n, int(np.prod(m.shape))), nn.Unflatten(1, m.shape)),
)
MODALITIES = [
    Modality("image", "image", (1, 2, 2)),
    Modality("curve", "trajectory", (3,)),
    Modality("marks", "attributes", (2,)),
]
NAMES = [m.name for m in MODALITIES]
DEVIATIONS = {"image": 0.7, "curve": 0.5, "marks": 1.1}
PARTS = {
    m.name: Architecture(m, LINEAR, Likelihood("normal", DEVIATIONS[m.name])) for m in MODALITIES
}
SIZES = {"image": 3, "curve": 2, "marks": 1}
OWNER = np.repeat(np.arange(3), list(SIZES.values()))
LATENT = {"latent": SIZES, "autoencoder": HOW, "score": HOW, "sampler": {"name": "ancestral"}}
SMALL = {"width": 8, "groups": 4, "blocks": 1, "time_embedding": 8}
CALLS, REPEATS = 20, 600
DIFFUSION = {"mld": MLD, "mld-star": MLDStar, "mld-inpaint": MLDInpaint, "mld-uni": MLDUni}


class Linear(nn.Module):
    """f(r, τ, ...) = r A + τ B + ... + c, whatever the shape of r."""

    def __init__(self, size, *inputs):
        super().__init__()
        g = stream(0, "network")
        draw = lambda *shape: nn.Parameter(0.6 * torch.randn(shape, generator=g))
        self.A, self.c = draw(size, size), draw(size)
        self.rest = nn.ParameterList(draw(n, size) for n in inputs)

    def forward(self, r, *inputs):
        y = r.flatten(1) @ self.A + self.c
        for x, weight in zip(inputs, self.rest, strict=True):
            y = y + x.view(len(x), -1) @ weight
        return y.view_as(r)

    @property
    def arrays(self):
        """A, c and the weights of other inputs."""
        return array(self.A), array(self.c), *map(array, self.rest)


def average(loss, *batch, repeats=REPEATS, calls=CALLS):
    """The mean of a loss over its noise, for a batch repeated, and the standard error."""
    batch = [None if x is None else x.repeat(repeats, *[1] * (x.ndim - 1)) for x in batch]
    with torch.no_grad():
        return mean_and_error([loss(*batch, stream(s, "noise")).item() for s in range(calls)])


def agree(found, wanted):
    mean, error = found
    assert mean == pytest.approx(wanted, abs=ERRORS * error + 1e-4)


# Latent diffusions


def latent_diffusion(kind, **settings):
    torch.manual_seed(0)
    more = {"image": "generic/picture"} if kind is MLDStar else {}
    model = kind(MODALITIES, PARTS, **LATENT, **SMALL, **more, **settings)
    model.score_network = Linear(6, 1 if kind is MLDInpaint else 3)
    return model


def expected_error(network, z, times, noisy, shown, counts):
    """E ||f(r, τ) - ε||² over the coordinates that count, for one example z (D,).

    r is z diffused to a coordinate's time where noisy, z itself elsewhere, ε where it is not
    shown; τ is what the network is told.
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


def flat(layers, x):
    """The linear layer of an encoder or decoder applied to flat examples."""
    return linear(next(layer for layer in layers if isinstance(layer, nn.Linear)), x)


def inputs(n=5):
    g = stream(0, "x")
    return {
        "image": torch.rand(n, 1, 2, 2, generator=g),
        "curve": torch.randn(n, 3, generator=g),
        "marks": torch.randn(n, 2, generator=g),
    }


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


# Score-based multi-modal autoencoders


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


# Diffusion decoders


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
