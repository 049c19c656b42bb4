"""Every objective of a multi-modal VAE against its paper's formula, on linear networks.

The formulas (`tests/formulas`) know nothing of the package; expectations under Gaussian posteriors
are exact there, those under Laplace ones and messages are simulated.
"""

import numpy as np
import pytest
import torch
from closed_forms import (
    ERRORS,
    array,
    expected_log_normal,
    gaussian,
    kl,
    laplace,
    linear,
    log_laplace,
    log_normal,
    mean_and_error,
    product,
    subsets,
)
from torch import nn

from mmbench.architecture import Architecture, Networks
from mmbench.baselines.mmvae import MMVAE
from mmbench.baselines.mmvae_elbo import MMVAEElbo
from mmbench.baselines.mmvae_plus import MMVAEPlus
from mmbench.baselines.mopoe import MoPoE, MoPoEStar
from mmbench.baselines.mvae import MVAE
from mmbench.baselines.mvtcae import MVTCAE
from mmbench.baselines.nexus import NEXUS
from mmbench.core.data import Modality
from mmbench.core.likelihood import Likelihood
from mmbench.registry import names, place
from mmbench.seeds import stream
from mmbench.training.trainer import Optimisation

SIZES = {"a": 3, "b": 2, "c": 2}
NAMES = list(SIZES)
DEVIATIONS = {"a": 0.8, "b": 0.5, "c": 1.1}
D, P, MESSAGE = 2, 2, 3
HOW = Optimisation(epochs=9, batch_size=20, learning_rate=1e-2)
LINEAR = Networks(lambda m, n: nn.Linear(m.shape[0], n), lambda m, n: nn.Linear(n, m.shape[0]))
MODALITIES = [Modality(m, "attributes", (n,)) for m, n in SIZES.items()]
PARTS = {
    m.name: Architecture(m, LINEAR, Likelihood("normal", DEVIATIONS[m.name])) for m in MODALITIES
}
ROWS = {"complete": ["abc", "abc", "abc"], "incomplete": ["abc", "ab", "bc", "a", "c", "b"]}
CALLS, REPEATS = 20, 400
RISE = 0.125  # of what is annealed over four epochs, after half of one


def build(kind, settings):
    torch.manual_seed(0)
    fixed = {MMVAEPlus: {"private": P}, NEXUS: {"bottom": 2, "message": MESSAGE}}.get(kind, {})
    model = kind(MODALITIES, PARTS, latent=D, training=HOW, **fixed, **settings)
    model.steps_per_epoch = 10
    model.step.fill_(5)
    if kind is NEXUS:  # a linear top, whatever its width
        model.top_encoder = nn.Linear(MESSAGE, 2 * D)
        model.top_decoders = nn.ModuleDict({m: nn.Linear(D, 2) for m in NAMES})
    for i, p in enumerate(model.parameters()):  # away from initial values, which are zeros here
        p.data += 0.2 * torch.randn(p.shape, generator=stream(0, i))  # and there
    if kind is NEXUS:  # messages that differ, so that it matters which are lost
        for i, m in enumerate(NAMES):
            model.messages[m].bias.data += 4 * (i - 1)
    return model


def examples(rows):
    """x, zeros where absent, and who has what: (M, B)."""
    present = torch.tensor([[float(m in row) for row in rows] for m in NAMES])
    g = stream(0, "x")
    x = {m: torch.randn(len(rows), n, generator=g) for m, n in SIZES.items()}
    return {m: v * present[i][:, None] for i, (m, v) in enumerate(x.items())}, present


@torch.no_grad()
def average(model, x, present):
    """The objective's mean over its noise, and the standard error of it."""
    x = {m: v.repeat(REPEATS, 1) for m, v in x.items()}
    present = present.repeat(1, REPEATS)
    draws = [model.objective(x, present, stream(s, "noise")).item() for s in range(CALLS)]
    return mean_and_error(draws)


# Each formula takes a model's networks, one example's values of what it has, and the settings, and
# returns the expected objective: a number, or draws whose mean it is.


def experts(model, x):
    return {m: gaussian(linear(model.encoders[m], v)) for m, v in x.items()}


def likelihood(model, x, q, weights):
    return sum(
        weights.get(m, 1.0) * expected_log_normal(v, model.decoders[m], DEVIATIONS[m], *q)
        for m, v in x.items()
    )


def mvae(model, x, rng, beta=1.0, weights=None, annealing=0, subsampled=0):
    """Wu and Goodman, equation 5: a subset of what is missing is the prior."""
    rise, prior = RISE if annealing else 1.0, (np.zeros(D), np.ones(D))
    found = experts(model, x)

    def elbo(subset):
        here = [m for m in subset if m in x]
        q = product([prior, *(found[m] for m in here)])
        return likelihood(model, {m: x[m] for m in here}, q, weights or {}) - rise * beta * kl(*q)

    pairs = [s for s in subsets(NAMES) if len(s) == 2]
    some = subsampled * np.mean([elbo(s) for s in pairs])
    return elbo(NAMES) + sum(elbo(m) for m in NAMES) + some


def mmvae_elbo(model, x, rng, beta=1.0, weights=None, annealing=0):
    """Sutter et al. 2021, equation 9 for single modalities."""
    beta, found = beta * (RISE if annealing else 1.0), experts(model, x).values()
    return np.mean([likelihood(model, x, q, weights or {}) - beta * kl(*q) for q in found])


def mopoe(model, x, rng, beta=1.0, weights=None, annealing=0):
    """Sutter et al. 2021, equation 9; the prior is an expert where nothing is missing."""
    beta *= RISE if annealing else 1.0
    found, terms = experts(model, x), []
    for subset in subsets(list(x)):
        prior = [(np.zeros(D), np.ones(D))] if len(subset) == len(NAMES) else []
        q = product([*prior, *(found[m] for m in subset)])
        terms.append(likelihood(model, x, q, weights or {}) - beta * kl(*q))
    return np.mean(terms)


def mvtcae(model, x, rng, beta=1.0, weights=None, alpha=5 / 6):
    """Hwang et al. 2021, equation 9, over M."""
    M, found = len(NAMES), experts(model, x)
    q = product(list(found.values()))
    apart = alpha / M * sum(kl(*q, *expert) for expert in found.values())
    divergence = apart + (1 - alpha) * kl(*q)
    return (M - alpha) / M * likelihood(model, x, q, weights or {}) - beta * divergence


def logmeanexp(x, axis):
    top = x.max(axis, keepdims=True)
    return np.log(np.exp(x - top).mean(axis)) + top.squeeze(axis)


def draw(rng, q, *count):
    return rng.laplace(*(np.broadcast_to(v, (*count, v.shape[-1])) for v in q))


def mixture(z, experts):
    return logmeanexp(np.stack([log_laplace(z, *q) for q in experts]), 0)


def mmvae(model, x, rng, beta=1.0, weights=None, samples=1, estimator="iwae"):
    """Shi et al. 2019, the looser bound: the mean over experts of K samples' log-mean weight."""
    found = {m: laplace(linear(model.encoders[m], v)) for m, v in x.items()}
    _, scale = laplace(np.concatenate([np.zeros(D), array(model.prior_logits)]))
    bounds = []
    for q in found.values():
        z = draw(rng, q, CALLS, REPEATS, samples)
        log_w = beta * (log_laplace(z, 0, scale) - mixture(z, found.values()))
        for m, v in x.items():
            weight = (weights or {}).get(m, 1.0)
            log_w += weight * log_normal(v, linear(model.decoders[m], z), DEVIATIONS[m])
        bounds.append(logmeanexp(log_w, -1).mean(-1))
    return np.mean(bounds, 0)


def mmvae_plus(model, x, rng, beta=1.0, weights=None, samples=1, estimator="iwae"):
    """Palumbo et al. 2023, equation 6."""
    found = {m: laplace(linear(model.encoders[m], v)) for m, v in x.items()}
    own = {m: laplace(linear(model.private_encoders[m], v)) for m, v in x.items()}
    bounds = []
    for m, q in found.items():
        z, w = (draw(rng, v, CALLS, REPEATS, samples) for v in (q, own[m]))
        log_p = log_laplace(z, 0, np.ones(D)) + log_laplace(w, 0, np.ones(P))
        log_w = beta * (log_p - mixture(z, found.values()) - log_laplace(w, *own[m]))
        for n, v in x.items():
            logits = array(model.auxiliary[n])
            r = laplace(np.concatenate([np.zeros(P), logits]))
            code = np.concatenate([z, w if n == m else draw(rng, r, *w.shape[:-1])], -1)
            weight = (weights or {}).get(n, 1.0)
            log_w += weight * log_normal(v, linear(model.decoders[n], code), DEVIATIONS[n])
        bounds.append(logmeanexp(log_w, -1).mean(-1))
    return np.mean(bounds, 0)


def nexus(model, x, rng, beta=1.0, weights=None, bottom_beta=1.0, gamma=None, drop=0.5, warmup=0):
    """Vasco et al. 2022, equations 2 and 6; an aggregate loses 1 to M - 1 messages, if any."""
    rise, n, bottoms = RISE if warmup else 1.0, CALLS * REPEATS, experts(model, x)
    total = np.zeros(n)
    for m, v in x.items():
        log_p = expected_log_normal(v, model.decoders[m], DEVIATIONS[m], *bottoms[m])
        total += (weights or {}).get(m, 1.0) * log_p - rise * bottom_beta * kl(*bottoms[m])
    z = {m: rng.normal(q[0], np.sqrt(q[1]), (n, 2)) for m, q in bottoms.items()}
    messages = np.stack([linear(model.messages[m], v) for m, v in z.items()])
    keep = np.where(rng.random(n) < drop, rng.integers(1, len(NAMES), n), len(NAMES))
    rank = np.argsort(np.argsort(rng.random(messages.shape[:2]), 0), 0)
    kept = rank < keep
    mean = (kept[..., None] * messages).sum(0) / kept.sum(0)[:, None]
    q = gaussian(linear(model.top_encoder, mean))
    top = rng.normal(q[0], np.sqrt(q[1]))
    total -= rise * beta * kl(*q)
    for m, v in z.items():
        error = ((linear(model.top_decoders[m], top) - v) ** 2).sum(-1)
        total -= (gamma or {}).get(m, 1.0) * error
    return total.reshape(CALLS, REPEATS).mean(-1)


SHARED = [{}, {"beta": 4.0}, {"weights": {"b": 3.0}}]
BOUNDS = [{"estimator": "iwae", "samples": 1, **s} for s in (*SHARED, {"samples": 5})]
EVERY = {
    "mvae": (MVAE, mvae, [*SHARED, {"annealing": 4}, {"subsampled": 2}]),
    "mmvae-elbo": (MMVAEElbo, mmvae_elbo, [*SHARED, {"annealing": 4}]),
    "mopoe": (MoPoE, mopoe, [*SHARED, {"annealing": 4}]),
    "mopoe-star": (MoPoEStar, mopoe, [*SHARED, {"annealing": 4}]),
    "mvtcae": (MVTCAE, mvtcae, [*SHARED, {"alpha": 0.2}]),
    "mmvae": (MMVAE, mmvae, BOUNDS),
    "mmvae-plus": (MMVAEPlus, mmvae_plus, BOUNDS),
    "nexus": (
        NEXUS,
        nexus,
        [*SHARED, {"bottom_beta": 2.5}, {"gamma": {"a": 4.0}}, {"drop": 0.0}, {"warmup": 4}],
    ),
}
"""Model -> its class, the formula, and settings of which each changes the objective."""


def test_every_vae_is_here():
    ours = [n for n in names("models") if ":" not in n]  # the others are those of a library
    classes = {place("models", n) for n in ours}
    here = {f"{kind.__module__}:{kind.__name__}" for kind, _, _ in EVERY.values()}
    assert {c for c in classes if c.startswith("mmbench.baselines.")} == here


def expected(kind, formula, settings, rows):
    model = build(kind, settings)
    x, present = examples(rows)
    rng = np.random.default_rng(0)
    values = []
    for i, row in enumerate(rows):
        here = {m: array(x[m][i]) for m in NAMES if m in row}
        values.append(np.broadcast_to(formula(model, here, rng, **settings), CALLS))
    mean, error = mean_and_error(np.mean(values, 0))
    return model, x, present, mean, error


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("model", EVERY)
def test_the_objective_is_the_papers(model, rows):
    """For each setting; and each setting moves it by more than both tolerances."""
    kind, formula, every = EVERY[model]
    found = []
    for settings in every:
        built, x, present, wanted, error = expected(kind, formula, settings, rows)
        mean, own = average(built, x, present)
        tolerance = ERRORS * np.hypot(own, error) + 1e-4
        assert mean == pytest.approx(wanted, abs=tolerance), settings
        found.append((wanted, tolerance))
    for settings, (wanted, tolerance) in zip(every[1:], found[1:], strict=True):
        assert abs(wanted - found[0][0]) > tolerance + found[0][1], settings


@pytest.mark.parametrize("kind", [MMVAE, MMVAEPlus])
def test_estimators_differ_in_the_gradient_of_encoders_alone(kind):
    """That of decoders and of the prior is the bound's, sample by sample."""
    x, present = examples(ROWS["incomplete"])
    found = []
    for estimator in ("iwae", "dreg"):
        model = build(kind, {"samples": 4, "estimator": estimator})
        model.objective(x, present, stream(0, "noise")).backward()
        found.append({n: p.grad for n, p in model.named_parameters()})
    for name, g in found[0].items():
        same = torch.allclose(g, found[1][name], rtol=1e-4, atol=1e-6)
        assert same == ("encoders" not in name), name
