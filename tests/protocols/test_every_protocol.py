"""Every protocol in the package fits its data set, and every model that it sets."""

from importlib.resources import files
from pathlib import Path

import pytest
import torch

from mmbench.architecture import architectures
from mmbench.core.data import Modality
from mmbench.evaluation.settings import Evaluation
from mmbench.leaderboard.facts import twin
from mmbench.models.supervised import PREDICTED
from mmbench.protocols.arguments import construct
from mmbench.protocols.protocol import load, resolve
from mmbench.protocols.shipped import own
from mmbench.registry import find, names

WORDS = tuple(map(str, range(50)))


def digits(*m):
    return [Modality(k, "image", (3, 28, 28)) for k in m]


def birds(side):
    sentence = Modality("sentence", "text", (32,), WORDS)
    return [Modality("image", "image", (3, side, side)), sentence]


def faces(side):
    image, mask = (3, side, side), (1, side, side)
    attributes = Modality("attributes", "attributes", (18,), WORDS[:18])
    return [Modality("image", "image", image), Modality("mask", "mask", mask), attributes]


PAIRS = [Modality("mnist", "image", (1, 28, 28)), Modality("svhn", "image", (3, 32, 32))]
MHD = [
    *(Modality("image", "image", (1, 28, 28)), Modality("trajectory", "trajectory", (200,))),
    Modality("sound", "sound", (1, 32, 128)),
]
VIEWS = digits("m0", "m1", "m2", "m3", "m4")
SETS = {
    **dict.fromkeys(("mnist-svhn", "mnist-svhn-mini"), PAIRS),
    **dict.fromkeys(("mhd", "mhd-mini"), MHD),
    **dict.fromkeys(("polymnist", "polymnist-mini"), VIEWS),
    **dict.fromkeys(("cub", "cub-mini"), birds(64)),
    **dict.fromkeys(("celebamask-hq", "celebamask-mini"), faces(128)),
    **{"cub-mini-32": birds(32), "celebamask-mini-32": faces(32)},
    "default": [*MHD, *faces(32)[1:], *birds(32)[1:]],
}


def test_every_protocol_and_data_set_is_here():
    shipped = {p.stem for p in Path(str(files("mmbench") / "protocols")).rglob("*.toml")}
    assert shipped == set(SETS)
    assert set(names("datasets")) == set(SETS) - {"default"}


@pytest.mark.parametrize("name", SETS)
def test_every_model_is_set(name):
    ours = {m for m in names("models") if ":" not in m}  # the others are those of a library
    if not any(m.kind in PREDICTED for m in SETS[name]):
        ours.discard("supervised")  # it has nothing to predict
    assert ours == {m for m in load(name)["models"] if ":" not in m}


@pytest.mark.parametrize(("name", "model"), [(n, m) for n in SETS for m in load(n)["models"]])
def test_a_protocol_builds_its_models(name, model):
    if ":" in model:
        pytest.importorskip("multivae", reason="needs the extra [multivae]")
    settings = resolve(load(name), model)
    evaluation = construct(Evaluation, settings["evaluation"], "evaluation")
    kind = find("models", model)
    table = dict(settings["model"])
    if kind.has_sampler:
        table["sampler"] = evaluation.sampler
    with torch.device("meta"):  # nothing is drawn or held
        parts = architectures(SETS[name], settings["modalities"])
        built = construct(kind, table, f"models.{model}", SETS[name], parts)
    assert sum(p.numel() for p in built.parameters()) > 1000


def test_a_second_paper_s_protocol_builds_its_models():
    full = ["modalities.sentence.network=optimus/full"]  # the published weights are not here
    protocol = load("cub", "diff-mvae", full)
    pytest.importorskip("transformers", reason="needs the extra [text]")
    for model, table in protocol["models"].items():
        with torch.device("meta"):
            parts = architectures(SETS["cub"], protocol["modalities"])
            construct(find("models", model), table, model, SETS["cub"], parts)
    construct(Evaluation, protocol["evaluation"], "evaluation")


PUBLISHED = [n for n in SETS if not twin(n) and n != "default"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_number_of_a_published_protocol_has_a_source(name):
    """Of our models; those of a library have ours."""
    text = own(name).read_text(encoding="utf-8")
    ours = text[text.index("[models.mld]") : text.index('[models."multivae:')]
    assert ours.count("[models.") > 16
    for line in ours.splitlines():
        if "=" in line.split("#")[0] and not line.startswith(("[", "#")):
            assert "#" in line, line


SAME = {
    "mvae": {"beta": "beta"},
    "mmvae": {"samples": "K"},
    "mopoe": {"beta": "beta"},
    "mvtcae": {"beta": "beta", "alpha": "alpha"},
    "mmvae-plus": {"private": "modalities_specific_dim", "beta": "beta"},
    "nexus": {
        **{"bottom": "modalities_specific_dim", "beta": "top_beta", "drop": "dropout_rate"},
        **{"message": "msg_dim", "bottom_beta": "bottom_betas"},
    },
}
"""Our model -> our setting -> the library MultiVae's for the same method."""


UNFIT = ("cub-mini", "cub-mini-32")
"""Their captions are written word by word, and the library's models take only whole outputs."""


@pytest.mark.parametrize("name", SETS)
def test_every_method_that_the_library_has_is_set_where_its_networks_fit(name):
    found = {m for m in load(name)["models"] if ":" in m}
    assert not found if name in UNFIT else found >= {f"multivae:{m}" for m in SAME}


@pytest.mark.parametrize(("name", "model"), [(n, m) for n in SETS for m in SAME if n not in UNFIT])
def test_the_library_s_models_are_set_as_ours(name, model):
    tables = load(name)["models"]
    ours, theirs = tables[model], tables[f"multivae:{model}"]
    for key in ("latent", "training"):
        assert theirs[key] == ours[key]
    for key, other in SAME[model].items():
        if key in ours:
            assert theirs[other] == ours[key], key
    modalities = [m.name for m in SETS[name]]
    assert theirs.get("uses_likelihood_rescaling", False) == ("weights" in ours)
    for key, other, factor in (("weights", "rescale_factors", 1), ("gamma", "gammas", 2)):
        if key in ours:
            wanted = {m: factor * ours[key].get(m, 1.0) for m in modalities}
            assert theirs[other] == wanted
