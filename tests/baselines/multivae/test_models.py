"""The library MultiVae's models under our interface."""

import importlib
import inspect
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import nn

from mmbench.core.data import Split, subsets
from mmbench.models.networks import generic
from mmbench.progress import Progress
from mmbench.protocols.arguments import construct
from mmbench.protocols.protocol import load, override
from mmbench.runs.run import Run
from mmbench.seeds import stream
from mmbench.training.trainer import Optimisation, Trainer

models = pytest.importorskip(
    "multivae.models", reason="needs the library MultiVae: pip install 'mmbench[multivae]'"
)
theirs = importlib.import_module("mmbench.baselines.multivae.models")
adapter = importlib.import_module("mmbench.baselines.multivae.adapter")

NAMES = ["image", "curve", "text", "marks"]
WEIGHTS = {"image": 2.0, "curve": 1.0, "text": 0.5, "marks": 3.0}
ONCE = Optimisation(epochs=2, batch_size=16, learning_rate=1e-3)
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


def modalities_of(name, four):
    return four.modalities[::2] if name == "TELBO" else four.modalities


@pytest.fixture(scope="session")
def built(four):
    def built(name, parts=None, **more):
        torch.manual_seed(0)
        table = {"latent": 4, "training": TRAINING, **SETTINGS[name], **more}
        parts = four.architectures if parts is None else parts
        model = construct(getattr(theirs, name), table, name, modalities_of(name, four), parts)
        if name == "JNF":  # a hundredth of its Monte Carlo steps
            sample = model.vae._sample_from_poe_subset
            model.vae._sample_from_poe_subset = lambda *a, **k: sample(
                *a, **{**k, "mcmc_steps": 1}
            )
        return model

    return built


@pytest.fixture(scope="session")
def fitted(four, built):
    def fitted(name, folder, train=None, **more):
        model = built(name, **more)
        train = Split(four.examples(50)) if train is None else train
        model.fit(train, Trainer(folder, 0, torch.device("cpu"), Progress(None)))
        return model

    return fitted


@pytest.fixture(scope="session")
def trained(fitted, tmp_path_factory):
    kept = {}

    def get(name):
        if name not in kept:
            kept[name] = fitted(name, tmp_path_factory.mktemp(name))
        return kept[name]

    return get


@pytest.fixture(scope="session")
def draw(four):
    def draw(model, given, targets, rows, seed=0):
        x = {m: v[rows] for m, v in four.examples(30, seed=5).items() if m in given}
        return model.generate(x, targets, len(rows), stream(seed, "g"))

    return draw


@every_model
def test_the_settings_are_the_librarys(four, built, name):
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
        kind(
            four.modalities,
            four.architectures,
            latent=4,
            training=ONCE,
            betta=1.0,
            **SETTINGS[name],
        )


@every_model
def test_any_subset_from_any_subset(four, draw, trained, name):
    model, names = trained(name), [m.name for m in modalities_of(name, four)]
    for given in subsets(names):
        out = draw(model, given, names, torch.arange(3))
        for m in names:
            assert out[m].shape == four.examples(3)[m].shape
            assert out[m].isfinite().all()
        alone = draw(model, given, names[:1], torch.arange(1))
        assert list(alone) == names[:1] and len(alone[names[0]]) == 1


@every_model
def test_samples_are_the_streams_and_nobody_elses(four, draw, trained, name):
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
    x = {"text": four.examples(3)["text"]}
    a, b = (model.generate(x, ["image"], 3, twice)["image"] for _ in range(2))
    assert not torch.equal(a, b)


@every_model
def test_an_example_does_not_see_the_rest_of_its_batch(draw, trained, name):
    model = trained(name)
    others = torch.tensor([7, 21, 3]), torch.tensor([29, 21, 11])
    a, b = (draw(model, ("text",), ["image", "text"], rows) for rows in others)
    torch.testing.assert_close(a["image"][1], b["image"][1])
    assert not torch.equal(a["image"][0], b["image"][0])


@every_model
def test_training_is_the_seeds_and_the_state_is_whole(
    built, fitted, draw, trained, name, tmp_path
):
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
def test_incomplete_examples(four, fitted, draw, name, tmp_path):
    kind = getattr(theirs, name)
    if not kind.takes_incomplete:
        assert name in ("JMVAE", "JNF", "TELBO")
        return
    rows = torch.arange(50)
    lacking = {
        "curve": torch.where(rows % 3 == 0, -1, rows),
        "text": torch.where(rows % 4 == 1, -1, rows),
    }
    model = fitted(name, tmp_path, Split(four.examples(50), lacking))
    assert all(p.isfinite().all() for p in model.parameters())
    model.eval()
    out = draw(model, ("image",), NAMES, torch.arange(4))
    assert all(v.isfinite().all() for v in out.values())


@pytest.mark.parametrize("name", ["JNF", "TELBO"])
def test_two_stages(built, fitted, name, tmp_path):
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


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("TELBO", "TELBO conditions on one modality or on all"),
        ("CVAE", "CVAE generates one modality given a fixed set"),
    ],
)
def test_what_cannot_condition_on_any_subset_is_refused(four, name, words):
    table = {"latent": 4, "training": TRAINING}
    with pytest.raises(ValueError, match=words):
        construct(getattr(theirs, name), table, "x", four.modalities, four.architectures)


def test_wrong_settings_are_told(four, built):
    factors = {"uses_likelihood_rescaling": True}
    for wrong, sentence in (
        ({"rescale_factors": {**WEIGHTS, "imge": 1.0}}, "names a modality 'imge'.*'image'"),
        ({"rescale_factors": {"image": 1.0}}, "rescale_factors lacks 'curve'"),
        ({"latent": 0}, "latent is 0, expected at least 1"),
    ):
        with pytest.raises(ValueError, match=sentence):
            built("MVAE", **factors, **wrong)
    with pytest.raises(ValueError, match="lacks the setting 'modalities_specific_dim'"):
        table = {"latent": 4, "training": TRAINING}
        construct(theirs.CMVAE, table, "x", four.modalities, four.architectures)
    with pytest.raises(ValueError, match="no modality 'txt'; did you mean 'text'"):
        built("MVAE").generate({}, ["txt"], 1, stream(0, "g"))


def test_a_number_stands_for_itself_in_every_modalitys_place(built):
    model = built("Nexus", modalities_specific_dim=3, gammas=0.5)
    assert model.private == dict.fromkeys(NAMES, 3)
    assert model.vae.gammas == dict.fromkeys(NAMES, 0.5)
    assert model.vae.bottom_betas == dict.fromkeys(NAMES, 1.0)  # none given: the library's


def test_mhvaes_prior_goes_through_the_hierarchy(built):
    model = built("MHVAE")
    for p in model.vae.prior_blocks[0].parameters():
        nn.init.zeros_(p)
    model.vae.prior_blocks[0].network[-1].bias.data[:4] = 5.0
    model.vae.prior_blocks[0].network[-1].bias.data[4:] = -20.0
    with torch.no_grad():
        torch.testing.assert_close(model.prior(7).z, torch.full((7, 4), 5.0), atol=1e-2, rtol=0)


def test_without_the_library_a_sentence_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "multivae", None)
    monkeypatch.delitem(sys.modules, "mmbench.baselines.multivae.adapter")
    monkeypatch.delitem(sys.modules, "mmbench.baselines.multivae.models")
    with pytest.raises(ImportError, match=r"pip install 'mmbench\[multivae\]'"):
        importlib.import_module("mmbench.baselines.multivae.models")


@pytest.mark.parametrize("name", [m for m in load("mhd-mini")["models"] if ":" in m])
def test_a_protocols_table_trains_and_generates(toy, tmp_path, name):
    """At half precision, as the twins do."""
    quick = [f"models.{name}.training.epochs={2 if name.endswith('jnf') else 1}"]
    if name.endswith("jnf"):
        quick.append(f"models.{name}.warmup=1")
    run = Run(
        name,
        toy,
        0,
        override(load("mhd-mini"), quick),
        tmp_path,
        torch.device("cpu"),
        tmp_path / "cache",
        Progress(None),
        {},
    )
    model, names = run.trained(), [m.name for m in toy.modalities]
    assert all(p.isfinite().all() for p in model.parameters())
    for given in ((), ("sound",), tuple(names)):
        x = toy.test.batch(torch.arange(3), given)
        out = model.generate(x, names, 3, stream(0, "g"))
        assert all(v.isfinite().all() and v.min() >= 0 and v.max() <= 1 for v in out.values())


def test_texts_that_are_drawn_in_turn_are_refused_at_once(four, built):
    own = replace(four.architectures["text"], networks=generic.sentence, name="generic/sentence")
    with pytest.raises(ValueError, match="generic/sentence writes 'text' token by token"):
        built("MoPoE", four.architectures | {"text": own})
