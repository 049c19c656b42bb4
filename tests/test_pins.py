"""What names things that lie on users' disks: hashes, keys, streams and identities, as literals.

Whoever changes one of these makes old records and weights unreachable, so a change is made on
purpose, with a version, and written down here: `python -m pytest -n 0 tests/test_pins.py --repin`.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from mmbench.architecture import architectures
from mmbench.core.data import Modality, Split
from mmbench.core.likelihood import Likelihood
from mmbench.datasets import celebamask_hq, mnist_svhn
from mmbench.datasets.mini import mhd, polymnist
from mmbench.metrics.extractors import classifiers
from mmbench.metrics.extractors.classifiers import LEAST_EXAMPLES, build, optimisation, recipe
from mmbench.metrics.extractors.judges import TRAINED
from mmbench.metrics.statistics.features import real_key
from mmbench.pretrained import registered
from mmbench.progress import Progress
from mmbench.protocols.protocol import digest, load
from mmbench.protocols.variants import variants
from mmbench.records.paths import Place
from mmbench.registry import find, names
from mmbench.runs.run import Run
from mmbench.seeds import derive
from mmbench.training.trainer import Optimisation, Trainer

PINS = Path(__file__).with_name("pins.json")


@pytest.fixture
def pinned(request):
    """Compares what is found under a name with what is pinned there, or pins it anew."""

    def compare(name, found):
        known = json.loads(PINS.read_text())
        if request.config.getoption("--repin"):
            PINS.write_text(json.dumps(known | {name: found}, indent=1, sort_keys=True) + "\n")
            return
        assert found == known.get(name)

    return compare


def test_hashes_of_the_shipped_protocols(pinned):
    found = {
        ", ".join(filter(None, (f"{dataset} {model}", called))): hashed
        for dataset in names("datasets")
        for model in names("models")
        if ":" not in model  # those of libraries need these
        for hashed, called in variants(dataset, model).items()
    }
    pinned("protocols", found)


def settings_of(model, toy, tmp_path):
    return Run(model, toy, 0, load(toy.name), tmp_path, torch.device("cpu"), tmp_path,
               Progress(None), {})  # fmt: skip


def test_keys_of_records_and_of_weights(pinned, toy, tmp_path):
    runs = {m: settings_of(m, toy, tmp_path) for m in ("mld", "mopoe", "diff-mvae", "sbm-vae")}
    pinned("records", {m: run.place.record.name for m, run in runs.items()})
    pinned("weights", {m: run.place.folder.name for m, run in runs.items()})


class Titles(Trainer):
    """Notes the stages of a model and trains none."""

    def minimise(self, stage, module, loss, examples, with_, content=None):
        self.seconds[stage] = None if content is None else digest([stage, content])


@pytest.mark.parametrize("model", [m for m in names("models") if ":" not in m])
def test_titles_of_stages_and_what_they_share(model, pinned, toy, tmp_path):
    if model == "supervised":
        pytest.skip("mhd-mini has no attributes and no mask")
    trainer = Titles(tmp_path, 0, torch.device("cpu"), Progress(None))
    few = Split({m: x[:20] for m, x in toy.train.tensors.items()}, labels=toy.train.labels[:20])
    built = settings_of(model, toy, tmp_path).build()
    built.fit(few, trainer)
    latent = {"score", "auxiliary score"} & set(
        trainer.seconds
    )  # its content is of rounded latents
    found = trainer.seconds | dict.fromkeys(latent, None)
    pinned(f"stages of {model}", found)


def test_identities_of_stages(pinned, tmp_path):
    trainer = Trainer(tmp_path, 3, torch.device("cpu"), Progress(None))
    how = Optimisation(2, 10, 1e-3, clip=1.0, ema=0.9)
    layers = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    pinned("identity of a stage", trainer._identity("score", layers, 100, how))


def test_names_of_random_streams(pinned):
    purposes = [("initialisation",), ("score", "order", 1), ("score", "noise", 2),
                ("score", "dropout", 3), ("generate", "image", "block", 0),
                ("draw", "image", "block", 0), ("test examples",), ("references",)]  # fmt: skip
    pinned("streams", {" ".join(map(str, p)): derive(7, *p) for p in purposes})


TWINS = {
    "mhd-mini": mhd.MODALITIES,
    "mnist-svhn-mini": mnist_svhn.MODALITIES,
    "polymnist-mini": polymnist.MODALITIES,
    "celebamask-mini": celebamask_hq.modalities(128),
    "celebamask-mini-32": celebamask_hq.modalities(32),
}
SHIPPED = json.loads(PINS.read_text())["examples of judges"]
"""Twin and modality with a judge that comes with mmbench -> the number and the fingerprint of the
examples that it has learnt from.

That the twins have them still is tested where they are made whole.
"""


@pytest.mark.parametrize("which", SHIPPED)
def test_a_shipped_judge_is_not_trained_again(which, monkeypatch):
    monkeypatch.setattr(classifiers, "LEAST_EXAMPLES", LEAST_EXAMPLES)
    twin, name = which.split()
    examples, content = SHIPPED[which]
    (modality,) = [m for m in TWINS[twin] if m.name == name]
    faces = twin.startswith("celebamask")
    outputs = len(celebamask_hq.ATTRIBUTES) if faces else 10
    title = f"{'attribute ' if faces else ''}classifier of {name}"
    how = optimisation(modality, examples)
    folder = TRAINED / recipe(content, modality, outputs, how)
    trainer = Trainer(folder, int(content[:15], 16), torch.device("cpu"), Progress(None))
    with safe_open(folder / f"{title.replace(' ', '-')}.safetensors", "pt") as kept:
        identity = trainer._identity(title, build(modality, outputs), examples, how)
        assert kept.metadata()["identity"] == identity


def test_identities_of_extractors(pinned):
    pinned("extractors", {card.name: [card.begins, card.sha256] for card in registered()})


def test_key_of_features(pinned, toy):
    pinned("features", real_key(toy, "image", torch.arange(5), "a network, sha256:0"))


def test_a_digest_is_of_declared_fields_alone():
    """Neither the class's name nor its place is in it, and a field without comparison is not."""
    assert digest(Likelihood("normal", 0.5)) == digest({"distribution": "normal", "scale": 0.5})
    how = Optimisation(1, 2, 0.1)
    assert digest(how) == digest(Optimisation(1, 2, 0.1, compile=True))
    assert digest(how) != digest(Optimisation(1, 2, 0.2))
    with pytest.raises(ValueError):
        digest(float("inf"))
    with pytest.raises(TypeError):
        digest(nn.Linear(1, 1))


def test_networks_are_named_in_the_registry():
    for dataset in names("datasets"):
        tables = load(dataset)
        named = {t["network"] for t in tables["modalities"].values()}
        named |= {t["image"] for t in tables["models"].values() if isinstance(t.get("image"), str)}
        assert named <= set(names("networks")), dataset


def test_a_recipe_tells_networks_apart():
    modality = Modality("image", "image", (1, 28, 28))
    found = [
        architectures([modality], {"image": {"network": network, "likelihood": likelihood}})
        for network in ("mhd/image", "mhd-mini/image", "generic/picture")
        for likelihood in ({"distribution": "normal"}, {"distribution": "laplace"})
    ]
    assert len({digest(a["image"].recipe) for a in found}) == 6
    assert find("networks", "mhd/image") is not None


def test_keys_follow_what_they_depend_on():
    place = Place("d", "m", 0, {"model": 1, "evaluation": 2}, "x")
    scored = replace(place, protocol={"model": 1, "evaluation": 3})
    assert scored.folder == place.folder and scored.record != place.record
    for change in ({"protocol": {"model": 2}}, {"data": "y"}, {"versions": (2, 1)}):
        other = replace(place, **change)
        assert other.folder != place.folder and other.record != place.record
