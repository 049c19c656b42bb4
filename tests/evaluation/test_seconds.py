"""The seconds of an evaluation are a model's own, whichever run comes first."""

import time

import pytest
import torch

from mmbench.core.score import Context, Generated, Metric, Score
from mmbench.evaluation.evaluate import GENERATION, SCORING, evaluate
from mmbench.evaluation.settings import Evaluation
from mmbench.metrics.extractors.judges import once
from mmbench.metrics.statistics.features import Extractor, real_features
from mmbench.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds, in a list of one, that `time.monotonic` returns."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_what_runs_share_is_charged_to_none(toy, clock, tmp_path, monkeypatch):
    """Training a judge takes 100 seconds, the features of real examples 10 and those drawn 1."""

    def takes(seconds, made):
        clock[0] += seconds
        return made

    def compute(generated, dataset, context):
        once(dataset, context, ("judge",), lambda: takes(100.0, object()))
        features = lambda x, report: takes(10.0, x.flatten(1).float())
        network = Extractor("network", features)
        for m, x in generated.samples.items():
            real_features(network, dataset.modality(m), dataset, generated.rows, context)
            yield takes(1.0, Score("slow", generated.given, m, 0.0, len(x)))

    metric = Metric("slow", "Slow", "lower", "", "", compute)
    monkeypatch.setattr(Evaluation, "scorers", lambda _: iter([metric]))
    evaluation = Evaluation({"slow": "all"})
    rows = torch.arange(4)

    def draw(given):
        shapes = {m.name: m.shape for m in toy.modalities}
        return takes(
            2.0, Generated(given, {m: torch.zeros(4, *s) for m, s in shapes.items()}, rows)
        )

    for run in ("first", "second"):
        context = Context(torch.device("cpu"), tmp_path / "cache", Progress(None))
        (part,) = evaluate(draw, [()], toy, evaluation, context, tmp_path / run)
        assert part.seconds == {GENERATION: 2.0, SCORING: float(len(toy.modalities))}
