from pathlib import Path

import pytest
import torch

from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import Context, Generated
from mmbench.metrics.log_likelihood import SAMPLES, log_likelihood
from mmbench.progress import Progress

SPLIT = Split({"a": torch.arange(250.0)[:, None]})
DATA = Dataset("toy", (Modality("a", "trajectory", (1,)),), SPLIT, SPLIT)


class Known:
    """log p(x) = -x."""

    def log_marginal(self, x, samples, noise):
        assert samples == SAMPLES
        return -x["a"][:, 0] + 0 * torch.rand(1, generator=noise)


def scores(given, model, n=250):
    context = Context(torch.device("cpu"), Path(), Progress(None), model=model)
    return list(log_likelihood.compute(Generated(given, {}, torch.arange(n)), DATA, context))


def test_the_mean_over_the_test_examples():
    (score,) = scores((), Known())
    assert score.value == pytest.approx(-124.5)
    assert (score.given, score.target, score.n) == ((), "joint", 250)
    assert score.extractor == "100 importance samples"


def test_once_a_model():
    assert scores(("a",), Known()) == []


def test_a_model_without_density_has_no_value():
    (score,) = scores((), object())
    assert score.value is None and "no density" in score.reason
    assert score.n == 250
