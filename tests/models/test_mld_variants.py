"""MLD's variants: what they share with it, what they are trained on, and what they draw.

Their conditionals are compared with theory on a Gaussian and a mixture in two modalities of one
coordinate each, where the score is known at every vector of times. Monte-Carlo tolerances are
counted in standard errors; seeds are fixed, so a test that passes passes always.
"""

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from mmbench.architecture import architectures
from mmbench.core.data import Modality, Split
from mmbench.models.mld import MLD
from mmbench.models.mld_inpaint import MLDInpaint
from mmbench.models.mld_star import MLDStar
from mmbench.models.mld_uni import MLDUni
from mmbench.models.parts.autoencoder import Autoencoder
from mmbench.progress import Progress
from mmbench.protocols.protocol import load, override
from mmbench.runs.run import Run
from mmbench.seeds import stream
from mmbench.training.trainer import Optimisation, Trainer

HOW = Optimisation(epochs=1, batch_size=20, learning_rate=1e-3)
SIZES = {"image": 6, "trajectory": 3, "sound": 1}
WIDER = {"image": 6, "trajectory": 3, "sound": 4}
SIGMAS = 4.5
CPU = torch.device("cpu")


def model(kind, toy, **change):
    parts = architectures(toy.modalities, load(toy.name)["modalities"])
    settings = {
        **{"latent": SIZES, "autoencoder": HOW, "score": HOW, "sampler": {"name": "ancestral"}},
        **{"width": 16, "groups": 4, "blocks": 1, "time_embedding": 8},
    }
    return kind(toy.modalities, parts, **{**settings, **change})


# Training


class Seen(nn.Module):
    """Keeps what it was shown and knows the noise."""

    def __init__(self, model, z):
        super().__init__()
        self.model, self.z = model, z

    def forward(self, r, tau):
        self.r, self.tau = r, tau
        t = tau if tau.shape[1] == 1 else tau[:, self.model.owner]
        return (r - self.model.sde.alpha(t) * self.z) / self.model.sde.sigma(t)


@pytest.mark.parametrize(("kind", "times"), [(MLDUni, 3), (MLDInpaint, 1)])
def test_the_loss_asks_for_the_noise(toy, kind, times):
    variant = model(kind, toy)
    z = torch.randn(4000, 10, generator=stream(0, "z"))
    plain = variant.diffusion_loss(z, stream(0, "noise"))
    assert plain.item() == pytest.approx(10, rel=0.02)  # an untrained network costs 1 a coordinate
    variant.score_network = Seen(variant, z)
    assert variant.diffusion_loss(z, stream(0, "noise")) < 1e-3
    tau = variant.score_network.tau
    assert tau.shape == (4000, times)
    assert 0 <= tau.min() and tau.max() <= 1
    torch.testing.assert_close(tau.mean(0), torch.full((times,), 0.5), atol=0.02, rtol=0)
    correlation = torch.corrcoef(tau.T).reshape(times, times)
    torch.testing.assert_close(correlation, torch.eye(times), atol=0.06, rtol=0)


@pytest.mark.parametrize("kind", [MLD, MLDUni, MLDInpaint])
def test_diffusion_is_computed_in_full_under_autocast(toy, kind):
    """Half precision is the network's: at eight bits of t, α and σ are off by several percent."""
    variant = model(kind, toy)
    z = torch.randn(400, 10, generator=stream(0, "z"))
    seen = []

    class Network(nn.Module):
        def forward(self, r, tau):
            seen.extend((r, tau))
            return r

    variant.score_network = Network()
    for half in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            seen.append(variant.diffusion_loss(z, stream(0, "noise")))
    assert all(torch.equal(a, b) for a, b in zip(seen[:3], seen[3:], strict=True))


def test_what_is_absent_does_not_count_for_mld_uni(toy):
    variant = model(MLDUni, toy)
    z = torch.randn(400, 10, generator=stream(0, "z"))
    present = (torch.rand(400, 3, generator=stream(0, "present")) < 0.6).float()
    present[present.sum(1) == 0] = 1
    absent = (1 - present)[:, variant.owner] > 0
    losses = []
    for change in (0, 1e6):
        moved = z + change * absent
        variant.score_network = Seen(variant, z)
        losses.append(variant.diffusion_loss(moved, stream(0, "noise"), present))
        assert variant.score_network.tau[present == 0].eq(1).all()
        assert 0.8 < variant.score_network.r[absent].std() < 1.2
    assert torch.equal(*losses)


def test_in_painting_refuses_incomplete_examples(toy):
    assert not MLDInpaint.takes_incomplete and MLDUni.takes_incomplete


def test_one_mask_a_batch(toy):
    mld = model(MLD, toy, masks="batch", d=0.3)
    masks = [mld._diffused(50, stream(i, "masks")) for i in range(400)]
    assert all((m == m[0]).all() for m in masks)
    alone = sum(float(m[0].sum() == 3) for m in masks) / 400
    assert alone == pytest.approx(0.3, abs=0.1)


def test_statistics_of_the_first_batch(toy, tmp_path):
    mld = model(MLD, toy, statistics="batch")
    trainer = Trainer(tmp_path, 0, CPU, Progress(None))
    met = {}
    minimise = trainer.minimise

    def watch(stage, module, loss, *rest, **more):
        def seen(rows, noise):
            met.setdefault(stage, rows)
            return loss(rows, noise)

        minimise(stage, module, seen, *rest, **more)

    trainer.minimise = watch
    mld.fit(toy.train, trainer)
    first = torch.zeros(len(toy.train), dtype=torch.bool)
    first[met["score"]] = True
    z = mld._standardised_latents(toy.train, first)
    torch.testing.assert_close(z[met["score"]].mean(0), torch.zeros(10), atol=1e-4, rtol=0)
    torch.testing.assert_close(z[met["score"]].std(0), torch.ones(10), atol=1e-3, rtol=0)
    assert z.mean(0).abs().max() > 1e-3


def test_statistics_of_too_few_examples_are_refused(toy, tmp_path):
    one = torch.full((len(toy.train),), -1)
    one[0] = 0
    train = Split(toy.train.tensors, {"sound": one}, toy.train.labels)
    trainer = Trainer(tmp_path, 0, CPU, Progress(None))
    trainer.minimise = lambda *_, **__: pytest.fail("before anything is trained")
    with pytest.raises(
        ValueError, match=r"1 of the examples .* have 'sound', expected at least 2"
    ):
        model(MLD, toy).fit(train, trainer)


# Principal components


@pytest.mark.parametrize("kind", [MLD, MLDInpaint, MLDUni])
def test_components_shrink_what_the_score_network_models(kind, toy, tmp_path):
    whole, few = (model(kind, toy, latent=WIDER, components=c) for c in (None, 2))
    assert few.size == 2 * len(few.names) < whole.size
    few.fit(toy.train, Trainer(tmp_path, 0, CPU, Progress(None)))
    z = few._standardised_latents(toy.train)
    assert z.shape == (len(toy.train), few.size)
    for m in few.names:
        part = z[toy.train.present(m), few.place[m]]
        torch.testing.assert_close(part.mean(0), torch.zeros(2), atol=1e-4, rtol=0)
        assert part.var(0).mean() == pytest.approx(1, abs=1e-3)
    again = model(kind, toy, latent=WIDER, components=2)
    again.load_state_dict(few.state_dict())
    x = toy.test.batch(torch.arange(4))
    first, second = (
        v.eval().generate({"sound": x["sound"]}, ["image"], 4, stream(0, "draw"))
        for v in (few, again)
    )
    assert torch.equal(first["image"], second["image"])


def test_all_components_reconstruct_as_the_autoencoder_does(toy, tmp_path):
    mld = model(MLD, toy, components=SIZES)
    mld.fit(toy.train, Trainer(tmp_path, 0, CPU, Progress(None)))
    x = toy.test.batch(torch.arange(8))
    shown = mld.generate(x, mld.names, 8, stream(0, "draw"))
    for m in mld.names:
        ae = mld.autoencoder(m)
        with torch.no_grad():
            torch.testing.assert_close(shown[m], ae.show(ae.codes(x[m])), atol=1e-4, rtol=1e-4)


def test_more_components_than_coordinates_are_refused(toy):
    with pytest.raises(ValueError, match=r"components\.image is 99, expected at least 1 and at"):
        model(MLD, toy, components={**SIZES, "image": 99})


def test_empty_components_are_reported(toy, tmp_path, monkeypatch):
    mld, out = model(MLD, toy, latent=WIDER, components=2), io.StringIO()
    flat = lambda self, split, name: torch.randn(len(split), 1).expand(-1, mld.latents[name])
    monkeypatch.setattr(Autoencoder, "codes_of", flat)
    mld.fit(toy.train, Trainer(tmp_path, 0, CPU, Progress(out)))
    assert all(f"the latents of {m} vary in fewer" in out.getvalue() for m in mld.names)


# Stage 1


@pytest.fixture(scope="module")
def runs(toy, tmp_path_factory):
    """Name -> trained model; all in one results folder, MLD first."""
    out = tmp_path_factory.mktemp("results")
    found = {}
    for name in ("mld", "mld-inpaint", "mld-uni", "mld-star"):
        quick = ["width=32", "groups=4", "time_embedding=16", "latent=4", "autoencoder.epochs=1"]
        quick += ["score.epochs=1", "score.batch_size=50"]
        settings = [f"models.{name}.{x}" for x in quick]
        settings.append("evaluation.sampler={name='ancestral', steps=3}")
        protocol = override(load(toy.name), settings)
        run = Run(name, toy, 0, protocol, out, CPU, out / "cache", Progress(None), {})
        found[name] = run.trained()
    return out, found


def weights(model, name):
    return dict(model.autoencoders[name].state_dict())


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("variant", ["mld-inpaint", "mld-uni", "mld-star"])
def test_variants_have_the_autoencoders_of_mld(runs, variant):
    _, found = runs
    for m in ("image", "trajectory", "sound"):
        same = equal(weights(found[variant], m), weights(found["mld"], m))
        assert same != (variant == "mld-star" and m == "image")


def test_each_autoencoder_was_trained_once(runs, toy):
    out, _ = runs
    shared = (out / toy.name / "shared").glob("*.safetensors")
    kept = sorted(p.name.rsplit("-", 1)[0] for p in shared)
    assert kept == ["autoencoder-image"] * 2 + ["autoencoder-sound", "autoencoder-trajectory"]


def test_other_content_is_trained_anew(tmp_path):
    def train(content, data=1.0, epochs=1, seed=0, start=0.0):
        line = nn.Linear(1, 1)
        nn.init.constant_(line.weight, start)
        nn.init.zeros_(line.bias)
        met = []

        def loss(rows, noise):
            met.append(rows)
            return (line(torch.full((len(rows), 1), data)) ** 2 - 1).sum()

        how = Optimisation(epochs=epochs, batch_size=2, learning_rate=0.1)
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        trainer = Trainer(folder, seed, CPU, Progress(None), shared=tmp_path / "shared")
        trainer.minimise("line", line, loss, 4, how, content=content)
        return bool(met)

    assert train("a")
    assert not train("a")
    assert train("b")
    assert train("a", epochs=2)
    assert train("a", seed=1)
    assert train("a", start=0.5)
    assert train(None) and train(None)
    assert not train("a")


def test_a_shared_stage_tells_the_seconds_that_it_took(tmp_path):
    how = Optimisation(epochs=1, batch_size=2, learning_rate=0.1)
    found = []
    for run in ("first", "second"):
        line = nn.Linear(1, 1)
        nn.init.ones_(line.weight)
        nn.init.ones_(line.bias)
        trainer = Trainer(tmp_path / run, 0, CPU, Progress(None), shared=tmp_path / "shared")
        loss = lambda rows, noise, line=line: line(torch.ones(2, 1)).square().sum()
        trainer.minimise("line", line, loss, 4, how, content="line")
        found.append((trainer.seconds, line.weight.item(), line.bias.item()))
    assert found[0] == found[1]


def test_mld_star_wants_an_image(toy):
    rest = [m for m in toy.modalities if m.kind != "image"]
    others = SimpleNamespace(name=toy.name, modalities=rest)
    with pytest.raises(ValueError, match="'image'; there is trajectory, sound"):
        model(MLDStar, others, image="stronger/small-image", latent=4)
    with pytest.raises(ValueError, match="image is missing"):
        model(MLDStar, toy)


@pytest.mark.parametrize("latent", [49, 6])
def test_the_stronger_autoencoder_takes_any_latent(latent):
    from mmbench.models.networks.stronger import small_image

    m = Modality("image", "image", (3, 28, 28))
    z = small_image.encoder(m, latent)(torch.rand(2, 3, 28, 28))
    assert z.shape == (2, latent)
    assert small_image.decoder(m, latent)(z).shape == (2, 3, 28, 28)


def test_the_stronger_autoencoder_refuses_what_it_cannot_halve():
    from mmbench.models.networks.stronger import image

    with pytest.raises(ValueError, match=r"'image' is 28 x 28 pixels, .* a multiple of 8"):
        image.encoder(Modality("image", "image", (3, 28, 28)), 49)


# What they draw under a true score


class Mixture(nn.Module):
    """Σ_k w_k N(m_k, C_k) over two coordinates; as a network it predicts the noise at times τ."""

    def __init__(self, sde, w, m, C):
        super().__init__()
        self.sde = sde
        self.w, self.m, self.C = (torch.tensor(x, dtype=torch.float64) for x in (w, m, C))

    def score(self, r, alpha, sigma):
        """∇ log of the density where coordinate i was scaled by alpha_i and noised by sigma_i."""
        C = alpha[:, None] * self.C * alpha + torch.diag(sigma**2)  # (K, 2, 2)
        P = torch.linalg.inv(C)
        x = r[:, None] - alpha * self.m  # (B, K, 2)
        pull = -torch.einsum("kij,bkj->bki", P, x)
        logits = self.w.log() + P.logdet() / 2 + (x * pull).sum(2) / 2
        return (torch.softmax(logits, 1)[:, :, None] * pull).sum(1)

    def forward(self, r, tau):
        t = tau[0].double().expand(2)
        sigma = self.sde.sigma(t)
        noise = -sigma * self.score(r.double(), self.sde.alpha(t), sigma)
        return noise.to(r.dtype)

    def conditional(self, z):
        """Of the first coordinate given the second: weights, means and variances."""
        gain = self.C[:, 0, 1] / self.C[:, 1, 1]
        evidence = -0.5 * ((z - self.m[:, 1]) ** 2 / self.C[:, 1, 1] + self.C[:, 1, 1].log())
        w = torch.softmax(self.w.log() + evidence, 0)
        return (
            w,
            self.m[:, 0] + gain * (z - self.m[:, 1]),
            self.C[:, 0, 0] - gain * self.C[:, 0, 1],
        )


PAIR = [Modality(name, "trajectory", (4,)) for name in ("x", "y")]
GIVEN = 0.8
B, STEPS = 4000, 400


def pair(kind, latent, score, steps):
    """A variant of two modalities."""
    parts = architectures(PAIR, load("toy")["modalities"])
    sizes = {"latent": latent, "width": 8, "groups": 2, "time_embedding": 4}
    sampler = {"name": "euler", "steps": steps}
    return kind(PAIR, parts, autoencoder=HOW, score=score, sampler=sampler, **sizes)


def exact(kind, *law):
    """A variant whose network is the truth, and the truth."""
    variant = pair(kind, 1, HOW, STEPS)
    variant.score_network = Mixture(variant.sde, *law)
    return variant, variant.score_network


def draws(variant):
    """B samples of the first coordinate given the second."""
    z = torch.tensor([[0.0, GIVEN]]).repeat(B, 1)
    score = variant.conditional_score({"y": z[:, 1:]}, z, stream(0, "score"))
    free = torch.tensor([True, False])
    return variant.sampler.sample(score, variant.sde, z, free, stream(0, "sampler"))[:, 0].double()


def in_painted(law, n=20_000, steps=STEPS, nodes=24):
    """What section 4.2 predicts: the reverse process (7) under the approximate score.

    With q(r^A1, t | z^A2) ≃ ∫ q(r^A2, t | z^A2) q(r^A1, t | r^A2, t) dr^A2, and the integral by
    quadrature in each step's drift, since Algorithm 1 averages fresh noise over its many steps.
    The drift is computed at points of a line and interpolated.
    """
    x, weight = np.polynomial.hermite_e.hermegauss(nodes)
    x, weight = torch.tensor(x), torch.tensor(weight / weight.sum())
    sde, noise = law.sde, np.random.default_rng(0)
    line, r = torch.linspace(-6, 6, 400, dtype=torch.float64), noise.standard_normal(n)
    for i in range(steps, 0, -1):
        t = torch.tensor(i / steps, dtype=torch.float64)
        alpha, sigma = sde.alpha(t).expand(2), sde.sigma(t).expand(2)
        y = alpha[0] * GIVEN + sigma[0] * x
        both = torch.stack(torch.broadcast_tensors(line[:, None], y), 2).reshape(-1, 2)
        s = law.score(both, alpha, sigma)[:, 0].reshape(len(line), nodes) @ weight
        beta = sde.beta(t.item()) / steps
        r = r + beta * (r / 2 + np.interp(r, line, s))
        if i > 1:
            r = r + beta**0.5 * noise.standard_normal(n)
    return torch.tensor(r)


def apart(a, mean, var):
    """By how many standard errors the moments of samples differ from others'."""
    off = (a.mean() - mean).abs() / (var / len(a)).sqrt()
    return max(off.item(), ((a.var() - var).abs() / (var * (2 / len(a)) ** 0.5)).item())


def gaussian(correlation, small=1.0):
    c = correlation * small
    return [1.0], [[0.3, -0.2]], [[[1.0, c], [c, small**2]]]


@pytest.mark.parametrize("kind", [MLD, MLDUni])
@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_mld_and_uni_draw_the_conditional_of_a_gaussian(kind, correlation):
    variant, law = exact(kind, *gaussian(correlation))
    _, mean, var = law.conditional(GIVEN)
    assert apart(draws(variant), mean[0], var[0]) < SIGMAS + 2  # and Euler's own error


def in_painting_of_a_gaussian(law, steps=20_000):
    """Mean and variance that section 4.2's process ends with: its drift is linear."""
    t = torch.arange(steps, 0, -1, dtype=torch.float64) / steps
    a, s, beta = law.sde.alpha(t), law.sde.sigma(t), law.sde.beta(t) / steps
    C = a[:, None, None] ** 2 * law.C[0] + s[:, None, None] ** 2 * torch.eye(2)
    P, m = torch.linalg.inv(C), a[:, None] * law.m[0]
    slope = 1 + beta * (0.5 - P[:, 0, 0])
    pull = P[:, 0, 0] * m[:, 0] - P[:, 0, 1] * (a * GIVEN - m[:, 1])
    noise = beta.clone()
    noise[-1] = 0
    mean, var = 0.0, 1.0
    for k, step, added in zip(slope.tolist(), (beta * pull).tolist(), noise.tolist(), strict=True):
        mean, var = k * mean + step, k**2 * var + added
    return torch.tensor(mean), torch.tensor(var)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_in_painting_a_gaussian_is_biased_as_predicted(correlation):
    variant, law = exact(MLDInpaint, *gaussian(correlation))
    drawn = draws(variant)
    mean, var = in_painting_of_a_gaussian(law)
    # Fresh noise adds its own variance in each of finitely many steps: a little at 400.
    assert apart(drawn, mean, var) < SIGMAS + 4
    _, true_mean, true_var = law.conditional(GIVEN)
    if correlation == 0:
        assert abs(mean - true_mean[0]) < 1e-2 and abs(var - true_var[0]) < 1e-2
    if correlation == 0.9:
        assert apart(drawn, true_mean[0], true_var[0]) > 4 * SIGMAS


MODES = ([0.5, 0.5], [[1.0, 0.5], [-1.0, -0.5]], [[[0.05, 0.0], [0.0, 0.25]]] * 2)
"""Two modes, far apart in the first coordinate and overlapping in the second, which is given."""


@pytest.mark.parametrize("kind", [MLD, MLDUni])
def test_mld_and_uni_draw_the_conditional_of_a_mixture(kind):
    variant, law = exact(kind, *MODES)
    w, _, _ = law.conditional(GIVEN)
    share = (draws(variant) > 0).double().mean()
    assert (share - w[0]).abs() < SIGMAS * (w[0] * w[1] / B) ** 0.5


def test_in_painting_a_mixture_is_biased_as_predicted():
    variant, law = exact(MLDInpaint, *MODES)
    w, _, _ = law.conditional(GIVEN)
    share = (draws(variant) > 0).double().mean()
    predicted = (in_painted(law) > 0).double().mean()
    error = (predicted * (1 - predicted) / B) ** 0.5
    assert (share - predicted).abs() < SIGMAS * error
    assert (share - w[0]).abs() > 3 * SIGMAS * error


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", [MLD, MLDInpaint, MLDUni])
def test_scores_are_computed_in_the_precision_of_training(kind, precision, half):
    variant = pair(kind, 4, replace(HOW, precision=precision), 2)
    seen = []
    linear = variant.score_network.inward
    linear.register_forward_hook(lambda *args: seen.append(args[2].dtype))
    z = torch.randn(3, 8)
    score = variant.conditional_score({"y": z[:, 4:]}, z, stream(0, "score"))(z, 0.5)
    assert seen == [getattr(torch, precision)]
    assert score.dtype == z.dtype
