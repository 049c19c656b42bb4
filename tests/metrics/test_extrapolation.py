"""The extrapolated distance is that of infinite sets, whatever the number of samples."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import Context, Generated
from mmbench.evaluation.references import references
from mmbench.metrics import extrapolation as module
from mmbench.metrics.extrapolation import extrapolated_distance, fid_infinity
from mmbench.metrics.statistics.frechet import Statistics, frechet_distance
from mmbench.progress import Progress
from mmbench.seeds import stream

D = 24
SCALE = torch.linspace(1, 0.1, D, dtype=torch.float64)


def features(name, n, scale=1.0, shift=0.0):
    noise = torch.randn(n, D, generator=stream(0, "extrapolation", name), dtype=torch.float64)
    return noise * SCALE * scale + shift


def distance(x, y):
    return frechet_distance(Statistics.of(x), Statistics.of(y))


@pytest.mark.parametrize("n", [60, 240])
def test_is_free_of_the_bias_of_small_sets(n):
    """Diagonal Gaussians: d² = D·0.1² + Σ (σ − 1.2·σ)²."""
    truth = D * 0.1**2 + float((0.2 * SCALE).square().sum())
    plain, extrapolated = [], []
    for i in range(40):
        x, y = features(f"x{i}", n), features(f"y{i}", n, 1.2, 0.1)
        plain.append(distance(y, x))
        extrapolated.append(extrapolated_distance(y, x))
    plain, extrapolated = torch.tensor(plain), torch.tensor(extrapolated)
    error = extrapolated.std().item() / math.sqrt(40)
    assert abs(extrapolated.mean().item() - truth) < 4 * error
    assert plain.mean().item() - truth > 12 * error  # what was there to remove


def test_zero_for_identical_sets_and_grows_with_corruption():
    x, noise = features("x", 200), features("noise", 200)
    values = [extrapolated_distance(x + s * noise, x) for s in (0, 0.3, 0.7, 1.5)]
    assert values == sorted(values) and abs(values[0]) < 1e-9 < values[1]


def test_large_sets_have_the_plain_distance():
    x, y = features("x", 20_000), features("y", 20_000, 1.5)
    assert extrapolated_distance(x, y) == pytest.approx(distance(x, y), rel=0.02)


def test_repeats_and_hardly_depends_on_order_exchange_or_type(device):
    x, y = features("x", 300), features("y", 300, 1.5)
    value = extrapolated_distance(x, y)
    assert extrapolated_distance(x, y) == value
    assert extrapolated_distance(y, x) == pytest.approx(value, rel=1e-9)
    assert extrapolated_distance(x.float().to(device), y.float().to(device)) == pytest.approx(
        value, rel=1e-5
    )
    orders = [torch.randperm(300, generator=stream(i, "order")) for i in range(8)]
    values = torch.tensor([extrapolated_distance(x[rows], y[rows]) for rows in orders])
    bias = distance(x, y) - value  # what the estimate removes
    assert (values - value).abs().max() < bias / 2
    assert values.std() < bias / 5


def test_refusals_are_sentences():
    x = features("x", 100)
    wrong = x.clone()
    wrong[7, 1] = math.nan
    for a, b, words in (
        (wrong, x, r"1 of 100 generated samples are not finite.*row 7"),
        (x, x[:90], "100 generated and 90 real samples, expected as many"),
        (x[:47], x[:47], "47 samples are too few .* at least 48"),
        (x[:1], x[:1], "number of generated samples is 1"),
        (x[:0], x, "number of generated samples is 0"),
        (x, x[:, :5], "of 24 and of 5 dimensions"),
    ):
        with pytest.raises(ValueError, match=words):
            extrapolated_distance(a, b)
    with pytest.raises(ValueError, match="sizes is 1, expected at least 2"):
        extrapolated_distance(x, x, 1)


def test_few_samples_have_a_reason():
    splits = [Split({"rgb": torch.rand(5, 3, 8, 8)}) for _ in range(2)]
    dataset = Dataset("toy", (Modality("rgb", "image", (3, 8, 8)),), *splits)
    context = Context(torch.device("cpu"), Path("/nowhere"), Progress(None))
    generated = Generated((), dataset.test.batch(torch.arange(5)), torch.arange(5))
    (score,) = fid_infinity.compute(generated, dataset, context)
    assert score.value is None and score.n == 5
    assert score.reason == "fid-infinity needs at least 4,096 samples, there are 5"


def test_many_captions_of_few_pictures_have_a_reason(monkeypatch):
    monkeypatch.setattr(module, "LEAST", 16)
    shared = Split({"rgb": torch.rand(5, 3, 8, 8)}, index={"rgb": torch.arange(20) % 5})
    dataset = Dataset("toy", (Modality("rgb", "image", (3, 8, 8)),), shared, shared)
    context, rows = (
        Context(torch.device("cpu"), Path("/nowhere"), Progress(None)),
        torch.arange(20),
    )
    (score,) = fid_infinity.compute(Generated((), shared.batch(rows), rows), dataset, context)
    assert (score.value, score.n) == (None, 20) and "16 different samples" in score.reason


def test_fewer_training_than_test_examples_stand_for_samples(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LEAST", 16)
    seen = lambda x, update: x.mean((2, 3)).double()
    through = SimpleNamespace(identity="a network", networks=(), features=seen)
    monkeypatch.setattr(module, "inception", lambda *_: through)
    images = lambda name, n: torch.rand(n, 3, 8, 8, generator=stream(0, "few", name))
    splits = Split({"rgb": images("train", 50)}), Split({"rgb": images("test", 100)})
    dataset = Dataset("toy", (Modality("rgb", "image", (3, 8, 8)),), *splits)
    context, rows = Context(torch.device("cpu"), tmp_path, Progress(None)), torch.arange(100)
    drawn = Generated((), {"rgb": images("drawn", 100)}, rows)
    own = list(fid_infinity.compute(drawn, dataset, context))
    (real,) = references(fid_infinity, own, dataset, rows, context)
    x, y = (s.tensors["rgb"].mean((2, 3)).double() for s in splits)
    assert real.n == 50 and real.value == pytest.approx(extrapolated_distance(x, y[:50]))
