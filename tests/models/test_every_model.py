"""What holds for every registered model."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from mmbench.core.data import Split, subsets
from mmbench.progress import Progress
from mmbench.protocols.protocol import load, override
from mmbench.registry import find, names
from mmbench.runs.run import Run
from mmbench.seeds import stream
from mmbench.training.weights import load_weights, save_weights

EPOCH = "models.{}.training.epochs=1"
DIFFUSION = [
    "models.{}.width=32",
    "models.{}.groups=4",
    "models.{}.time_embedding=16",
    "models.{}.latent=4",
    "models.{}.autoencoder.epochs=1",
    "models.{}.score.epochs=2",
    "models.{}.score.batch_size=50",
    "evaluation.sampler={{name='ancestral', steps=3}}",
]
DECODERS = [
    "models.{}.unet.channels=[8, 16]",
    "models.{}.sampler.steps=3",
    "models.{}.latent=4",
    "models.{}.width=32",
    "models.{}.score.epochs=2",
    "models.{}.score.batch_size=50",
]
SCORE = [
    "models.{}.latent=4",
    "models.{}.channels=[16, 16]",
    "models.{}.vae.epochs=1",
    "models.{}.score.epochs=2",
    "models.{}.score.batch_size=50",
    "models.{}.score.learning_rate=0.01",
    "models.{}.score.ema=0.0",
    "models.{}.sampler.steps=3",
]
QUICK = {
    **{m: [x.format(m) for x in DIFFUSION] for m in ("mld", "mld-inpaint", "mld-uni", "mld-star")},
    **{m: [x.format(m) for x in (EPOCH, *DECODERS)] for m in ("diff-mvae", "diff-mvae-star")},
    "sbm-vae": [x.format("sbm-vae") for x in SCORE],
    "sbm-vae-c": [
        *(x.format("sbm-vae-c") for x in SCORE),
        "models.sbm-vae-c.guidance.width=16",
        "models.sbm-vae-c.guidance.training.epochs=1",
    ],
    "mopoe-star": [EPOCH.format("mopoe-star")],
    "nexus": [EPOCH.format("nexus"), "models.nexus.message=16", "models.nexus.hidden=16"],
    **{
        m: [EPOCH.format(m)]
        for m in ("mvae", "mmvae-elbo", "mopoe", "mvtcae", "mmvae", "mmvae-plus")
    },
}

# tests/baselines/multivae/test_models.py: the others; test_supervised.py: what predicts only some.
OURS = [m for m in names("models") if ":" not in m and m != "supervised"]

pytestmark = pytest.mark.parametrize("name", OURS)


@pytest.fixture(scope="module")
def made(toy, tmp_path_factory):
    """Name -> run and model, trained for a moment."""
    runs = {}

    def make(name):
        if name not in runs:
            out = tmp_path_factory.mktemp(name)
            run = Run(
                name,
                toy,
                0,
                override(load(toy.name), QUICK[name]),
                out,
                torch.device("cpu"),
                out / "cache",
                Progress(None),
                {},
            )
            runs[name] = run, run.trained()
        return runs[name]

    return make


def draw(model, toy, given, targets, rows, seed=0):
    x = toy.test.batch(rows, given) if given else {}
    return model.generate(x, targets, len(rows), stream(seed, "test"))


def test_any_subset_from_any_subset(made, toy, name):
    _, model = made(name)
    everything = [m.name for m in toy.modalities]
    for given, targets in product(subsets(everything), subsets(everything)[1:]):
        out = draw(model, toy, given, targets, torch.arange(3))
        assert set(out) == set(targets)
        for m in targets:
            assert out[m].shape == (3, *toy.modality(m).shape)
            assert out[m].isfinite().all()
            assert 0 <= out[m].min() <= out[m].max() <= 1


def test_one_example_at_a_time(made, toy, name):
    _, model = made(name)
    assert draw(model, toy, ("image",), ["sound"], torch.arange(1))["sound"].shape[0] == 1


def test_same_stream_same_samples(made, toy, name):
    _, model = made(name)
    rows = torch.arange(4)
    a, b, c = (draw(model, toy, ("sound",), ["image"], rows, seed)["image"] for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_an_example_does_not_see_the_rest_of_its_batch(made, toy, name):
    """With equal noise at its place, a sample does not depend on the other rows."""
    _, model = made(name)
    others = torch.tensor([7, 21, 3]), torch.tensor([30, 21, 11])
    a, b = (draw(model, toy, ("image",), ["image", "sound"], rows) for rows in others)
    for m in a:
        torch.testing.assert_close(a[m][1], b[m][1], atol=1e-5, rtol=0)
        assert not torch.equal(a[m][0], b[m][0])


def test_generation_leaves_the_model_and_the_inputs_alone(made, toy, name):
    _, model = made(name)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    x = toy.test.batch(torch.arange(4), ["image"])
    kept = x["image"].clone()
    model.generate(x, ["image", "sound"], 4, stream(0, "test"))
    assert torch.equal(x["image"], kept)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_unknown_modality_is_told(made, toy, name):
    _, model = made(name)
    with pytest.raises(ValueError, match="no modality 'sond'; did you mean 'sound'"):
        model.generate({}, ["sond"], 1, stream(0, "test"))


def test_weights_round_trip(made, toy, name, tmp_path):
    run, model = made(name)
    save_weights(tmp_path / "w.safetensors", model)
    again = run.build()
    load_weights(tmp_path / "w.safetensors", again)
    again.eval()
    rows = torch.arange(3)
    for given in ((), ("sound",)):
        a, b = (draw(m, toy, given, ["image"], rows)["image"] for m in (model, again))
        assert torch.equal(a, b)


def test_it_counts_its_evaluations(made, toy, name):
    assert made(name)[1].evaluations >= 1


def test_incomplete_examples_are_learnt_from_or_refused(toy, name, tmp_path):
    rows = torch.arange(len(toy.train))
    rows[1::2] = -1
    train = Split(toy.train.tensors, {"sound": rows}, toy.train.labels)
    run = Run(
        name,
        replace(toy, train=train),
        0,
        override(load(toy.name), QUICK[name]),
        tmp_path,
        torch.device("cpu"),
        tmp_path / "cache",
        Progress(None),
        {},
    )
    if not find("models", name).takes_incomplete:
        with pytest.raises(ValueError, match=f"{name} cannot train on incomplete examples"):
            run.build()
        return
    run.folder.mkdir(parents=True)
    sound = draw(run.trained(), toy, ("image",), ["sound"], torch.arange(4))["sound"]
    assert sound.isfinite().all()


def test_what_is_embedded_generates_the_same(made, toy, name):
    """So that each modality can be encoded once for all subsets."""
    _, model = made(name)
    rows = torch.arange(5)
    x = toy.test.batch(rows, ["image", "sound"])
    a = model.generate(x, ["trajectory", "image"], 5, stream(0, "test"))
    b = model.generate(model.embed(x), ["trajectory", "image"], 5, stream(0, "test"))
    assert all(torch.equal(a[m], b[m]) for m in a)
