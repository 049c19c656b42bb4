"""Every setting of every model refuses, in one sentence, what has no meaning, before training."""

import math
from dataclasses import is_dataclass
from datetime import date, datetime, time
from inspect import signature
from typing import get_args

import pytest
import torch

from mmbench.architecture import architectures
from mmbench.core.data import Modality
from mmbench.extras import installed
from mmbench.models.diffusion.samplers import SAMPLERS
from mmbench.protocols.arguments import construct
from mmbench.registry import find, names

MODALITIES = (
    Modality("image", "image", (3, 8, 8)),
    Modality("marks", "attributes", (3,), ("a", "b", "c")),
)
NETWORKS = {
    "image": {"network": "generic/picture", "likelihood": {"distribution": "laplace"}},
    "marks": {"network": "generic/vector", "likelihood": {"distribution": "bernoulli"}},
}
STAGE = {"epochs": 1, "batch_size": 2, "learning_rate": 1e-3}
SMALL = {
    "latent": 4,
    **dict.fromkeys(("training", "autoencoder", "score", "vae"), STAGE),
    "guidance": {"scale": 1.0, "training": STAGE, "width": 16},
    "joint": {"components": 1},
    "unet": {"channels": [8, 16], "groups": 4},
    "diffusion": ["image"],
    "channels": [16, 16],
    "sampler": {"name": "predictor-corrector", "steps": 3},
    "image": "stronger/small-image",
    **dict.fromkeys(("private", "bottom", "message", "hidden", "groups", "width"), 4),
    "time_embedding": 4,
    "modalities_specific_dim": 2,
}
"""Values that are given wherever a model has a setting of the name."""

WRONG = [date(2020, 2, 2), datetime(2020, 2, 2), time(1), "x", ["x"], [date(2020, 2, 2)]]
WRONG += [{"image": "x"}, {"nowhere": 1}, 2**63, -(2**63), 10**400, math.nan, math.inf, -math.inf]
WRONG += [-1, -0.5, [-1], {"image": -1, "marks": 1}]

ENTRIES = names("models")


def numeric(hint):
    """Whether an annotation takes numbers."""
    return hint in (int, float) or any(map(numeric, get_args(hint)))


def settings(kind, skip):
    """The paths of the settings that take numbers, also within tables such as `training`."""
    for p in list(signature(kind, eval_str=True).parameters.values())[skip:]:
        inner = [h for h in (p.annotation, *get_args(p.annotation)) if is_dataclass(h)]
        for table in inner[:1]:
            yield from ((p.name, *path) for path in settings(table, 0))
        if not inner and numeric(p.annotation):
            yield (p.name,)


def wrong(build, good, paths):
    """Puts each wrong value in the place of each setting; what is taken is returned."""
    taken = []
    for first, *inner in paths:
        for value in WRONG:
            table = good | {first: {**good.get(first, {}), inner[0]: value} if inner else value}
            try:
                build(table)
            except ValueError as error:
                assert "\n" not in str(error) and str(error)
            else:
                taken.append((first, *inner, value))
    return taken


@pytest.mark.parametrize(
    "name", [m for m in ENTRIES if m != "multivae:cvae"]
)  # which none may run
def test_settings_have_types_and_ranges(name):
    if lacking := [e for e in ENTRIES[name].extras if not installed(e)]:
        pytest.skip(f"needs the extra {lacking}")
    kind = find("models", name)
    known = signature(kind, eval_str=True).parameters
    good = {k: v for k, v in SMALL.items() if k in known}
    if name.startswith("diff-mvae"):
        good["sampler"] = {"name": "ddim", "steps": 3}
    parts = architectures(MODALITIES, NETWORKS)

    def build(table):
        with torch.device("meta"):
            return construct(kind, table, "models.x", MODALITIES, parts)

    build(good)
    assert wrong(build, good, list(settings(kind, 2))) == []


@pytest.mark.parametrize("name", SAMPLERS)
def test_so_have_those_of_samplers(name):
    def build(table):
        return construct(SAMPLERS[name], table, "evaluation.sampler")

    paths = list(settings(SAMPLERS[name], 0))
    assert paths and wrong(build, {}, paths) == []


@pytest.mark.parametrize("value", [3, "x", [1], date(2020, 2, 2), {"network": 3}, {"weights": 3}])
def test_so_have_modalities(value):
    with pytest.raises(ValueError, match=r"modalities\.image"):
        architectures(MODALITIES, NETWORKS | {"image": value})


@pytest.mark.parametrize("value", WRONG)
def test_so_have_likelihoods(value):
    table = NETWORKS["image"] | {"likelihood": {"distribution": "normal", "scale": value}}
    with pytest.raises(ValueError, match=r"modalities\.image.*scale"):
        architectures(MODALITIES, NETWORKS | {"image": table})
