"""The robustness curve, of an MLD whose latents are the data themselves."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from mmbench.architecture import Architecture, Networks
from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.likelihood import Likelihood
from mmbench.core.score import Context
from mmbench.metrics.extractors import classifiers
from mmbench.metrics.extractors.classifiers import classifier
from mmbench.models.mld import MLD
from mmbench.models.robustness import COLUMNS, TIMES, plot, robustness
from mmbench.progress import Progress
from mmbench.seeds import stream
from mmbench.training.trainer import Optimisation

CLASSES = 5
SCALES = {"weak": 1.0, "strong": 4.0}
"""How far the classes of a view are from each other, against noise of deviation 1."""


def split(part, n):
    labels = torch.arange(n) % CLASSES
    views = {
        m: scale * torch.eye(CLASSES)[labels]
        + 0.05 * torch.randn(n, CLASSES, generator=stream(0, part, m))
        for m, scale in SCALES.items()
    }
    return Split(views, labels=labels)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    modalities = tuple(Modality(m, "trajectory", (CLASSES,)) for m in SCALES)
    dataset = Dataset("toy", modalities, split("train", 500), split("test", 300), CLASSES)
    context = Context(torch.device("cpu"), tmp_path_factory.mktemp("cache"), Progress(None))
    patch = pytest.MonkeyPatch()
    patch.setattr(classifiers, "LEAST_EXAMPLES", 8000)
    same = Networks(lambda m, n: nn.Identity(), lambda m, n: nn.Identity())
    parts = {m.name: Architecture(m, same, Likelihood("normal")) for m in modalities}
    never = Optimisation(epochs=0, batch_size=1, learning_rate=1e-3)
    settings = {"latent": CLASSES, "width": 8, "groups": 4}
    settings["sampler"] = {"name": "ancestral", "steps": 2}
    model = MLD(modalities, parts, autoencoder=never, score=never, **settings)
    yield model, dataset, context
    patch.undo()


ROWS = torch.arange(300)


def values(curves, modality="weak"):
    return curves.loc[curves["modality"] == modality, "coherence"].tolist()


def test_nothing_is_lost_at_first_and_all_at_last(world):
    model, dataset, context = world
    found = robustness(model, dataset, ROWS, context)
    for m, curve in found.groupby("modality"):
        judge = classifier(dataset, m, context)
        right = judge.predictions(dataset.test.tensors[m]) == dataset.test.labels
        assert values(found, m)[0] == 100 * right.double().mean()
        assert abs(values(found, m)[-1] - 100 / CLASSES) < 10
        assert tuple(curve["t"]) == TIMES
        assert set(curve["n"]) == {300} and set(curve["extractor"]) == {judge.identity}
        assert (curve["low"] <= curve["coherence"]).all()
        assert (curve["coherence"] <= curve["high"]).all()


def test_what_stands_out_of_the_noise_lasts_longer(world):
    curves = robustness(*world[:2], ROWS, world[2])
    assert list(curves["modality"].unique()) == ["weak", "strong"]
    both = zip(values(curves), values(curves, "strong"), strict=True)
    gap = [b - a for a, b in both]
    assert min(gap) > -8 and max(gap) > 40


def test_a_time_does_not_depend_on_the_others_asked_for(world):
    model, dataset, context = world
    few = robustness(model, dataset, ROWS, context, [0.3])
    many = robustness(model, dataset, ROWS, context)
    assert values(few) == [values(many)[TIMES.index(0.3)]]
    other = robustness(model, dataset, ROWS, context, [0.3], seed=1)
    assert values(other) != values(few)


def test_what_cannot_be_measured_is_told(world):
    model, dataset, context = world
    with pytest.raises(ValueError, match=r"time 1\.5 is not between 0 and 1"):
        robustness(model, dataset, ROWS, context, [0.5, 1.5])
    with pytest.raises(ValueError, match="no test examples"):
        robustness(model, dataset, ROWS[:0], context)
    with pytest.raises(ValueError, match="toy has no classes"):
        bare = replace(dataset, test=Split(dataset.test.tensors), classes=None)
        robustness(model, bare, ROWS, context)


@pytest.mark.parametrize("ending", [".png", ".svg"])
def test_columns_and_plot(world, tmp_path, ending):
    curves = robustness(*world[:2], ROWS, world[2], [0.0, 0.5])
    assert tuple(curves.columns) == COLUMNS
    assert curves["modality"].tolist() == ["weak", "weak", "strong", "strong"]
    assert curves["t"].tolist() == [0, 0.5] * 2
    path = tmp_path / f"curves{ending}"
    plot(curves, path, "title")
    assert path.read_bytes()[1:4] == (b"PNG" if ending == ".png" else b"?xm")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.gpu
def test_the_device_does_not_matter(world):
    model, dataset, context = world
    here = robustness(model, dataset, ROWS, context)
    context = replace(context, device=torch.device("cuda"))
    there = robustness(model.to("cuda"), dataset, ROWS, context)
    model.to("cpu")
    for m in SCALES:  # a GPU has noise of its own
        assert values(here, m)[0] == pytest.approx(values(there, m)[0], abs=1)
