"""SBM-VAE: its parts, and its conditionals against the law that inpainting and guidance draw."""

from dataclasses import replace
from itertools import pairwise, product

import pytest
import torch
from torch import nn

from mmbench.architecture import Architecture
from mmbench.core.data import Modality, Split, subsets
from mmbench.core.likelihood import Likelihood
from mmbench.core.model import Embedded
from mmbench.models.diffusion.predictor_corrector import PredictorCorrector
from mmbench.models.networks import generic
from mmbench.models.parts.matching import Guidance
from mmbench.models.sbm_vae import SBMVAE, SBMVAEC
from mmbench.progress import Progress
from mmbench.seeds import stream
from mmbench.training.trainer import Optimisation, Trainer

HOW = Optimisation(epochs=2, batch_size=16, learning_rate=1e-3)
MODALITIES = (
    Modality("image", "image", (3, 8, 8)),
    Modality("mask", "mask", (1, 6, 5)),
    Modality("marks", "attributes", (3,), ("a", "b", "c")),
)
PARTS = {
    m.name: Architecture(m, n, Likelihood(p))
    for m, n, p in zip(
        MODALITIES,
        (generic.picture, generic.picture, generic.vector),
        ("normal", "bernoulli", "bernoulli"),
        strict=True,
    )
}
NAMES = [m.name for m in MODALITIES]
GUIDED = Guidance(1.5, HOW, width=16)


def make(kind=SBMVAE, modalities=MODALITIES, seed=0, **settings):
    settings = {
        **{"latent": 4, "vae": HOW, "score": HOW, "channels": [8], "layers": 1, "beta": 0.5},
        **{"sampler": {"name": "predictor-corrector", "steps": 3}},
        **settings,
    }
    torch.manual_seed(seed)
    return kind(modalities, PARTS, **settings)


def data(n=48, seed=0):
    noise = stream(seed, "data")
    image = torch.randint(256, (n, 3, 8, 8), generator=noise, dtype=torch.uint8)
    mask = torch.rand(n, 1, 6, 5, generator=noise) < 0.5
    return Split({"image": image, "mask": mask, "marks": torch.rand(n, 3, generator=noise) < 0.5})


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_scores_are_computed_in_the_precision_of_training(precision, half):
    model = make(score=replace(HOW, precision=precision)).eval()
    seen = []
    model.score_network.register_forward_hook(lambda *a: seen.append(a[2].dtype))
    with torch.no_grad():
        assert model.joint_score(torch.randn(4, 12), 0.5).dtype == torch.float32
    assert seen == [getattr(torch, precision)]


def fit(model, folder, train=None, shared=None):
    trainer = Trainer(folder, 0, torch.device("cpu"), Progress(None), shared=shared)
    model.fit(data() if train is None else train, trainer)
    return trainer


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Trained for a moment: plain, guided by a scale of 0, and guided."""
    kinds = {
        "plain": (SBMVAE, {}),
        "zero": (SBMVAEC, {"guidance": Guidance(0.0, HOW, width=16)}),
        "guided": (SBMVAEC, {"guidance": GUIDED}),
    }
    models = {}
    for name, (kind, settings) in kinds.items():
        models[name] = make(kind, **settings)
        fit(models[name], tmp_path_factory.mktemp(name))
    return models


def draw(model, given, targets, rows, seed=0):
    x = data(20, 1).batch(rows, given) if given else {}
    return model.generate(x, targets, len(rows), stream(seed, "test"))


@pytest.mark.parametrize("name", ["plain", "guided"])
def test_every_subset_from_every_subset(fitted, name):
    for given, targets in product(subsets(NAMES), subsets(NAMES)[1:]):
        out = draw(fitted[name], given, targets, torch.arange(3))
        assert set(out) == set(targets)
        for m in MODALITIES:
            if m.name in targets:
                assert out[m.name].shape == (3, *m.shape)
                assert 0 <= out[m.name].min() <= out[m.name].max() <= 1


@pytest.mark.parametrize("name", ["plain", "guided"])
def test_an_example_does_not_see_the_rest_of_its_batch(fitted, name):
    drawn = lambda rows: draw(fitted[name], ["mask"], ["image", "marks"], torch.tensor(rows))
    a, b = drawn([3, 5, 8]), drawn([11, 5, 2])
    for m in a:
        torch.testing.assert_close(a[m][1], b[m][1], atol=1e-5, rtol=0)
        assert not torch.allclose(a[m][0], b[m][0])


def test_the_order_of_what_is_given_does_not_count(fitted):
    x = data(20, 1).batch(torch.arange(4), ["image", "marks"])
    backwards = dict(reversed(x.items()))
    a, b = (fitted["guided"].generate(g, ["mask"], 4, stream(0, "test")) for g in (x, backwards))
    assert torch.equal(a["mask"], b["mask"])


def test_guidance_of_scale_zero_is_the_plain_model_bit_for_bit(fitted):
    plain, zero, guided = (fitted[n] for n in ("plain", "zero", "guided"))
    state = zero.state_dict()
    assert all(torch.equal(x, state[k]) for k, x in plain.state_dict().items())
    assert len(state) > len(plain.state_dict())
    for given in subsets(NAMES):
        x = data(20, 1).batch(torch.arange(4), given)
        a, b, c = (m.encode(x, 4, stream(0, "test")) for m in (plain, zero, guided))
        assert torch.equal(a, b)
        assert torch.equal(a, c) == (len(given) in (0, 3))  # no guidance without a mixed pair


def test_a_target_that_is_given_is_decoded_from_its_mean(fitted):
    model, x = fitted["plain"], data(20, 1).batch(torch.arange(4), ["image"])
    vae = model.vaes["image"]
    expected = vae.architecture.show(vae.decoder(vae.posterior(x["image"]).mean))
    for targets in (["image"], ["mask", "image"]):
        out = model.generate(x, targets, 4, stream(0, "test"))
        torch.testing.assert_close(out["image"], expected)


@pytest.mark.parametrize("name", ["plain", "guided"])
@pytest.mark.parametrize("given", [(), ("image",), ("image", "marks")])
def test_evaluations_are_counted(fitted, name, given):
    model, times = fitted[name], []
    watch = model.score_network.register_forward_pre_hook(lambda _, x: times.append(x[1][0]))
    draw(model, given, NAMES, torch.arange(2))
    watch.remove()
    assert len(times) == model.evaluations == 6


def test_given_latents_are_noised_afresh_at_every_evaluation(fitted):
    """To the time of the evaluation: N(α_t z, σ_t²), independent of all the others."""
    model, seen = fitted["plain"], []
    z = torch.randn(3000, 4, generator=stream(0, "z"))
    watch = model.score_network.register_forward_pre_hook(lambda _, x: seen.append(x))
    out = model.encode(Embedded({"mask": z}), 3000, stream(0, "test"))
    watch.remove()
    assert torch.equal(out[:, 4:8], z)  # clean in the end
    sde = model.sde
    noise = [(r[:, 4:8] - sde.alpha(t[0]) * z) / sde.sigma(t[0]) for r, t in seen]
    noise = torch.stack(noise)
    correlations = torch.cat([noise.flatten(1), z.flatten()[None]]).corrcoef()
    assert len(noise) == 6
    assert (noise.mean((1, 2)).abs() < 4.5 / 12_000**0.5).all()
    assert ((noise.var((1, 2)) - 1).abs() < 4.5 * (2 / 12_000) ** 0.5).all()
    assert (correlations - torch.eye(7)).abs().max() < 4.5 / 12_000**0.5


# Theory: two modalities of two latents each, jointly Gaussian, and their true score.

D = 2
MEAN = torch.tensor([1.0, -0.5, 0.3, -1.2], dtype=torch.float64)
FACTOR = torch.randn(4, 4, generator=stream(0, "factor"), dtype=torch.float64) / 2
COVARIANCE = 0.8 * FACTOR @ FACTOR.T + 0.2 * torch.eye(4, dtype=torch.float64)
GIVEN = torch.tensor([1.0, 0.5], dtype=torch.float64)  # of the second modality
N = 20_000
SIGMAS = 4.5
PAIR = tuple(Modality(name, "attributes", (3,), ("a", "b", "c")) for name in ("a", "b"))


def precision(sde, t, independent=False):
    """Of both latents noised to time t, or of independent ones with the same marginals."""
    C = sde.alpha(t) ** 2 * COVARIANCE + sde.sigma(t) ** 2 * torch.eye(4, dtype=torch.float64)
    if independent:
        C = torch.block_diag(C[:D, :D], C[D:, D:])
    return torch.linalg.inv(C)


class TrueNoise(nn.Module):
    """The score network of the law, or of independent latents."""

    def __init__(self, sde, independent=False):
        super().__init__()
        self.sde, self.independent = sde, independent

    def forward(self, r, t):
        t = t[0].item()
        P = precision(self.sde, t, self.independent).to(r.dtype)
        return self.sde.sigma(t) * (r - self.sde.alpha(t) * MEAN.to(r.dtype)) @ P


def true_logit(sde):
    """log p_t(a, b) / (p_t(a) p_t(b)), but for a constant."""

    def h(a, b, t, pair):
        t = t[0].item()
        P = (precision(sde, t) - precision(sde, t, independent=True)).to(a.dtype)
        x = torch.cat([a, b], 1) - sde.alpha(t) * MEAN.to(a.dtype)
        return -((x @ P) * x).sum(1) / 2

    return h


def gaussian_model(sampler, independent=False, scale=None, monkeypatch=None):
    parts = {m.name: Architecture(m, generic.vector, Likelihood("bernoulli")) for m in PAIR}
    guidance = None if scale is None else Guidance(scale, HOW, width=8)
    settings = {"latent": D, "channels": [8], "layers": 1, "guidance": guidance}
    model = SBMVAE(PAIR, parts, vae=HOW, score=HOW, **settings)
    model.sampler = sampler
    model.score_network = TrueNoise(model.sde, independent)
    if scale is not None:
        monkeypatch.setattr(model.matching, "forward", true_logit(model.sde))
    return model


def law(sampler, sde, scale=0.0, echo=False):
    """Mean and covariance of what inpainting draws of `a` given b, derived.

    With the true score, -P (r - α_t m) for P the precision at t, a move with coefficients a, b, c
    draws r_a ← a r_a - b P_aa (r_a - α m_a) - b P_ab (α z_b + σ ε' - α m_b) + c ε: linear in what
    is Gaussian. The fresh noise ε' of the given latents adds b² σ² P_ab P_ba to the covariance. A
    guidance of scale s makes P into P + s (P - P of independent latents).

    `echo` is the law without fresh noise, where the given latent itself stands for ε'.
    """
    mean, C = torch.zeros(D, dtype=torch.float64), torch.eye(D, dtype=torch.float64)
    for n in range(sampler.steps, 0, -1):
        t, s = n / sampler.steps, (n - 1) / sampler.steps
        α, σ = sde.alpha(t), sde.sigma(t)
        P = (1 + scale) * precision(sde, t) - scale * precision(sde, t, independent=True)
        aa, ab = P[:D, :D], P[:D, D:]
        δ, noise = sampler.correction(sde, t)
        moves = [(1.0, δ, noise)] * sampler.corrections + [sampler.step(sde, t, s)]
        for a, b, c in moves:
            A = a * torch.eye(D, dtype=torch.float64) - b * aa
            shown = α * GIVEN + (σ * GIVEN if echo else 0)
            mean = A @ mean + b * α * aa @ MEAN[:D] - b * ab @ (shown - α * MEAN[D:])
            C = A @ C @ A.T + c**2 * torch.eye(D, dtype=torch.float64)
            C = C + (0 if echo else b**2 * σ**2 * ab @ ab.T)
    return mean, C


def off(x, mean, C):
    """The largest error of mean and covariance in standard errors."""
    n, v = len(x), C.diagonal()
    of_mean = (x.mean(0) - mean).abs() / (v / n).sqrt()
    of_C = (x.T.cov() - C).abs() / ((v[:, None] * v + C**2) / n).sqrt()
    return max(of_mean.max().item(), of_C.max().item())


SAMPLERS = pytest.mark.parametrize(
    "sampler",
    [PredictorCorrector(25, 0), PredictorCorrector(25, 1), PredictorCorrector(40, 5, 0.3)],
    ids=lambda s: f"{s.steps}-{s.corrections}",
)


@SAMPLERS
def test_in_painting_draws_the_law_derived(sampler):
    model = gaussian_model(sampler)
    x = model.encode(Embedded({"b": GIVEN.float().repeat(N, 1)}), N, stream(0, "samples"))
    mean, C = law(sampler, model.sde)
    assert off(x[:, :D].double(), mean, C) < SIGMAS
    assert off(x[:, :D].double(), *law(sampler, model.sde, echo=True)) > 3 * SIGMAS


def test_corrections_bring_in_painting_to_the_conditional():
    """Fresh noise blurs what is given, most at late times; corrections near 0 make up for it."""
    sde = gaussian_model(PredictorCorrector(1)).sde
    gain = COVARIANCE[:D, D:] @ torch.linalg.inv(COVARIANCE[D:, D:])
    mean = MEAN[:D] + gain @ (GIVEN - MEAN[D:])
    C = COVARIANCE[:D, :D] - gain @ COVARIANCE[D:, :D]
    errors = []
    for k in (0, 1, 3, 10, 20):
        m, V = law(PredictorCorrector(400, k), sde)
        errors.append(((m - mean).norm() + (V - C).norm()).item())
    assert all(fewer > 1.2 * more for fewer, more in pairwise(errors)), errors
    assert errors[-1] < 0.35 * errors[0]


def test_joint_samples_have_the_joint_law():
    model = gaussian_model(PredictorCorrector(200, 1))
    x = model.encode({}, N, stream(0, "samples")).double()
    assert off(x, MEAN, COVARIANCE) < SIGMAS


@pytest.mark.parametrize("t", [0.03, 0.2, 0.5])
def test_guidance_makes_independent_scores_the_joint_one(monkeypatch, t):
    """By the true logit with a scale of 1, at what is drawn; what is given is not moved."""
    sampler = PredictorCorrector(1)
    model = gaussian_model(sampler, independent=True, scale=1.0, monkeypatch=monkeypatch)
    joint = gaussian_model(sampler)
    r = torch.randn(50, 2 * D, generator=stream(0, "r"))
    expected = joint.joint_score(r, t)
    torch.testing.assert_close(model.joint_score(r, t, ["b"]), expected, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(model.joint_score(r, t), expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_guidance_draws_the_law_derived(monkeypatch, scale):
    sampler = PredictorCorrector(25, 1)
    model = gaussian_model(sampler, scale=scale, monkeypatch=monkeypatch)
    x = model.encode(Embedded({"b": GIVEN.float().repeat(N, 1)}), N, stream(0, "samples"))
    assert off(x[:, :D].double(), *law(sampler, model.sde, scale)) < SIGMAS
    assert off(x[:, :D].double(), *law(sampler, model.sde)) > 3 * SIGMAS


def test_the_score_matching_loss_asks_for_the_noise(fitted):
    """Zero for the noise itself, one a coordinate for none of it."""
    model = make()
    z = torch.randn(4000, 12, generator=stream(0, "z"))

    class Oracle(nn.Module):
        def forward(self, r, t):
            return (r - model.sde.alpha(t)[:, None] * z) / model.sde.sigma(t)[:, None]

    assert model.score_matching_loss(z, stream(0, "noise")).item() == pytest.approx(1, rel=0.02)
    model.score_network = Oracle()
    assert model.score_matching_loss(z, stream(0, "noise")) < 1e-4


def test_the_vae_s_loss_is_its_negative_bound():
    x = data().batch(torch.arange(8), ["mask"])["mask"]
    for beta in (0.0, 2.0):
        vae = make(beta=beta).vaes["mask"].eval()
        q = vae.posterior(x)
        z = q.sample(stream(0, "noise"))
        log_p = PARTS["mask"].likelihood.log_prob(vae.decoder(z), x)
        expected = (beta * q.divergence() - log_p).mean()
        torch.testing.assert_close(vae.loss(x, stream(0, "noise")), expected)


def test_betas_and_training_of_single_modalities():
    special = Optimisation(epochs=1, batch_size=4, learning_rate=1e-4)
    model = make(beta={"image": 0.1, "mask": 1, "marks": 0.2}, vaes={"mask": special})
    assert [model.vaes[m].beta for m in NAMES] == [0.1, 1, 0.2]
    assert model.stage1 == {"image": HOW, "mask": special, "marks": HOW}


def test_the_score_network_learns_from_the_means_of_what_is_whole():
    train = data()
    rows = torch.arange(48)
    rows[::3] = -1
    index = torch.arange(48).flip(0)  # views in another order than the examples
    half = Split(train.tensors, {"mask": rows, "image": index})
    model = make().eval()
    whole = half.complete()
    assert torch.equal(whole, (rows >= 0).nonzero()[:, 0])
    z = model._means(half, whole)
    assert z.shape == (32, 12)
    x = half.batch(whole)
    for m in NAMES:
        torch.testing.assert_close(z[:, model.place[m]], model.vaes[m].posterior(x[m]).mean)


def test_examples_that_lack_something_are_learnt_from(tmp_path):
    train, rows, other = data(), torch.arange(48), torch.arange(48)
    rows[:24], other[24:] = -1, -1
    model = make(SBMVAEC, guidance=GUIDED)
    fit(model, tmp_path / "half", Split(train.tensors, {"mask": rows}))
    assert draw(model, ["image"], ["mask"], torch.arange(3))["mask"].isfinite().all()
    with pytest.raises(ValueError, match="every training example lacks a modality"):
        fit(make(), tmp_path / "none", Split(train.tensors, {"mask": rows, "image": other}))
    assert not list(tmp_path.glob("none/**/*.safetensors"))  # before anything is trained


def test_the_guided_model_shares_all_stages_but_one(tmp_path):
    shared = tmp_path / "shared"
    first = fit(make(), tmp_path / "a", shared=shared)
    kept = {p.name for p in shared.glob("*.safetensors")}
    assert len(kept) == 4
    second = fit(make(SBMVAEC, guidance=GUIDED), tmp_path / "b", shared=shared)
    assert {p.name for p in shared.glob("*.safetensors")} == kept
    assert {k: v for k, v in second.seconds.items() if k != "matching"} == first.seconds
    fit(make(beta=0.6), tmp_path / "c", shared=shared)
    assert len(list(shared.glob("*.safetensors"))) == 8


BAD = [
    ({"latent": 3, "channels": [8, 8]}, "latent is 3, which makes no picture"),
    ({"beta": {"imag": 1.0}}, "beta names a modality 'imag'; did you mean 'image'"),
    ({"beta": {"image": 1.0, "mask": 1.0}}, "beta lacks 'marks'"),
    ({"beta": -1.0}, "beta has -1.0 for 'image'"),
    ({"vaes": {"imag": HOW}}, "vaes names a modality 'imag'"),
    ({"beta_max": 0.01}, "beta_max is 0.01"),
    ({"sampler": {"name": "predictor-corector"}}, "did you mean 'predictor-corrector'"),
]


@pytest.mark.parametrize(("change", "words"), BAD)
def test_bad_settings_are_told(change, words):
    with pytest.raises(ValueError, match=words):
        make(**change)


def test_the_guided_model_needs_a_guidance():
    with pytest.raises(ValueError, match="there is no guidance"):
        make(SBMVAEC)


def test_unknown_modalities_are_told(fitted):
    with pytest.raises(ValueError, match="no modality 'imag'; did you mean 'image'"):
        fitted["plain"].generate({}, ["imag"], 1, stream(0, "test"))
