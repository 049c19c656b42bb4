"""What an evaluation will take, by a clock that only sampling and scoring move."""

import time
from dataclasses import replace

import pytest
import torch

from mmbench.core.model import Model
from mmbench.core.score import Context, Metric, Score
from mmbench.evaluation import cost
from mmbench.evaluation.cost import SECONDS, Sampling
from mmbench.evaluation.settings import Evaluation
from mmbench.progress import Progress

CPU = torch.device("cpu")


@pytest.fixture
def clock(monkeypatch):
    """Seconds, in a list of one, that `time.monotonic` returns."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


class Slow(Model):
    """Takes `start` seconds and `each` more for each sample, times one and the number given."""

    def __init__(self, shapes, clock, start, each):
        super().__init__()
        self.shapes, self.clock, self.start, self.each = shapes, clock, start, each

    def fit(self, train, trainer):
        raise AssertionError

    def generate(self, given, targets, n, generator):
        self.clock[0] += (self.start + self.each * n) * (1 + len(given))
        return {m: torch.zeros(n, *self.shapes[m]) for m in targets}


@pytest.fixture
def sampling(toy, clock, tmp_path, monkeypatch):
    """Makes the sampling of a slow model, whose scoring takes `scoring` seconds a sample."""

    def make(start, each, scoring=0.0, least=1, samples=None):
        seen = []

        def compute(generated, dataset, context):
            n = len(generated.rows)
            assert n >= least
            clock[0] += scoring * n
            for m, x in generated.samples.items():
                seen.append(x)
                yield Score("slow", generated.given, m, 0.0, n)

        metric = Metric("slow", "Slow", "lower", "", "", compute, least=least)
        monkeypatch.setattr(Evaluation, "scorers", lambda _: iter([metric]))
        model = Slow({m.name: m.shape for m in toy.modalities}, clock, start, each)
        evaluation = Evaluation({"slow": "all"}, samples=samples)
        context = Context(CPU, tmp_path, Progress(None))
        return Sampling(model, toy, evaluation, context, 0), evaluation.subsets(toy), seen

    return make


@pytest.mark.parametrize(
    ("start", "each", "scoring"),
    [(0.0, 1e-4, 1e-4), (0.5, 0.0, 0.0), (0.1, 0.05, 0.02), (1.0, 10.0, 1.0), (100.0, 1.0, 0.0)],
)
def test_it_is_what_all_samples_take(toy, sampling, clock, start, each, scoring):
    of, subsets, _ = sampling(start, each, scoring)
    found, n = of.costs(subsets), len(toy.test)
    assert list(found) == subsets
    for given, took in found.items():
        assert took.samples == n
        assert took.scoring == pytest.approx(scoring * n, rel=1e-6)
        if not given or clock[0] < SECONDS:  # there was time for all subsets
            assert took.generation == pytest.approx((start + each * n) * (1 + len(given)))


def test_it_does_not_take_much_longer_than_its_time(sampling, clock):
    for start, each in ((0.0, 0.05), (0.0, 3.0), (5.0, 0.0), (300.0, 0.0)):
        clock[0] = 0.0
        of, subsets, _ = sampling(start, each)
        of.costs(subsets)
        once = (2 * start + each * (cost.FEW + 2)) * 4
        assert clock[0] <= SECONDS + 4 * once


def test_what_is_scored_is_never_twice_the_same(sampling):
    """Or features that are kept would be taken for new ones."""
    of, subsets, seen = sampling(0.0, 1e-4)
    of.costs(subsets)
    same = [torch.equal(a, b) for i, a in enumerate(seen) for b in seen[:i] if a.shape == b.shape]
    assert same and not any(same)


def test_a_metric_that_needs_more_samples_is_not_asked_of_few(sampling, toy):
    of, subsets, seen = sampling(0.0, 1e-4, least=30)
    of.costs(subsets)
    assert seen and all(len(x) == len(toy.test) for x in seen)


@pytest.mark.parametrize(("each", "timed"), [(1e-4, 20), (3.0, 8)])
def test_a_metric_of_fewer_samples_takes_its_share(sampling, each, timed):
    of, subsets, seen = sampling(0.0, each, scoring=each, samples={"slow": 20})
    took = [c.scoring for c in of.costs(subsets).values()]
    assert took == pytest.approx([each * 20] * len(took))
    assert max(map(len, seen)) == timed


def test_what_a_model_cannot_draw_takes_nothing(sampling, monkeypatch):
    of, subsets, _ = sampling(1.0, 1.0)
    monkeypatch.setattr(Slow, "possible", lambda self, given, targets: targets if given else [])
    found = of.costs(subsets)
    assert found[()] == replace(found[()], generation=0.0, scoring=0.0, samples=0, disk=0)
    assert all(c.generation > 0 for g, c in found.items() if g)
