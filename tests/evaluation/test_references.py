"""References: real examples in the place of samples."""

import math
import re
from dataclasses import replace
from io import StringIO

import pytest
import torch

from mmbench.core.data import Split
from mmbench.core.score import JOINT, Context, Generated, Metric, Score
from mmbench.evaluation.references import examples, references
from mmbench.metrics.coherence import coherence
from mmbench.metrics.fmd import fmd
from mmbench.progress import Progress

ROWS = torch.arange(5, 35)


@pytest.fixture(scope="module")
def context(cache):
    return Context(torch.device("cpu"), cache, Progress(None), model=object())


def measured(dataset, context, metrics=(coherence, fmd)):
    """Scores of the test examples in the wrong order."""
    x = dataset.test.batch(ROWS.flip(0))
    one = Generated((), x, ROWS)
    return [s for m in metrics for s in m.compute(one, dataset, context)]


def test_what_each_metric_is_held_against(toy, context):
    """Coherence against the judges' own accuracy, FMD against that of training examples."""
    scores = measured(toy, context)
    both = [s for m in (coherence, fmd) for s in references(m, scores, toy, ROWS, context)]
    found = {(s.metric, s.target): s for s in both}
    names = [m.name for m in toy.modalities]
    assert set(found) == {("coherence", JOINT), *(("coherence", m) for m in names),
                          *(("fmd", m) for m in names)}  # fmt: skip
    assert all(s.given == () and s.n == len(ROWS) for s in found.values())
    train = toy.train.batch(examples(toy, len(ROWS)))
    for s in fmd.compute(Generated((), train, ROWS), toy, context):
        assert found["fmd", s.target] == s
        assert s.value > 0
    for m in names:
        (s,) = coherence.compute(Generated((m,), toy.test.batch(ROWS, [m]), ROWS), toy, context)
        assert found["coherence", m] == replace(s, given=())
        assert s.extractor == found["fmd", m].extractor


def test_stages_of_real_examples_are_told_from_those_of_samples(toy, context):
    told = StringIO()
    context = replace(context, progress=Progress(told))

    def compute(generated, dataset, context):
        with context.progress.stage("features", 1):
            yield Score("m", generated.given, "image", 0.25, 3, "net")

    metric = Metric("m", "M", "lower", "", "", compute)
    references(metric, [Score("m", (), "image", 0.5, 3, "net")], toy, ROWS, context)
    assert re.search("^real examples.*: features: done", told.getvalue(), re.MULTILINE)


def test_they_are_computed_once(toy, context, tmp_path):
    """By content: of the data, the test examples, the metric and what it is measured with."""
    calls = []

    def compute(generated, dataset, context):
        calls.append(generated)
        assert context.model is None
        yield Score("m", generated.given, "image", 0.25, 3, "net", low=0.0, high=1.0)
        yield Score("m", generated.given, "sound", None, 3, reason="absent")

    metric = Metric("m", "M", "lower", "", "", compute)
    context = replace(context, cache=tmp_path)
    score = Score("m", ("sound",), "image", 1.0, 3, "net")
    first = references(metric, [score], toy, ROWS, context)
    assert first == [Score("m", (), "image", 0.25, 3, "net", low=0.0, high=1.0)]
    assert references(metric, [score, score], toy, ROWS, context) == first
    assert len(calls) == 1
    references(metric, [replace(score, extractor="other")], toy, ROWS, context)
    references(metric, [score], toy, ROWS[:-1], context)
    references(replace(metric, name="n"), [replace(score, metric="n")], toy, ROWS, context)
    assert len(calls) == 4
    for file in tmp_path.rglob("*.json"):
        file.write_text(file.read_text()[:-5])
    assert references(metric, [score], toy, ROWS, context) == first  # a damaged one is made anew
    assert len(calls) == 5


def test_what_has_no_score_has_no_reference(toy, context):
    def never(generated, dataset, context):
        raise AssertionError

    metric = Metric("m", "M", "lower", "", "", never)
    absent = Score("m", (), "image", None, 3, reason="no weights")
    again = Score("m", ("image",), "image", 1.0, 3)
    assert references(metric, [absent, again], toy, ROWS, context) == []


def test_as_many_complete_training_examples_as_there_are(toy):
    rows = examples(toy, 30)
    assert len(rows) == len(rows.unique()) == 30
    assert torch.equal(rows, examples(toy, 30))
    assert len(examples(toy, 1000)) == 200
    index = torch.arange(200).where(torch.arange(200) % 2 == 0, -1)
    train = Split(toy.train.tensors, {"sound": index}, toy.train.labels)
    some = examples(replace(toy, train=train), 1000)
    assert torch.equal(some, torch.arange(0, 200, 2))


def test_distances_have_no_reference_where_no_training_example_is_complete(toy, context):
    here = torch.arange(200)
    index = {m: here.where(here % 2 == i, -1) for i, m in enumerate(("image", "sound"))}
    train = Split(toy.train.tensors, index, toy.train.labels)
    score = Score("fmd", (), "image", 1.0, len(ROWS), "net")
    assert references(fmd, [score], replace(toy, train=train), ROWS, context) == []


def test_coherence_and_reconstructions_have_intervals(toy, context):
    for s in measured(toy, context, [coherence]):
        assert s.low <= s.value <= s.high
        half = 196 * math.sqrt(max(s.value * (100 - s.value), 0) / 1e4 / s.n)
        assert s.high - s.low == pytest.approx(2 * half, abs=100 / s.n + 0.5 * half)
