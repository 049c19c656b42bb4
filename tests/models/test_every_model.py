"""What holds for every registered model."""

from dataclasses import replace

import pytest
import torch

from mmbench.core.data import Split
from mmbench.progress import Progress
from mmbench.protocols.protocol import load, override
from mmbench.registry import find, names
from mmbench.runs.run import Run
from mmbench.seeds import stream
from mmbench.testing.checks import CHECKS
from mmbench.testing.subject import Subject

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
    """Name -> a model trained for a moment, with what the checks need."""
    subjects = {}

    def make(name):
        if name not in subjects:
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
            subjects[name] = Subject(run.trained(), toy, run.build)
        return subjects[name]

    return make


def draw(model, toy, given, targets, rows, seed=0):
    x = toy.test.batch(rows, given) if given else {}
    return model.generate(x, targets, len(rows), stream(seed, "test"))


@pytest.mark.parametrize("check", CHECKS)
def test_what_every_model_must_do(made, name, check):
    assert list(CHECKS[check](made(name))) == []


def test_samples_vary_and_depend_on_what_is_given(made, toy, name):
    model, rows, others = made(name).model, torch.arange(4), torch.tensor([7, 21, 3, 30])
    a, b = (draw(model, toy, ("sound",), ["image"], rows, seed)["image"] for seed in (0, 1))
    c = draw(model, toy, ("sound",), ["image"], others)["image"]
    assert not torch.equal(a, b) and not torch.equal(a, c)


def test_unknown_modality_is_told(made, name):
    with pytest.raises(ValueError, match="no modality 'sond'; did you mean 'sound'"):
        made(name).model.generate({}, ["sond"], 1, stream(0, "test"))


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
