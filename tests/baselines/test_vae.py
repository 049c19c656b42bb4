"""The multi-modal VAEs against closed forms."""

import math
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal

from mmbench.architecture import Architecture, Networks
from mmbench.baselines.mixture_prior import MixturePrior, PostHoc
from mmbench.baselines.mmvae import MMVAE
from mmbench.baselines.mmvae_elbo import MMVAEElbo
from mmbench.baselines.mmvae_plus import MMVAEPlus
from mmbench.baselines.mopoe import MoPoE
from mmbench.baselines.mvae import MVAE
from mmbench.baselines.mvtcae import MVTCAE
from mmbench.baselines.nexus import NEXUS
from mmbench.baselines.posteriors import Gaussian
from mmbench.core.data import Modality, Split
from mmbench.core.likelihood import Likelihood
from mmbench.progress import Progress
from mmbench.seeds import stream
from mmbench.training.trainer import Optimisation, Trainer

HOW = Optimisation(epochs=2, batch_size=20, learning_rate=1e-2)
MODALITIES = [Modality("a", "attributes", (3,)), Modality("b", "attributes", (2,))]
LINEAR = Networks(lambda m, n: nn.Linear(m.shape[0], n), lambda m, n: nn.Linear(n, m.shape[0]))
PARTS = {m.name: Architecture(m, LINEAR, Likelihood("normal", 0.8)) for m in MODALITIES}
GAUSSIAN = {"mvae": MVAE, "mopoe": MoPoE, "mvtcae": MVTCAE, "mmvae-elbo": MMVAEElbo}
EXTRA = {MMVAEPlus: {"private": 2}, NEXUS: {"bottom": 2, "message": 4, "hidden": 4}}


def vae(kind, parts=PARTS, **change):
    torch.manual_seed(0)
    settings = {"latent": 2, "training": HOW, **EXTRA.get(kind, {}), **change}
    return kind(MODALITIES, parts, **settings).eval()


@torch.no_grad()
def broad(model):
    """With experts that hold the posterior in their tails, as importance sampling wants it."""
    for name, p in model.named_parameters():
        if "encoders" in name:
            p.mul_(0.1)
            if name.endswith("bias") and not isinstance(model, (MMVAE, MMVAEPlus)):
                p[len(p) // 2 :] = 0.7
    return model


def batch(n=6, seed=0):
    g = stream(seed, "x")
    return {m.name: torch.randn(n, *m.shape, generator=g) for m in MODALITIES}


def evidence(model, x):
    """Log p(x) of linear decoders and a standard normal z, exactly."""
    W = torch.cat([model.decoders[m].weight for m in "ab"])
    b = torch.cat([model.decoders[m].bias for m in "ab"])
    covariance = W @ W.T + 0.8**2 * torch.eye(5)
    return MultivariateNormal(b, covariance).log_prob(torch.cat([x["a"], x["b"]], 1))


@pytest.mark.parametrize("kind", GAUSSIAN.values(), ids=GAUSSIAN)
@torch.no_grad()
def test_importance_sampling_finds_the_evidence(kind):
    model, x = broad(vae(kind)), batch()
    exact = evidence(model, x)
    few, many = (model.log_marginal(x, k, stream(0, "z")) for k in (1, 20_000))
    torch.testing.assert_close(many, exact, atol=0.05, rtol=0)
    assert few.mean() < exact.mean()


@pytest.mark.parametrize("kind", [MMVAE, MMVAEPlus])
@torch.no_grad()
def test_importance_sampling_agrees_with_the_prior_s(kind):
    """Against E_p(z) p(x | z), by brute force."""
    model, x = broad(vae(kind)), batch()
    z = model.prior(200_000).sample(stream(1, "prior"))
    brute = []
    for i in range(len(x["a"])):
        one = {m: v[i : i + 1] for m, v in x.items()}
        logs = sum(model.log_prob(m, z[:, None], one[m]) for m in "ab")
        brute.append(logs.logsumexp(0) - math.log(len(z)))
    found = model.log_marginal(x, 20_000, stream(0, "z"))
    torch.testing.assert_close(found, torch.cat(brute), atol=0.1, rtol=0)


@torch.no_grad()
def test_the_exact_posterior_closes_the_elbo_of_mvae():
    """With conjugate experts the product is the true posterior, and the joint ELBO log p(x)."""
    model, x = vae(MVAE), batch()
    for i, m in enumerate("ab"):
        # expert: precision Wᵀ W / σ² must be diagonal for the experts to hold it
        n = model.decoders[m].out_features
        W = 1.3 * torch.eye(n, 2) * torch.tensor([1.0, 0.5]) * (i + 1)
        model.decoders[m].weight.copy_(W)
        precision = (W**2).sum(0) / 0.8**2
        encoder = model.encoders[m]
        encoder.weight.copy_(torch.cat([W.T / 0.8**2 / precision[:, None], torch.zeros(2, n)]))
        shift = -(encoder.weight[:2] @ model.decoders[m].bias)
        encoder.bias.copy_(torch.cat([shift, -precision.log()]))
    one = model.log_marginal(x, 1, stream(0, "z"))
    torch.testing.assert_close(one, evidence(model, x), atol=1e-4, rtol=0)
    # objective = ELBO(a, b) + ELBO(a) + ELBO(b), each equal to its evidence
    alone = torch.zeros(6)
    for m in "ab":
        W, b = model.decoders[m].weight, model.decoders[m].bias
        covariance = W @ W.T + 0.8**2 * torch.eye(len(b))
        alone = alone + MultivariateNormal(b, covariance).log_prob(x[m])
    many = torch.stack([model.objective(x, torch.ones(2, 6), stream(s, "z")) for s in range(4000)])
    expected = (evidence(model, x) + alone).mean().item()
    error = many.std().item() / 4000**0.5
    assert many.mean().item() == pytest.approx(expected, abs=4 * error)


@torch.no_grad()
def test_mvtcae_by_hand():
    model, x = vae(MVTCAE, beta=2.5, alpha=0.3, weights={"a": 3.0}), batch()
    q = model.posterior(x, stream(0, "z"))
    z = q.sample(stream(0, "z"))
    reconstruction = 3 * model.log_prob("a", z, x["a"]) + model.log_prob("b", z, x["b"])
    apart = sum(q.divergence(Gaussian.of(model.encoders[m](x[m]))) for m in "ab")
    expected = 1.7 / 2 * reconstruction - 2.5 * (0.15 * apart + 0.7 * q.divergence())
    found = model.objective(x, torch.ones(2, 6), stream(0, "z"))
    torch.testing.assert_close(found, expected.mean())


@torch.no_grad()
def test_mopoe_has_every_subset_and_the_prior_in_the_whole_one():
    model, x = vae(MoPoE), batch()
    q, held = model.products(x, torch.ones(2, 6))
    assert held.eq(1).all() and held.shape == (3, 6)
    a, b = (Gaussian.of(model.encoders[m](x[m])) for m in "ab")
    torch.testing.assert_close(q.mean[0], a.mean)
    torch.testing.assert_close(q.log_variance[1], b.log_variance, atol=1e-5, rtol=0)
    precision = (-a.log_variance).exp() + (-b.log_variance).exp() + 1
    torch.testing.assert_close(q.log_variance[2], -precision.log())
    lacking = torch.tensor([[1.0] * 6, [0.0] * 6])
    q, held = model.products(x, lacking)
    assert held[:, 0].tolist() == [1, 0, 0]
    assert q.mean.isfinite().all()


@torch.no_grad()
def test_more_samples_tighten_the_bound():
    x, present = batch(200), torch.ones(2, 200)
    bounds = [
        torch.stack(
            [
                vae(MMVAE, samples=k, estimator="iwae").objective(x, present, stream(s, "z"))
                for s in range(5)
            ]
        ).mean()
        for k in (1, 5, 50)
    ]
    assert bounds[0] < bounds[1] < bounds[2]


@pytest.mark.parametrize("kind", [MMVAE, MMVAEPlus])
def test_dreg_is_an_unbiased_gradient_of_lower_variance(kind):
    """Tucker et al. 2019: the same expectation as the bound's gradient, for the encoders.

    That holds where samples come from the density they are weighed by: for one expert.
    """
    x, present = batch(4), torch.tensor([[1.0] * 4, [0.0] * 4])
    moments = {}
    for estimator in ("iwae", "dreg"):
        model = vae(kind, samples=8, estimator=estimator)
        draws = []
        for seed in range(1000):
            model.zero_grad()
            model.objective(x, present, stream(seed, "z")).backward()
            draws.append(torch.cat([p.grad.flatten() for p in model.encoders["a"].parameters()]))
        moments[estimator] = torch.stack(draws)
    iwae, dreg = moments["iwae"], moments["dreg"]
    error = (iwae.var(0) + dreg.var(0)).div(1000).sqrt()
    assert ((iwae.mean(0) - dreg.mean(0)).abs() < 4.5 * error).all()
    assert dreg.mean(0).abs().max() > 10 * error.max()  # there is something to agree on
    assert dreg.var(0).sum() < 0.8 * iwae.var(0).sum()


@torch.no_grad()
def test_nexus_drops_some_messages_but_never_all():
    model = vae(NEXUS, drop=0.6)
    present = torch.ones(2, 10_000)
    present[0, :1000] = 0
    left = model._dropped(present, stream(0, "z"))
    assert (left <= present).all() and left.sum(0).min() >= 1
    assert (left[:, 1000:].sum(0) == 1).float().mean().item() == pytest.approx(0.6, abs=0.02)
    alone = left[:, 1000:].sum(0) == 1
    assert left[0, 1000:][alone].mean().item() == pytest.approx(0.5, abs=0.02)


def test_nexus_s_top_leaves_the_bottom_alone():
    model, x = vae(NEXUS), batch(20)
    names = [n for n, _ in model.named_parameters() if n.startswith(("encoders", "decoders"))]
    grads = []
    for gamma in ([1.0, 1.0], [50.0, 50.0]):
        model.gamma = gamma
        model.zero_grad()
        model.objective(x, torch.ones(2, 20), stream(0, "z")).backward()
        grads.append([dict(model.named_parameters())[n].grad.clone() for n in names])
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b)


@torch.no_grad()
def test_annealing_rises_with_the_steps():
    model, x = vae(MVAE, annealing=2), batch()
    model.steps_per_epoch = 10
    values = []
    for step in (0, 10, 20, 99):
        model.step.fill_(step)
        values.append(model.objective(x, torch.ones(2, 6), stream(0, "z")).item())
    assert values[0] > values[1] > values[2] == values[3]
    assert values[0] - values[1] == pytest.approx(values[1] - values[2], rel=1e-4)


def test_a_mixture_replaces_the_prior(tmp_path):
    pytest.importorskip("sklearn", reason="needs the extra [mixture]")
    x = batch(400)
    x = {m: v + 4 * (torch.arange(400) % 2)[:, None] for m, v in x.items()}
    model = vae(MoPoE, joint=PostHoc(components=2))
    model.fit(Split(x), Trainer(tmp_path, 0, torch.device("cpu"), Progress(None)))
    means = model._means(Split(x), 0)
    z = model.encode({}, 20_000, stream(0, "z"))
    torch.testing.assert_close(z.mean(0), means.mean(0), atol=0.1, rtol=0)
    torch.testing.assert_close(z.T.cov(), means.T.cov(), atol=0.1, rtol=0.1)
    again = vae(MoPoE, joint=PostHoc(components=2))
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.encode({}, 5, stream(0, "z")), model.encode({}, 5, stream(0, "z")))


@pytest.mark.parametrize("complete", [0, 4])
def test_a_mixture_without_examples_to_fit_is_refused_before_training(complete):
    i = torch.arange(40)
    index = {m: i.where((i % 2 == j) | (i < complete), -1) for j, m in enumerate("ab")}
    model, trainer = vae(MoPoE, joint=PostHoc(components=5)), None  # nothing is trained
    with pytest.raises(ValueError, match=f"^{complete} training examples lack no modality"):
        model.fit(Split(batch(40), index), trainer)


def test_a_mixture_that_nothing_fits_is_refused_before_training(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.mixture", None)
    with pytest.raises(ImportError, match="mixture"):
        vae(MoPoE, joint=PostHoc(components=2)).fit(Split(batch(40)), None)


def test_a_mixture_is_drawn_from_by_its_weights():
    mixture = MixturePrior(1, 3)
    mixture.weights.copy_(torch.tensor([0.5, 0.0, 0.5]))
    mixture.means.copy_(torch.tensor([[-5.0], [0], [5]]))
    z = mixture.sample(10_000, stream(0, "z"))
    assert z.sign().mean().abs() < 0.05 and z.abs().mean() > 4.5


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        (MVAE, {"latent": 0}, "latent is 0"),
        (MVAE, {"beta": -1.0}, "beta is -1.0"),
        (MVAE, {"weights": {"c": 1.0}}, "weights names a modality 'c'"),
        (MVAE, {"subsampled": 1}, "subsampled is 1, expected 0 to 0"),
        (MVTCAE, {"alpha": 1.2}, "alpha is 1.2"),
        (MMVAE, {"samples": 0}, "samples is 0"),
        (MMVAEPlus, {"private": 0}, "private is 0"),
        (NEXUS, {"bottom": {"a": 2}}, "bottom lacks 'b'"),
        (NEXUS, {"gamma": {"c": 2.0}}, "gamma names a modality 'c'"),
        (NEXUS, {"drop": 2.0}, "drop is 2.0"),
    ],
)
def test_bad_settings_are_told(kind, change, words):
    with pytest.raises(ValueError, match=words):
        vae(kind, **change)


def test_mvae_draws_subsets_of_two_and_more():
    three = [*MODALITIES, replace(MODALITIES[0], name="c")]
    parts = {**PARTS, "c": Architecture(three[2], LINEAR, Likelihood("normal"))}
    torch.manual_seed(0)
    model = MVAE(three, parts, latent=2, training=HOW, subsampled=2)
    assert sorted(model.proper.sum(1).tolist()) == [2, 2, 2]
    x = {**batch(), "c": torch.randn(6, 3)}
    assert model.objective(x, torch.ones(3, 6), stream(0, "z")).isfinite()
