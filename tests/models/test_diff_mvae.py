"""Diff-MVAE: its objective, its auxiliary model, and generation."""

import re
import sys
from itertools import product

import pytest
import torch
from torch import nn

from mmbench.architecture import Architecture
from mmbench.baselines.mopoe import MoPoE
from mmbench.core.data import Modality, Split, subsets
from mmbench.core.likelihood import Likelihood
from mmbench.models import diff_mvae
from mmbench.models.diff_mvae import DiffMVAE, DiffMVAEStar
from mmbench.models.networks import generic
from mmbench.models.parts.auxiliary import AuxiliaryScore
from mmbench.models.parts.diffusion_decoder import UNet
from mmbench.progress import Progress
from mmbench.seeds import stream
from mmbench.training.trainer import Optimisation, Trainer

MODALITIES = (
    Modality("image", "image", (3, 8, 8)),
    Modality("mask", "mask", (1, 6, 5)),
    Modality("marks", "attributes", (3,), ("a", "b", "c")),
)
LIKELIHOODS = (Likelihood("laplace", 0.75), Likelihood("bernoulli"), Likelihood("bernoulli"))
NETWORKS = (generic.picture, generic.picture, generic.vector)
PARTS = {
    m.name: Architecture(m, n, p)
    for m, n, p in zip(MODALITIES, NETWORKS, LIKELIHOODS, strict=True)
}
NAMES = [m.name for m in MODALITIES]
HOW = Optimisation(epochs=2, batch_size=16, learning_rate=1e-3)


def make(kind=DiffMVAE, **settings):
    settings = {
        "latent": 4,
        "training": HOW,
        "diffusion": ["<image>"],
        "unet": UNet([8, 16], 1, groups=4),
        "sampler": {"name": "ddim", "steps": 3},
        "score": HOW,
        "width": 16,
        "blocks": 1,
        "time_embedding": 8,
        "groups": 4,
        "steps": 3,
        **settings,
    }
    torch.manual_seed(0)
    return kind(MODALITIES, PARTS, **settings)


def examples(n, seed=0):
    g = stream(seed, "examples")
    return {
        "image": torch.rand(n, 3, 8, 8, generator=g),
        "mask": torch.randint(2, (n, 1, 6, 5), generator=g).float(),
        "marks": torch.randint(2, (n, 3), generator=g).float(),
    }


def trainer(folder, seconds=30.0):
    return Trainer(folder, 0, torch.device("cpu"), Progress(None), seconds)


# The objective


def test_without_diffusion_decoders_it_would_be_mopoe(monkeypatch):
    monkeypatch.setattr(diff_mvae, "_fitting", lambda *_: [])
    x, present = examples(20), torch.ones(3, 20)
    present[1, ::3] = 0
    settings = {"latent": 4, "training": HOW, "beta": 0.3, "weights": {"mask": 2.0}}
    torch.manual_seed(0)
    mopoe = MoPoE(MODALITIES, PARTS, **settings)
    ours = make(**settings)
    a, b = (model.objective(x, present, stream(0, "z")) for model in (mopoe, ours))
    assert torch.equal(a, b)
    a.backward()
    b.backward()
    gradients = {n: p.grad for n, p in ours.named_parameters()}
    assert all(torch.equal(p.grad, gradients[n]) for n, p in mopoe.named_parameters())


def test_the_objective_sums_likelihoods_bounds_and_divergence(monkeypatch):
    """With each term in its weight, for those who have the modality."""
    weights = {"image": 0.5, "mask": 2.0}
    model = make(diffusion=["image", "mask"], beta=0.3, weights=weights).eval()
    x, present = examples(20), torch.ones(3, 20)
    present[0, :7] = 0
    z, kl = model.drawn(x, present, stream(0, "z"))
    monkeypatch.setattr(model, "drawn", lambda *_: (z, kl))
    noise = stream(0, "noise")
    total = -0.3 * kl + PARTS["marks"].log_prob(model.decoders["marks"], z, x["marks"])
    for i, m in enumerate(("image", "mask")):
        bound = model.decoders[m].log_prob(z, x[m], noise)
        total = total + weights[m] * present[i] * bound
    found = model.objective(x, present, stream(0, "noise"))
    torch.testing.assert_close(found, total.mean())


def coloured(n):
    """Pictures of one colour, which the marks tell."""
    x = examples(n)
    return x | {"image": x["marks"][:, :, None, None].expand(-1, -1, 8, 8).clone()}


@pytest.mark.parametrize("kind", [DiffMVAE, DiffMVAEStar])
def test_training_lowers_the_loss_and_reaches_every_network(tmp_path, kind):
    x = coloured(64)
    model = make(kind, training=Optimisation(10, 16, 3e-3), beta=0.01)
    present = torch.ones(3, 64)
    loss = lambda: model.eval().objective(x, present, stream(1, "loss")).item()
    before, parameters = loss(), [p.detach().clone() for p in model.parameters()]
    model.fit(Split(x), trainer(tmp_path))
    assert loss() > before
    moved = [not torch.equal(a, b) for a, b in zip(parameters, model.parameters(), strict=True)]
    assert all(moved)
    z = model.posterior(x, stream(0, "z")).mean
    right, wrong = (
        model.decoders["image"].log_prob(c, x["image"], stream(1, "t")).mean()
        for c in (z, z.roll(1, 0))
    )
    assert right > wrong  # the diffusion reads z


@pytest.mark.parametrize(("channels", "told"), [(8, True), (12, False)])
def test_a_u_net_narrower_than_a_patch_is_doubted(channels, told):
    said = "\n".join(make(unet=UNet([channels, 16], 1, groups=4, patch=2)).doubts())
    assert ("begins with 8 is narrower than a patch of image, 12 numbers" in said) == told
    assert "patch of mask" not in said


def test_what_is_drawn_follows_what_is_given(tmp_path):
    x, sampler = coloured(64), {"name": "ddim", "steps": 10, "grid": "quadratic"}
    model = make(DiffMVAEStar, training=Optimisation(40, 16, 3e-3), beta=0.01, sampler=sampler)
    model.fit(Split(x), trainer(tmp_path))
    drawn = model.generate({"marks": x["marks"]}, ["image"], 64, stream(0, "z"))["image"]
    right = (drawn.mean((2, 3)) > 0.5) == (x["marks"] > 0.5)
    assert right.float().mean() > 0.9


def test_an_interrupted_training_ends_in_the_same_bits(tmp_path):
    class Interrupted(Exception):
        pass

    split = Split(examples(64))
    whole = make(training=Optimisation(4, 16, 1e-3, ema=0.9))
    whole.fit(split, trainer(tmp_path / "whole"))
    model = make(training=Optimisation(4, 16, 1e-3, ema=0.9))
    original, calls = model.objective, []

    def objective(*given):
        calls.append(1)
        if len(calls) == 9:
            raise Interrupted
        return original(*given)

    model.objective = objective
    with pytest.raises(Interrupted):
        model.fit(split, trainer(tmp_path / "cut", seconds=0.0))
    again = make(training=Optimisation(4, 16, 1e-3, ema=0.9))
    again.fit(split, trainer(tmp_path / "cut", seconds=0.0))
    for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("settings", "shares"),
    [
        ({"auxiliary": False}, True),
        ({"sampler": {"name": "ddim", "steps": 2}}, True),
        ({"beta": 0.5}, False),
        ({"weights": {"mask": 2.0}}, False),
        ({"kind": DiffMVAEStar}, False),
    ],
)
def test_what_counts_only_in_generation_trains_nothing(tmp_path, settings, shares):
    shared, split = tmp_path / "shared", Split(examples(32))
    models = make(), make(**settings)
    for name, model in zip("ab", models, strict=True):
        with_ = Trainer(tmp_path / name, 0, torch.device("cpu"), Progress(None), shared=shared)
        model.fit(split, with_)
    assert len(list(shared.glob("vae-*.safetensors"))) == (1 if shares else 2)
    first, second = (model.decoders["mask"].state_dict() for model in models)
    assert all(torch.equal(v, second[k]) for k, v in first.items()) == shares


# The auxiliary score model


def two_clusters(n, seed=0):
    """An aggregate posterior that is nowhere where the prior is."""
    g = stream(seed, "clusters")
    side = torch.where(torch.rand(n, 1, generator=g) < 0.5, 1.0, -1.0)
    return torch.tensor([3.0, 1.0]) * side + 0.2 * torch.randn(n, 2, generator=g)


def distance(a, b):
    """The energy distance of two samples, 0 if and only if they are alike."""
    return (
        2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()
    ).item()


def test_the_auxiliary_model_draws_from_the_aggregate_posterior(tmp_path):
    z = two_clusters(2000)
    torch.manual_seed(0)
    model = AuxiliaryScore(2, 64, 1, 32, 8, steps=25)
    model.mean.copy_(z.mean(0))
    model.std.copy_(z.std(0))
    loss = lambda rows, noise: model.loss(z[rows], noise)
    how = Optimisation(20, 250, 0.01, schedule="cosine")
    trainer(tmp_path).minimise("score", model, loss, 2000, how)
    fresh, prior = two_clusters(1000, 1), torch.randn(1000, 2, generator=stream(0, "prior"))
    drawn = model.sample(1000, stream(0, "draw"))
    assert distance(drawn, fresh) < 0.03 * distance(prior, fresh)


def test_untrained_it_draws_from_the_normal_distribution_of_the_same_moments():
    model = AuxiliaryScore(2, 16, 1, 8, 4, steps=50)
    model.mean.copy_(torch.tensor([3.0, -1.0]))
    model.std.copy_(torch.tensor([0.5, 2.0]))
    z = model.sample(4000, stream(0, "draw"))
    torch.testing.assert_close(z.mean(0), model.mean, atol=0.1, rtol=0)
    torch.testing.assert_close(z.std(0), model.std, atol=0, rtol=0.06)


def test_joint_generation_draws_z_from_it_unless_it_is_off():
    on, off = make().eval(), make(auxiliary=False).eval()
    assert [n for n, _ in on.named_parameters()] == [n for n, _ in off.named_parameters()]
    z = on.encode({}, 5, stream(0, "z"))
    assert torch.equal(z, on.score_model.sample(5, stream(0, "z")))
    prior = off.encode({}, 5, stream(0, "z"))
    assert torch.equal(prior, torch.randn(5, 4, generator=stream(0, "z")))
    x = {"marks": examples(5)["marks"]}
    assert torch.equal(*(m.encode(x, 5, stream(0, "z")) for m in (on, off)))  # given, no part


def test_it_is_standardised_by_the_moments_of_posterior_samples(tmp_path):
    model = make(score=Optimisation(0, 16, 1e-3))
    split = Split(examples(64))
    model.fit(split, trainer(tmp_path))
    x = {m: v.repeat_interleave(500, 0) for m, v in split.batch(torch.arange(64)).items()}
    z = model.posterior(x, stream(0, "z")).sample(stream(0, "z"))
    torch.testing.assert_close(model.score_model.mean, z.mean(0), atol=0.02, rtol=0)
    torch.testing.assert_close(model.score_model.std, z.std(0), atol=0.02, rtol=0)


# Generation


@pytest.mark.parametrize("sampler", [{"name": "ddim", "steps": 3}, {"name": "euler", "steps": 4}])
def test_any_subset_from_any_subset(sampler):
    model, x = make(diffusion=["image", "m?sk"], sampler=sampler).eval(), examples(3)
    for given, targets in product(subsets(NAMES), subsets(NAMES)[1:]):
        out = model.generate({m: x[m] for m in given}, targets, 3, stream(0, "z"))
        assert list(out) == list(targets)
        for m in targets:
            assert out[m].shape == x[m].shape
            assert 0 <= out[m].min() <= out[m].max() <= 1
    assert model.evaluations == 2 * sampler["steps"]


@pytest.mark.parametrize("sampler", [{"name": "ddim", "steps": 3}, {"name": "euler", "steps": 4}])
def test_how_many_are_computed_together_changes_nothing(monkeypatch, sampler):
    model, x = make(diffusion=["<image>", "<mask>"], sampler=sampler).eval(), examples(9)
    given = {"marks": x["marks"]}
    whole = model.generate(given, NAMES, 9, stream(0, "z"))
    monkeypatch.setattr("mmbench.baselines.vae.CACHED", 400)
    assert model.diffused_together("image") == 2
    pieces = model.generate(given, NAMES, 9, stream(0, "z"))
    torch.testing.assert_close(pieces, whole, atol=1e-4, rtol=0)


def test_a_row_depends_on_its_own_noise_alone(monkeypatch):
    """Not on its place, its neighbours or their number: rows and their noise, shuffled or cut."""
    model, x = make().eval(), examples(8)
    noise = {(8, 4): torch.randn(8, 4), (8, 192): torch.randn(8, 192)}

    def draw(rows):
        def fixed(like, generator):
            return like.copy_(noise[8, like.shape[1]][rows])

        monkeypatch.setattr(torch.Tensor, "normal_", fixed)
        monkeypatch.setattr(torch, "randn", lambda shape, **_: noise[8, shape[1]][rows])
        given = {m: x[m][rows] for m in ("mask", "marks")}
        return model.generate(given, ["image", "marks"], len(rows), stream(0, "z"))

    whole = draw(torch.arange(8))
    for rows in (torch.tensor([5, 0, 7, 2, 1, 6, 4, 3]), torch.tensor([6]), torch.tensor([2, 2])):
        for m, v in draw(rows).items():
            torch.testing.assert_close(v, whole[m][rows], atol=1e-4, rtol=0)


def test_the_order_of_targets_is_nobodys_business():
    model, x = make(diffusion=["image", "mask"]).eval(), examples(4)
    given = {"marks": x["marks"]}
    a, b = (model.generate(given, t, 4, stream(0, "z")) for t in (NAMES, NAMES[::-1]))
    assert all(torch.equal(a[m], b[m]) for m in NAMES)
    for m in NAMES:  # nor what else is asked for
        assert torch.equal(model.generate(given, [m], 4, stream(0, "z"))[m], a[m])


def test_the_auxiliary_model_sees_the_posteriors_of_incomplete_examples():
    """The prior is an expert where an example has all modalities, as in what is generated."""
    model, x = make().eval(), examples(6)
    index = torch.tensor([0, -1, 2, -1, 4, 5])
    train = Split(dict(x), index={NAMES[-1]: index})
    q = model._posteriors(train)
    for i in range(6):
        has = [m for m in NAMES if m != NAMES[-1] or index[i] >= 0]
        alone = model.posterior({m: x[m][i : i + 1] for m in has}, stream(0, "z"))
        torch.testing.assert_close(q.mean[i], alone.mean[0])
        torch.testing.assert_close(q.log_variance[i], alone.log_variance[0])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_generation_has_the_precision_of_training(precision, half):
    model = make(training=Optimisation(1, 16, 1e-3, precision=precision)).eval()
    seen = []
    last = model.decoders["image"].network.unet.conv_out
    last.register_forward_hook(lambda *given: seen.append(given[-1].dtype))
    x = {"marks": examples(4)["marks"]}
    assert model.generate(x, ["image"], 4, stream(0, "z"))["image"].dtype == torch.float32
    assert seen == 3 * [getattr(torch, precision)]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_z_is_drawn_in_the_precision_of_its_training(precision, half):
    model = make(score=Optimisation(1, 16, 1e-3, precision=precision)).eval()
    nn.init.ones_(model.score_model.network.outward[-1].bias)
    seen = []
    model.score_model.network.register_forward_hook(lambda *a: seen.append(a[2].dtype))
    assert model.encode({}, 4, stream(0, "z")).dtype == torch.float32
    assert seen == 3 * [getattr(torch, precision)]


# Networks and settings


def test_u_nets_keep_their_order_of_weights():
    model = make()
    for mode in (True, False):
        weights = [p for p in model.train(mode).decoders["image"].parameters() if p.ndim == 4]
        assert all(p.is_contiguous(memory_format=torch.channels_last) for p in weights)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"diffusion": ["imag"]}, "diffusion names a modality 'imag'; did you mean 'image'"),
        ({"diffusion": ["<imag>"]}, "diffusion names a kind '<imag>'; did you mean '<image>'"),
        ({"diffusion": []}, r"diffusion is \[\], expected one or more of image, mask.*mopoe-star"),
        ({"diffusion": ["<sound>"]}, r"diffusion is \['<sound>'\], expected one or more of image"),
        (
            {"unet": UNet([8], groups=4, patch=9)},
            "unet.patch is 9, expected at most 8, the side of",
        ),
        ({"diffusion": ["marks"]}, "'marks' has kind attributes and shape"),
        ({"sampler": {"name": "dim"}}, "the sampler has the name 'dim'; did you mean 'ddim'"),
        ({"sampler": {"name": "ddim", "step": 3}}, "no setting 'step'; did you mean 'steps'"),
        ({"sampler": {"name": "ddim", "steps": 1}}, "steps is 1, expected at least 2"),
        ({"sampler": {"name": "ddim", "grid": "square"}}, "grid is 'square'"),
    ],
)
def test_wrong_settings_are_told(settings, told):
    with pytest.raises(ValueError, match=told):
        make(**settings)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"channels": []}, "channels is empty"),
        ({"channels": [8, 12]}, r"channels\[1\] is 12, .*positive multiple.* 8, .* 16$"),
        ({"channels": [-32, 64]}, r"channels\[0\] is -32, .*positive multiple.* 8, .* 8$"),
        ({"channels": [32], "groups": 5}, r"channels\[0\] is 32, .* 5, .* 30$"),
        ({"channels": [8], "layers": 0}, "layers is 0, expected at least 1"),
        ({"channels": [8], "patch": 0}, "patch is 0, expected at least 1"),
        ({"channels": [8], "dropout": 1.0}, "dropout is 1.0, expected from 0 to below 1"),
    ],
)
def test_impossible_networks_are_told(settings, told):
    with pytest.raises(ValueError, match=told):
        UNet(**{"groups": 8, **settings})


SIDES = [(side, patch) for side in (1, 5, 28, 32) for patch in (1, 2, 3, 4, 8)]


@pytest.mark.parametrize(("side", "patch"), SIDES)
def test_who_follows_what_is_told_of_a_u_net_has_one_that_fits(side, patch):
    """And the picture is more than half of what it is padded to."""

    def told(patch=patch, levels=1, attention=()):
        """The numbers that are expected; none where the size fits."""
        size, picture = (
            UNet([8] * levels, 1, attention, 8, patch=patch),
            Modality("x", "image", shape),
        )
        try:
            size.check([picture])
        except ValueError as error:
            return [int(n) for n in re.findall(r"\d+", str(error).partition("expected")[2])]
        assert size.sides(shape)[0] * patch < 2 * side
        return []

    shape = (3, side, side + 2)
    most = (told() or [patch])[0]
    assert most == min(patch, side) and not told(most)
    levels = told(most, 9)[0]
    assert not told(most, levels) and told(most, levels + 1)
    sides = told(most, levels, [-1])
    assert len(sides) == levels and not told(most, levels, sides)
    assert told(most, levels, [*sides, max(sides) + 1]) == sides


def test_each_side_that_attends_is_one_of_some_picture():
    size, pictures = (
        UNet([8, 8], attention=[16, 14], groups=8),
        [Modality(str(side), "image", (1, side, side)) for side in (32, 28)],
    )
    size.check(pictures)
    for one in pictures:
        with pytest.raises(ValueError, match=r"unet\.attention has 1[46], expected sides"):
            size.check([one])


def test_without_diffusers_the_extra_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ImportError, match=r"pip install 'mmbench\[diffusion\]'"):
        make()
