"""The entropy of classes, from counts and through a classifier."""

import math

import pytest
import torch

from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import Context, Generated
from mmbench.metrics import class_entropy as module
from mmbench.metrics.class_entropy import class_entropy, entropy
from mmbench.progress import Progress


def test_closed_forms():
    assert entropy(torch.arange(8).repeat(3)) == pytest.approx(math.log(8))
    assert entropy(torch.full((5,), 3)) == 0.0
    assert math.copysign(1, entropy(torch.zeros(5, dtype=torch.long))) == 1
    quarter = torch.tensor([0, 1, 1, 1])
    assert entropy(quarter) == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75))
    assert entropy(quarter.flip(0)) == entropy(quarter)


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="expected at least one sample"):
        entropy(torch.zeros(0, dtype=torch.long))


class Judge:
    identity = "x classifier"
    networks = (("stub", "ab"),)

    def predictions(self, samples):
        return samples[:, 0].long()


def world(labels):
    x = Modality("x", "trajectory", (1,))
    split = Split({"x": torch.arange(6.0)[:, None]}, labels=labels)
    dataset = Dataset("toy", (x,), split, split, 6 if labels is not None else None)
    return dataset, Context(torch.device("cpu"), None, Progress(None))


def test_samples_are_scored_for_every_subset_given(monkeypatch):
    monkeypatch.setattr(module, "classifier", lambda *a: Judge())
    samples = {"x": torch.tensor([[0.0], [1.0], [1.0], [0.0]])}
    for given in ((), ("x",)):
        generated = Generated(given, samples, torch.arange(4))
        (score,) = class_entropy.compute(generated, *world(torch.arange(6)))
        assert (score.metric, score.given, score.target, score.n) == (
            "class-entropy",
            given,
            "x",
            4,
        )
        assert score.value == pytest.approx(math.log(2))
        assert score.extractor == "x classifier"


def test_without_classes_there_is_no_score():
    generated = Generated((), {"x": torch.zeros(4, 1)}, torch.arange(4))
    assert not list(class_entropy.compute(generated, *world(None)))
