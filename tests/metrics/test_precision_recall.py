"""Precision and recall are those of the definition, in blocks, and of all modalities."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import Context, Generated
from mmbench.metrics import precision_recall as module
from mmbench.metrics.extractors import classifiers
from mmbench.metrics.precision_recall import precision, precision_of, recall, recall_of
from mmbench.progress import Progress
from mmbench.seeds import stream


def features(name, n, d=4, scale=1.0, shift=0.0):
    x = torch.randn(n, d, generator=stream(0, "precision", name))
    return scale * x + shift


def by_definition(points, among, k=3):
    """One distance after the other."""
    points, among = points.double().numpy(), among.double().numpy()
    inside = 0
    radii = [
        sorted(np.linalg.norm(a - b) for j, b in enumerate(among) if j != i)[k - 1]
        for i, a in enumerate(among)
    ]
    for p in points:
        inside += any(np.linalg.norm(p - a) <= r for a, r in zip(among, radii, strict=True))
    return inside / len(points)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("block", [7, 1024])
def test_is_the_definition(k, block, monkeypatch, device):
    monkeypatch.setattr(module, "BLOCK", block)
    x, y = features("x", 60, scale=1.3), features("y", 45, shift=0.4)
    a, b = x.to(device), y.to(device)
    assert precision_of(a, b, k) == pytest.approx(by_definition(x, y, k), abs=1e-12)
    assert recall_of(a, b, k) == pytest.approx(by_definition(y, x, k), abs=1e-12)
    assert 0.1 < precision_of(x, y, k) < 0.95
    order = torch.randperm(60, generator=stream(0, "order"))
    assert precision_of(x[order], y.flip(0), k) == precision_of(x, y, k)


def test_identical_sets_are_covered():
    for x in (features("x", 50), features("x", 50, shift=1e4), features("x", 40, d=200)):
        assert precision_of(x, x) == recall_of(x, x) == 1


def test_arguments_are_generated_then_real():
    real, narrow = features("real", 300, d=2), features("narrow", 300, d=2, scale=0.2)
    assert precision_of(narrow, real) > 0.85 and recall_of(narrow, real) < 0.3
    assert recall_of(real, narrow) == precision_of(narrow, real)


def test_falls_with_corruption():
    real, fake = features("real", 200), features("fake", 200)
    noise = features("noise", 200)
    values = [precision_of(fake + s * noise + s, real) for s in (0, 0.5, 1.5, 4)]
    assert values == sorted(values, reverse=True) and values[0] > 0.8 and values[-1] < 0.1
    values = [recall_of(fake[fake[:, 0] > least], real) for least in (-9, -0.5, 0.5, 1)]
    assert values == sorted(values, reverse=True) and values[0] > 0.8 and values[-1] < 0.5


def test_equal_features_span_one_ball():
    """Real pictures that occur several times do not make their balls empty."""
    x, y = features("x", 80), features("y", 50)
    repeated = y.repeat(6, 1)
    assert precision_of(x, repeated) == precision_of(x, y) > 0.5
    collapsed = y[:1].repeat(30, 1)  # all samples alike
    assert precision_of(collapsed, y) == 1
    assert recall_of(collapsed, y) == pytest.approx(1 / 50)


@pytest.mark.parametrize("block", [7, 1024])
def test_features_equal_but_for_rounding_span_one_ball(block, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block)
    x, y = features("x", 40, shift=3), features("y", 60, shift=3)
    twice = torch.cat([y, y * (1 + 2e-7)])  # as another kernel multiplies
    assert not torch.equal(twice[:60], twice[60:])
    assert precision_of(x, twice) == precision_of(x, y) > 0.5
    assert recall_of(twice, x) == recall_of(y, x)


def test_refusals_are_sentences():
    x = features("x", 10)
    wrong = x.clone()
    wrong[4, 0] = math.inf
    for value in (precision_of, recall_of):
        with pytest.raises(ValueError, match=r"1 of 10 generated samples are not finite.*row 4"):
            value(wrong, x)
        with pytest.raises(ValueError, match="real samples is 3, expected at least 4"):
            value(x, x[:3])
        with pytest.raises(ValueError, match="number of generated samples is 0"):
            value(x[:0], x)
        with pytest.raises(ValueError, match="of 4 and of 3 dimensions"):
            value(x, x[:, :3])
        with pytest.raises(ValueError, match="k is 0, expected at least 1"):
            value(x, x, 0)


CLASSES = 4


def world(folder, monkeypatch, labelled=True):
    monkeypatch.setattr(classifiers, "LEAST_EXAMPLES", 4000)
    splits = []
    for name, n in (("train", 200), ("test", 120)):
        labels = torch.arange(n) % CLASSES
        x = torch.eye(CLASSES)[labels].repeat(1, 3) + features(name, n, 3 * CLASSES, 0.1)
        image = torch.rand(n, 3, 8, 8, generator=stream(0, name))
        splits.append(Split({"x": x, "rgb": image}, labels=labels if labelled else None))
    modalities = (Modality("x", "trajectory", (3 * CLASSES,)), Modality("rgb", "image", (3, 8, 8)))
    dataset = Dataset("toy", modalities, *splits, CLASSES if labelled else None)
    monkeypatch.delenv("MMBENCH_WEIGHTS", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(folder / "hub"))
    return dataset, Context(torch.device("cpu"), folder, Progress(None))


def test_other_modalities_are_seen_through_their_classifier(tmp_path, monkeypatch):
    dataset, context = world(tmp_path, monkeypatch)
    rows = torch.arange(100)
    generated = Generated((), dataset.test.batch(rows), rows)
    for metric in (precision, recall):
        found = {s.target: s for s in metric.compute(generated, dataset, context)}
        assert found["x"].value == 1 and "toy/x classifier" in found["x"].extractor
        assert (found["x"].metric, found["x"].n) == (metric.name, 100)
        assert found["rgb"].value is None and "weights of inception" in found["rgb"].reason
    far = replace(generated, samples={"x": generated.samples["x"] * 30})
    assert next(precision.compute(far, dataset, context)).value < 0.2


def test_what_has_no_value(tmp_path, monkeypatch):
    dataset, context = world(tmp_path, monkeypatch, labelled=False)
    few = Generated((), dataset.test.batch(torch.arange(3), ["x"]), torch.arange(3))
    (score,) = recall.compute(few, dataset, context)
    assert score.value is None and "recall needs at least 4 samples, there are 3" in score.reason
    enough = Generated((), dataset.test.batch(torch.arange(9), ["x"]), torch.arange(9))
    assert not list(recall.compute(enough, dataset, context))  # no labels, no classifier
    enough.samples["x"][5, 0] = math.nan
    with pytest.raises(ValueError, match=r"samples of x are not finite.*row 5"):
        list(recall.compute(enough, dataset, context))
