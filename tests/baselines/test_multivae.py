"""The library MultiVae: its models under our interface, and our methods against its own."""

import importlib
import inspect
import math
import sys
from copy import deepcopy
from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import nn

from mmbench.baselines import mmvae, mmvae_plus, mopoe, mvae, mvtcae, nexus, posteriors
from mmbench.baselines.posteriors import Gaussian, Laplace
from mmbench.core import Modality, Split, subsets
from mmbench.models.architecture import Architecture, Likelihood, Networks
from mmbench.progress import Progress
from mmbench.protocol import construct
from mmbench.seeds import stream
from mmbench.train import Optimisation, Trainer

models = pytest.importorskip(
    "multivae.models", reason="needs the library MultiVae: pip install 'mmbench[multivae]'"
)
theirs = importlib.import_module("mmbench.baselines.multivae")
adapter = importlib.import_module("mmbench.baselines.multivae_adapter")

D, P, B = 8, 4, 20  # latent, private latent, examples: 15 subsets do not divide them
MODALITIES = (
    Modality("image", "image", (1, 4, 4)),
    Modality("curve", "trajectory", (6,)),
    Modality("text", "text", (5,), ("a", "b", "c")),
    Modality("marks", "attributes", (3,)),
)
NAMES = [m.name for m in MODALITIES]
LIKELIHOODS = {
    "image": Likelihood("laplace", 0.75),
    "curve": Likelihood("normal", 0.5),
    "text": Likelihood("categorical"),
    "marks": Likelihood("bernoulli"),
}
WEIGHTS = {"image": 2.0, "curve": 1.0, "text": 0.5, "marks": 3.0}
ONCE = Optimisation(epochs=2, batch_size=16, learning_rate=1e-3)


class OneHot(nn.Module):
    def forward(self, x):
        return nn.functional.one_hot(x, 3).to(torch.get_default_dtype())


def encoder(modality, outputs):
    text = modality.kind == "text"
    size = math.prod(modality.shape) * (3 if text else 1)
    first = [OneHot()] if text else []
    return nn.Sequential(*first, nn.Flatten(), nn.Linear(size, 16), nn.Tanh(),
                         nn.Linear(16, outputs))  # fmt: skip


def decoder(modality, latent):
    shape = (*modality.shape, 3) if modality.kind == "text" else modality.shape
    return nn.Sequential(nn.Linear(latent, 16), nn.Tanh(), nn.Linear(16, math.prod(shape)),
                         nn.Unflatten(1, shape))  # fmt: skip


ARCHITECTURES = {
    m.name: Architecture(m, Networks(encoder, decoder), LIKELIHOODS[m.name]) for m in MODALITIES
}


def examples(n, seed=0):
    g = stream(seed, "examples")
    return {
        "image": torch.rand(n, 1, 4, 4, generator=g),
        "curve": torch.randn(n, 6, generator=g),
        "text": torch.randint(3, (n, 5), generator=g),
        "marks": torch.randint(2, (n, 3), generator=g).to(torch.get_default_dtype()),
    }


def some_present():
    """(M, B): who has what; everyone something, and each modality is somebody's."""
    present = (torch.rand(len(NAMES), B, generator=stream(0, "present")) < 0.6).float()
    present[0, present.sum(0) == 0] = 1
    return present.to(torch.get_default_dtype())


# Our methods and the library's: the same weights, inputs and noise.


@pytest.fixture
def exact(monkeypatch):
    """Double precision on both sides, so that what remains is a difference of definition."""
    torch.set_default_dtype(torch.float64)
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def noise(exact, monkeypatch):
    """Records what our samples are made of; `replay` hands it to the library, in its order."""
    drawn, queue = [], []

    def recorded(kind, draw):
        original = kind.sample

        def sample(self, noise, count=()):
            same = torch.Generator()
            same.set_state(noise.get_state())
            drawn.append(draw((*count, *self.mean.shape), generator=same))
            return original(self, noise, count)

        monkeypatch.setattr(kind, "sample", sample)

    recorded(Gaussian, torch.randn)
    recorded(Laplace, lambda shape, generator: 2 * torch.rand(shape, generator=generator) - 1)

    def standard_normal(shape, dtype, device):
        ε = queue.pop(0)
        assert ε.shape == shape
        return ε

    def laplace(self, sample_shape=()):
        u = queue.pop(0)
        assert u.shape == self._extended_shape(torch.Size(sample_shape))
        return self.loc - self.scale * u.sign() * torch.log1p(-u.abs())

    monkeypatch.setattr(torch.distributions.normal, "_standard_normal", standard_normal)
    monkeypatch.setattr(torch.distributions.Laplace, "rsample", laplace)

    class Noise:
        @staticmethod
        def replay(order):
            queue.extend(order(drawn))
            drawn.clear()

        @staticmethod
        def spent():
            return not queue

    return Noise


def make(kind, **settings):
    torch.manual_seed(0)
    model = kind(MODALITIES, ARCHITECTURES, latent=D, training=ONCE, **settings)
    return model.to(torch.get_default_dtype())


OTHER_NAMES = (
    ("private_encoders.{}.", "vae.encoders.{}.private_network."),
    ("encoders.{}.", "vae.encoders.{}.network."),
    ("decoders.{}.", "vae.decoders.{}.network."),
    ("prior_logits", "vae.prior_log_var"),
    ("auxiliary.{}", "vae.logvars_priors.{}"),
)


def paired(ours, adapted):
    """(our parameter, the library's) of every parameter, with our values in both."""
    found, pairs = dict(adapted.named_parameters()), []
    for name, p in ours.named_parameters():
        a, b = next(
            (a.format(m), b.format(m))
            for a, b in OTHER_NAMES
            for m in NAMES
            if name.startswith(a.format(m))
        )
        other = found.pop(b + name.removeprefix(a))
        with torch.no_grad():
            # any values but those of initialisation, which are zeros here and there
            p.add_(0.3 * torch.randn(p.shape, generator=stream(1, name)))
            other.copy_(p.view_as(other))
        pairs.append((p, other))
    assert not any(p.requires_grad for p in found.values())
    return pairs


def agree(ours, adapted, noise, order, present=None, factor=1.0, **call):
    """Losses and gradients; the library's loss is `factor` times our negative objective."""
    pairs = paired(ours, adapted)
    x = examples(B)
    everyone = torch.ones(len(NAMES), B)
    masks = None
    if present is not None:
        everyone = present
        x = {m: v * present[i].view(-1, *[1] * (v.ndim - 1)).to(v.dtype)
             for i, (m, v) in enumerate(x.items())}  # fmt: skip
        masks = {m: present[i] > 0 for i, m in enumerate(NAMES)}
    mine = -factor * ours.objective(x, everyone, stream(0, "noise"))
    noise.replay(order)
    found = adapted.vae(adapted.inputs(x, masks), **call).loss
    assert noise.spent()
    torch.testing.assert_close(found, mine, rtol=1e-10, atol=1e-9)
    mine.backward()
    found.backward()
    for p, q in pairs:
        wanted = torch.zeros_like(p) if p.grad is None else p.grad
        got = torch.zeros_like(p) if q.grad is None else q.grad.view_as(p)
        torch.testing.assert_close(got, wanted, rtol=1e-8, atol=1e-9)
    assert sum(p.grad.abs().sum() > 0 for p, _ in pairs if p.grad is not None) == len(pairs)


@pytest.fixture
def poe(monkeypatch):
    """`multivae...poe` adds 1e-8 to the variance of every expert, the prior's too; ours does not.

    With this, ours does.
    """

    def product(q, members, prior):
        log_variance = (q.log_variance.exp() + 1e-8).log()
        return posteriors.product(Gaussian(q.mean, log_variance), members, prior / (1 + 1e-8))

    for module in (mopoe, mvtcae):
        monkeypatch.setattr(module, "product", product)


RESCALED = {"uses_likelihood_rescaling": True, "rescale_factors": WEIGHTS}
incomplete = pytest.mark.parametrize("incomplete", [False, True])


@pytest.mark.parametrize("k", [0, 3])
def test_mvae(noise, monkeypatch, k):
    """The subsets of the k random ELBOs are drawn by numpy there, and from the stream here.

    Incomplete examples are another matter: the library averages the ELBO of a subset over the
    examples that have something of it, we over the batch.
    """
    ours = make(mvae.MVAE, beta=1.7, weights=WEIGHTS, subsampled=k)
    adapted = make(theirs.MVAE, beta=1.7, k=k, warmup=0, **RESCALED)
    order = torch.randperm(len(ours.proper), generator=stream(0, "noise"))
    monkeypatch.setattr("multivae.models.mvae.mvae_model.choice",
                        lambda among, size, replace: order[:size].numpy())  # fmt: skip
    named = [set(np.array(NAMES)[s.bool().numpy()]) for s in ours.proper]
    assert [set(s) for s in adapted.vae.subsets] == named
    agree(ours, adapted, noise, lambda drawn: list(drawn[0]))


def test_mvae_annealing(noise):
    """Both rise with the step; the library's ends an epoch early, in a jump."""
    ours = make(mvae.MVAE, beta=2.0, annealing=4)
    adapted = make(theirs.MVAE, beta=2.0, warmup=4)
    ours.steps_per_epoch = 10
    ours.step += 25  # in the middle of the third epoch
    agree(ours, adapted, noise, lambda drawn: list(drawn[0]), epoch=3, batch_ratio=0.5)
    ours.step += 10
    assert ours.annealed(4) == 0.875
    ours.objective(examples(B), torch.ones(4, B), stream(0, "noise"))
    noise.replay(lambda drawn: list(drawn[0]))
    found = adapted.vae(adapted.inputs(examples(B)), epoch=4, batch_ratio=0.5)
    assert found.metrics["beta"] == 2.0


@incomplete
def test_mopoe(noise, poe, monkeypatch, incomplete):
    """Which example is reconstructed from which subset differs, and is taken from the library.

    There the subsets share out a complete batch by place and the last takes the remainder; of
    incomplete examples it draws each one's. Here it is a stratified draw in both cases.
    """
    ours = make(mopoe.MoPoE, beta=2.5, weights=WEIGHTS)
    adapted = make(theirs.MoPoE, beta=2.5, **RESCALED)
    library = [s for s in adapted.vae.subsets.values() if s]
    code = torch.tensor([sum(2 ** NAMES.index(m) for m in s) for s in library])
    if incomplete:
        present = some_present()
        has = torch.stack([present[[NAMES.index(m) for m in s]].amin(0) for s in library])
        place = torch.multinomial(has.T, 1, generator=stream(0, "which"))[:, 0]
        monkeypatch.setattr(
            "torch.distributions.OneHotCategorical.sample",
            lambda self: nn.functional.one_hot(place, len(library)),
        )
    else:
        present = None
        place = (torch.arange(B) // (B // len(library))).clamp_max(len(library) - 1)
    monkeypatch.setattr(mopoe, "choose", lambda weights, noise, stratified: code[place] - 1)
    agree(ours, adapted, noise, lambda drawn: drawn, present)


@incomplete
def test_mvtcae(noise, poe, incomplete):
    """Defaults differ: alpha 5/6 and beta 1 here, 0.1 and 2.5 there."""
    ours = make(mvtcae.MVTCAE, beta=2.0, weights=WEIGHTS, alpha=0.3)
    adapted = make(theirs.MVTCAE, beta=2.0, alpha=0.3, **RESCALED)
    agree(ours, adapted, noise, lambda drawn: drawn, some_present() if incomplete else None)


def test_without_poes_constant_the_difference_is_as_small(noise, monkeypatch):
    """Variances that are 1e-8 larger change losses by no more than 1e-6."""
    x, everyone = examples(B), torch.ones(len(NAMES), B)
    ours, adapted = make(mvtcae.MVTCAE), make(theirs.MVTCAE, alpha=5 / 6, beta=1.0)
    paired(ours, adapted)
    mine = -ours.objective(x, everyone, stream(0, "noise"))
    noise.replay(lambda drawn: drawn)
    found = adapted.vae(adapted.inputs(x)).loss
    assert found != mine
    torch.testing.assert_close(found, mine, rtol=1e-6, atol=0)


@incomplete
@pytest.mark.parametrize("estimator", ["iwae", "dreg"])
def test_mmvae(noise, estimator, incomplete):
    """The library sums over the batch where we average, and does not use its beta."""
    ours = make(mmvae.MMVAE, weights=WEIGHTS, samples=3, estimator=estimator)
    adapted = make(theirs.MMVAE, K=3, loss=f"{estimator}_looser", beta=7.0, **RESCALED)
    agree(ours, adapted, noise, each_modality, some_present() if incomplete else None, B)
    own = adapted.vae.pz_params  # (1, D) each
    torch.testing.assert_close(own[0], ours.prior(1).mean)
    torch.testing.assert_close(own[1], ours.prior(1).scale)


def each_modality(drawn):
    return drawn[0].unbind(1)  # ours (K, M, B, D) at once


@incomplete
@pytest.mark.parametrize("estimator", ["iwae", "dreg"])
def test_mmvae_plus(noise, monkeypatch, estimator, incomplete):
    """The library sums over the batch, and its prior's scale is 1 + 1e-6, ours 1."""
    ours = make(mmvae_plus.MMVAEPlus, private=P, beta=1.5, weights=WEIGHTS, samples=2,
                estimator=estimator)  # fmt: skip
    adapted = make(theirs.MMVAEPlus, modalities_specific_dim=P, beta=1.5, K=2,
                   loss=f"{estimator}_looser", **RESCALED)  # fmt: skip
    mean, scale = adapted.vae.pz_params
    torch.testing.assert_close(scale, torch.ones(1, D + P) + 1e-6, rtol=1e-12, atol=0)
    exactly = property(lambda self: (mean, torch.ones_like(scale)))
    monkeypatch.setattr(models.MMVAEPlus, "pz_params", exactly)

    def order(drawn):
        z, w, *borrowed = drawn  # (K, M, B, D), (K, M, B, P), M times (M, K, B, P)
        for m in range(len(NAMES)):
            yield z[:, m]
            yield w[:, m]
            yield from (b[m] for n, b in enumerate(borrowed) if n != m)

    agree(ours, adapted, noise, order, some_present() if incomplete else None, B)


class Wrapped(adapter.BaseEncoder):
    """A network of ours as the library calls it."""

    def __init__(self, network, latent):
        super().__init__()
        self.network, self.latent = network, latent

    def forward(self, x):
        y = self.network(x)
        return adapter.ModelOutput(
            embedding=y[:, : self.latent], log_covariance=y[:, self.latent :], reconstruction=y
        )


class WrappedDecoder(Wrapped, adapter.BaseDecoder):
    pass


def test_nexus(noise):
    """The top's error is a squared one here and a Gaussian's -log p there.

    That is γ/2 and a constant more. Messages are not dropped: each side draws whose in its way.
    """
    gamma = {"image": 0.5, "curve": 2.0, "text": 1.0, "marks": 1.5}
    ours = make(nexus.NEXUS, bottom=P, beta=1.3, weights=WEIGHTS, bottom_beta=0.7, gamma=gamma,
                message=6, hidden=8, drop=0.0)  # fmt: skip
    config = models.NexusConfig(
        n_modalities=4, latent_dim=D, modalities_specific_dim=dict.fromkeys(NAMES, P),
        decoders_dist={m: p.distribution for m, p in LIKELIHOODS.items()},
        decoder_dist_params={m: {"scale": LIKELIHOODS[m].scale} for m in ("image", "curve")},
        bottom_betas=dict.fromkeys(NAMES, 0.7), top_beta=1.3, warmup=1,
        gammas={m: 2 * g for m, g in gamma.items()}, **RESCALED,
    )  # fmt: skip
    copy = deepcopy(ours)
    library = models.Nexus(
        config,
        encoders={m: Wrapped(e, P) for m, e in copy.encoders.items()},
        decoders={m: WrappedDecoder(e, 0) for m, e in copy.decoders.items()},
        top_encoders={m: Wrapped(e, 6) for m, e in copy.messages.items()},
        joint_encoder=Wrapped(copy.top_encoder, D),
        top_decoders={m: WrappedDecoder(e, 0) for m, e in copy.top_decoders.items()},
    )
    x = examples(B)
    one_hot = {**x, "text": OneHot()(x["text"])}
    library.encoders["text"].network[0] = nn.Identity()
    mine = -ours.objective(x, torch.ones(4, B), stream(0, "noise"))
    noise.replay(lambda drawn: drawn)
    found = library(adapter.MultimodalBaseDataset(one_hot), epoch=1).loss
    constant = sum(gamma.values()) * P * math.log(2 * math.pi)
    torch.testing.assert_close(found, mine + constant, rtol=1e-10, atol=1e-9)
    mine.backward()
    found.backward()
    for (name, p), q in zip(ours.named_parameters(), copy.parameters(), strict=True):
        torch.testing.assert_close(q.grad, p.grad, rtol=1e-8, atol=1e-9, msg=name)


MIXTURES = {"MMVAE": mmvae, "MMVAEPlus": mmvae_plus}


@pytest.mark.parametrize("name", ["MVAE", "MoPoE", "MVTCAE", "MMVAE", "MMVAEPlus"])
def test_posteriors_and_samples_of_every_subset(noise, poe, monkeypatch, name):
    """Means and deviations, and with equal noise what is decoded.

    A mixture's expert is drawn for each example here, for all at once there; here the last given.
    What is not given has a private latent of scale 1 + 1e-6 there.
    """
    ours_too = {"MVAE": mvae.MVAE, "MoPoE": mopoe.MoPoE, "MVTCAE": mvtcae.MVTCAE,
                "MMVAE": mmvae.MMVAE, "MMVAEPlus": mmvae_plus.MMVAEPlus}  # fmt: skip
    private = name == "MMVAEPlus"
    ours = make(ours_too[name], **({"private": P} if private else {}))
    adapted = make(getattr(theirs, name), **({"modalities_specific_dim": P} if private else {}))
    paired(ours, adapted)
    if name in MIXTURES:
        monkeypatch.setattr(MIXTURES[name], "choose",
                            lambda weights, noise: torch.full((B,), len(weights) - 1))  # fmt: skip
        monkeypatch.setattr(np.random, "choice", lambda names: names[-1])
    seen = []
    for kind in (torch.distributions.Normal, torch.distributions.Laplace):
        rsample = kind.rsample
        monkeypatch.setattr(kind, "rsample", spy(rsample, seen))
    x = examples(B)
    with torch.no_grad():
        for given in subsets(NAMES)[1:]:
            part = {m: x[m] for m in given}
            q = ours.posterior(part, stream(0, "noise"))
            wanted = ours.generate(part, NAMES, B, stream(0, "noise"))
            noise.replay(lambda drawn: drawn[0].split([D, *[P] * 4] if private else D, 1))
            found = adapted.generate(part, NAMES, B, stream(0, "noise"))
            assert noise.spent()
            q_theirs = torch.cat([d.loc for d in seen], 1), torch.cat([d.scale for d in seen], 1)
            deviation = q.scale if name in MIXTURES else (q.log_variance / 2).exp()
            close = {"rtol": 1e-5, "atol": 1e-5} if private else {"rtol": 1e-9, "atol": 1e-9}
            torch.testing.assert_close(q_theirs, (q.mean, deviation), **close)
            torch.testing.assert_close(found, wanted, **close)
            seen.clear()


def spy(rsample, seen):
    def spied(self, sample_shape=()):
        seen.append(self)
        return rsample(self, sample_shape)

    return spied


# The library's models under our interface.

EACH = dict.fromkeys(NAMES, 2)
SETTINGS = {
    "MVAE": {"k": 2},
    "MMVAE": {"K": 2},
    "MoPoE": {"modalities_specific_dim": EACH},
    "MVTCAE": {},
    "MMVAEPlus": {"modalities_specific_dim": 2, "K": 2},
    "CMVAE": {"modalities_specific_dim": 2, "K": 2, "number_of_clusters": 3},
    "DMVAE": {"modalities_specific_dim": EACH},
    "CRMVAE": {},
    "JMVAE": {},
    "JNF": {"warmup": 1},
    "TELBO": {"warmup": 1},
    "Nexus": {"modalities_specific_dim": EACH, "dropout_rate": 0.5},
    "MHVAE": {},
}
every_model = pytest.mark.parametrize("name", SETTINGS)
TRAINING = {"epochs": 2, "batch_size": 16, "learning_rate": 1e-3}


def modalities_of(name):
    return MODALITIES[::2] if name == "TELBO" else MODALITIES


def built(name, **more):
    torch.manual_seed(0)
    table = {"latent": 4, "training": TRAINING, **SETTINGS[name], **more}
    model = construct(getattr(theirs, name), table, name, modalities_of(name), ARCHITECTURES)
    if name == "JNF":  # a hundredth of its Monte Carlo steps
        sample = model.vae._sample_from_poe_subset
        model.vae._sample_from_poe_subset = lambda *a, **k: sample(*a, **{**k, "mcmc_steps": 1})
    return model


def fitted(name, folder, train=None, **more):
    model = built(name, **more)
    train = Split(examples(50)) if train is None else train
    model.fit(train, Trainer(folder, 0, torch.device("cpu"), Progress(None)))
    return model


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    kept = {}

    def get(name):
        if name not in kept:
            kept[name] = fitted(name, tmp_path_factory.mktemp(name))
        return kept[name]

    return get


def draw(model, given, targets, rows, seed=0):
    x = examples(30, seed=5)
    return model.generate({m: x[m][rows] for m in given}, targets, len(rows), stream(seed, "g"))


@every_model
def test_the_settings_are_the_librarys(name):
    kind = getattr(theirs, name)
    parameters = inspect.signature(kind).parameters
    assert not any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    config = {f.name for f in fields(getattr(models, f"{name}Config"))}
    assert set(parameters) == {"modalities", "architectures", "latent", "training"} | (
        config - set(adapter.OURS)
    )
    assert "http" in kind.paper
    with pytest.raises(ValueError, match="has no setting 'betta'"):
        built(name, betta=1.0)
    with pytest.raises(TypeError, match="betta"):
        kind(MODALITIES, ARCHITECTURES, latent=4, training=ONCE, betta=1.0, **SETTINGS[name])


@every_model
def test_any_subset_from_any_subset(trained, name):
    model, names = trained(name), [m.name for m in modalities_of(name)]
    for given in subsets(names):
        out = draw(model, given, names, torch.arange(3))
        for m in names:
            assert out[m].shape == examples(3)[m].shape
            assert out[m].isfinite().all()
        alone = draw(model, given, names[:1], torch.arange(1))
        assert list(alone) == names[:1] and len(alone[names[0]]) == 1


@every_model
def test_samples_are_the_streams_and_nobody_elses(trained, name):
    model = trained(name)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    for given in ((), ("text",)):
        rows = torch.arange(6)
        a, b, c = (draw(model, given, ["image"], rows, seed)["image"] for seed in (0, 0, 1))
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
    twice = stream(0, "g")
    x = {"text": examples(3)["text"]}
    a, b = (model.generate(x, ["image"], 3, twice)["image"] for _ in range(2))
    assert not torch.equal(a, b)


@every_model
def test_an_example_does_not_see_the_rest_of_its_batch(trained, name):
    model = trained(name)
    others = torch.tensor([7, 21, 3]), torch.tensor([29, 21, 11])
    a, b = (draw(model, ("text",), ["image", "text"], rows) for rows in others)
    torch.testing.assert_close(a["image"][1], b["image"][1])
    assert not torch.equal(a["image"][0], b["image"][0])


@every_model
def test_training_is_the_seeds_and_the_state_is_whole(trained, name, tmp_path):
    first, again = trained(name), fitted(name, tmp_path / "a")
    for key, value in first.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key
    start, other = built(name), built(name, latent=4)
    moved = [k for k, v in start.named_parameters() if not torch.equal(v, first.state_dict()[k])]
    assert any("encoders" in k for k in moved) and any("decoders" in k for k in moved)
    other.load_state_dict(first.state_dict())
    other.eval()
    a, b = (draw(m, ("image",), ["text", "image"], torch.arange(4)) for m in (first, other))
    assert all(torch.equal(a[m], b[m]) for m in a)


@every_model
def test_incomplete_examples(name, tmp_path):
    kind = getattr(theirs, name)
    if not kind.takes_incomplete:
        assert name in ("JMVAE", "JNF", "TELBO")
        return
    rows = torch.arange(50)
    lacking = {"curve": torch.where(rows % 3 == 0, -1, rows),
               "text": torch.where(rows % 4 == 1, -1, rows)}  # fmt: skip
    model = fitted(name, tmp_path, Split(examples(50), lacking))
    assert all(p.isfinite().all() for p in model.parameters())
    model.eval()
    out = draw(model, ("image",), NAMES, torch.arange(4))
    assert all(v.isfinite().all() for v in out.values())


@pytest.mark.parametrize("name", ["JNF", "TELBO"])
def test_two_stages(name, tmp_path):
    """The second leaves joint encoder and decoders as they are, and they are first the only."""
    model = fitted(name, tmp_path)
    from safetensors.torch import load_file

    joint = load_file(tmp_path / "joint.safetensors")
    start = built(name).state_dict()
    for key, value in load_file(tmp_path / "unimodal.safetensors").items():
        first_stage = "joint_encoder" in key or "decoders" in key
        if first_stage or "encoders" in key or "flows" in key:
            same = torch.equal(value, joint[key])
            assert same == (first_stage or torch.equal(start[key], value)), key
            if not first_stage:
                assert torch.equal(joint[key], start[key]), key
    assert model.step == 2 * 3
    with pytest.raises(ValueError, match="warmup is 2, expected at least 1 and fewer than the 2"):
        fitted(name, tmp_path / "b", warmup=2)


def test_what_cannot_condition_on_any_subset_is_refused():
    with pytest.raises(ValueError, match="TELBO conditions on one modality or on all"):
        construct(
            theirs.TELBO, {"latent": 4, "training": TRAINING}, "x", MODALITIES, ARCHITECTURES
        )
    with pytest.raises(ValueError, match="CVAE generates one modality given a fixed set"):
        construct(theirs.CVAE, {"latent": 4, "training": TRAINING}, "x", MODALITIES, ARCHITECTURES)


def test_wrong_settings_are_told():
    factors = {"uses_likelihood_rescaling": True}
    for wrong, sentence in (
        ({"rescale_factors": {**WEIGHTS, "imge": 1.0}}, "names a modality 'imge'.*'image'"),
        ({"rescale_factors": {"image": 1.0}}, "has nothing for modality 'curve'"),
        ({"latent": 0}, "latent is 0, expected at least 1"),
    ):
        with pytest.raises(ValueError, match=sentence):
            built("MVAE", **factors, **wrong)
    with pytest.raises(ValueError, match="lacks the setting 'modalities_specific_dim'"):
        table = {"latent": 4, "training": TRAINING}
        construct(theirs.CMVAE, table, "x", MODALITIES, ARCHITECTURES)
    with pytest.raises(ValueError, match="no modality 'txt'; did you mean 'text'"):
        built("MVAE").generate({}, ["txt"], 1, stream(0, "g"))


def test_mhvaes_prior_goes_through_the_hierarchy():
    model = built("MHVAE")
    for p in model.vae.prior_blocks[0].parameters():
        nn.init.zeros_(p)
    model.vae.prior_blocks[0].network[-1].bias.data[:4] = 5.0
    model.vae.prior_blocks[0].network[-1].bias.data[4:] = -20.0
    with torch.no_grad():
        torch.testing.assert_close(model.prior(7).z, torch.full((7, 4), 5.0), atol=1e-2, rtol=0)


def test_without_the_library_a_sentence_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "multivae", None)
    monkeypatch.delitem(sys.modules, "mmbench.baselines.multivae_adapter")
    monkeypatch.delitem(sys.modules, "mmbench.baselines.multivae")
    with pytest.raises(ImportError, match=r"pip install 'mmbench\[multivae\]'"):
        importlib.import_module("mmbench.baselines.multivae")
