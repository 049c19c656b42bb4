"""Closed forms, agreement with the textbook formula, and what must be refused."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbench.metrics.statistics import frechet as module
from mmbench.metrics.statistics.frechet import STRIP, Statistics, frechet_distance
from mmbench.seeds import stream


def features(name, n, d, scale=1.0, shift=0.0):
    x = torch.randn(n, d, generator=stream(0, name), dtype=torch.float64)
    return x * scale + shift


def gaussian(mean, covariance, n=1000):
    mean, covariance = torch.as_tensor(mean).double(), torch.as_tensor(covariance).double()
    return Statistics(n, mean, covariance * (n - 1))


def textbook(a, b):
    root = scipy.linalg.sqrtm((a.covariance @ b.covariance).numpy())
    trace = (a.covariance + b.covariance).trace().item() - 2 * np.trace(root).real
    return (a.mean - b.mean).square().sum().item() + trace


def close(a, b, tolerance):
    return (a - b).abs().max() <= tolerance * b.abs().max()


@pytest.mark.parametrize(("n", "d"), [(50, 7), (700, 2 * STRIP), (800, 2 * STRIP + 3), (40, 300)])
def test_mean_and_covariance_are_numpys(n, d):
    x = features("x", n, d, scale=3.0, shift=100.0)
    s = Statistics.of(x)
    assert np.allclose(s.mean, x.numpy().mean(0), rtol=1e-14)
    assert np.allclose(s.covariance, np.cov(x.numpy(), rowvar=False, ddof=1), rtol=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_batches_and_their_order_do_not_matter(sizes, random):
    x = features("merge", sum(sizes), 5, shift=1e4)  # a large mean ruins E[x²] − E[x]²
    batches = list(x.split(sizes))
    random.shuffle(batches)
    total = Statistics.of(batches[0])
    for batch in batches[1:]:
        total = total + Statistics.of(batch)
    whole = Statistics.of(x)
    assert total.n == whole.n
    assert close(total.mean, whole.mean, 1e-12)
    assert (total.scatter - whole.scatter).abs().max() <= 1e-9 * max(1, whole.scatter.max())


def test_diagonal_closed_form():
    a = gaussian([0.0, 1.0, 2.0], torch.diag(torch.tensor([1.0, 4.0, 9.0])))
    b = gaussian([1.0, 1.0, 4.0], torch.diag(torch.tensor([4.0, 4.0, 1.0])))
    assert frechet_distance(a, b) == pytest.approx(5 + 1 + 0 + 4, rel=1e-14)


def test_shifted_means():
    s = Statistics.of(features("x", 100, 6))
    moved = Statistics(s.n, s.mean + 2, s.scatter)
    assert frechet_distance(s, moved) == pytest.approx(24, rel=1e-12)


@pytest.mark.parametrize(("n", "d"), [(500, 8), (40, 64), (2, 16), (300, 256)])
def test_identical_sets_are_at_zero(n, d):
    s = Statistics.of(features("x", n, d, scale=10.0))
    assert frechet_distance(s, s) == pytest.approx(0, abs=1e-9), (n, d)


def test_rank_deficient_closed_form():
    """Rank one against rank one: Σ = u uᵀ, v vᵀ has the trace |u·v|."""
    u, v = torch.tensor([3.0, 0.0, 4.0, 0.0]), torch.tensor([1.0, 2.0, 0.0, 0.0])
    zero = torch.zeros(4)
    a, b = gaussian(zero, torch.outer(u, u)), gaussian(zero, torch.outer(v, v))
    assert frechet_distance(a, b) == pytest.approx(25 + 5 - 2 * 3, rel=1e-12)
    constant = gaussian(zero, torch.zeros(4, 4))
    assert frechet_distance(a, constant) == pytest.approx(25, rel=1e-12)
    assert frechet_distance(constant, constant) == 0


@pytest.mark.parametrize("d", [1, 3, 20, 64])
def test_agrees_with_the_matrix_square_root(d):
    mix = features("mix", d, d)
    a = Statistics.of(features("a", 500, d) @ mix)
    b = Statistics.of(features("b", 400, d, scale=2.0, shift=0.3))
    assert frechet_distance(a, b) == pytest.approx(textbook(a, b), rel=1e-9)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-12)


def test_fewer_samples_than_dimensions():
    """Both covariances live in the span of the samples, where they have full rank."""
    basis = torch.linalg.qr(features("basis", 50, 10)).Q  # (50, 10)
    a, b = features("a", 30, 10), features("b", 25, 10, scale=2.0)
    inside = frechet_distance(Statistics.of(a), Statistics.of(b))
    embedded = frechet_distance(Statistics.of(a @ basis.T), Statistics.of(b @ basis.T))
    assert embedded == pytest.approx(inside, rel=1e-9)


def by_singular_values(a, b):
    """Without Cholesky, Gram matrices or roots of eigenvalues."""
    roots = []
    for s in (a, b):
        w, v = torch.linalg.eigh(s.covariance)
        roots.append(v * w.clamp(min=0).sqrt())
    overlap = torch.linalg.svdvals(roots[0].T @ roots[1]).sum()
    shift = (a.mean - b.mean).square().sum()
    return (shift + a.covariance.trace() + b.covariance.trace() - 2 * overlap).item()


@pytest.mark.parametrize("n", [4, 40, 63, 64, 65, 66, 300])
@pytest.mark.parametrize("m", [5, 64, 200])
def test_few_samples_agree_with_the_full_decomposition(n, m):
    d = 64
    mix = features("mix", d, d) * torch.logspace(0, -2, d, dtype=torch.float64)
    a, b = features("a", n, d) @ mix, features("b", m, d, scale=1.5, shift=0.1) @ mix
    s, t = Statistics.of(a), Statistics.of(b)
    assert len(s.spread) == min(n, d) and len(t.spread) == min(m, d)
    expected = by_singular_values(s, t)
    assert frechet_distance(s, t) == pytest.approx(expected, rel=1e-7), (n, m)
    assert frechet_distance(t, s) == pytest.approx(expected, rel=1e-7), (n, m)


@pytest.mark.parametrize("span", [0, 3, 6, 9])
@pytest.mark.parametrize("n", [30, 200])
def test_ill_conditioned_covariances_keep_their_digits(span, n):
    """Variances over so many orders of magnitude, as wide nets have."""
    scale = torch.logspace(0, -span, 48, dtype=torch.float64)
    turn = torch.linalg.qr(features("turn", 48, 48)).Q
    a, b = (Statistics.of(features(m, n, 48) * scale @ turn) for m in "ab")
    variance = (a.covariance.trace() + b.covariance.trace()).item()
    expected = by_singular_values(a, b)
    assert frechet_distance(a, b) == pytest.approx(expected, abs=2e-8 * variance)
    assert frechet_distance(a, a) <= 2e-8 * variance


def test_where_eigenvalues_lose_digits_singular_values_are_taken(monkeypatch):
    x, y = features("x", 30, 40), features("y", 30, 40)
    x[20:], y[20:] = x[:10], y[:10]  # duplicates: ten eigenvalues are rounding alone
    a, b = Statistics.of(x), Statistics.of(y)
    counted = []
    svdvals = torch.linalg.svdvals
    monkeypatch.setattr(torch.linalg, "svdvals", lambda m: counted.append(m) or svdvals(m))
    monkeypatch.setattr(module, "PRECISION", 1e-12)
    exact = frechet_distance(a, b)
    assert counted and exact == pytest.approx(by_singular_values(a, b), rel=1e-10)
    counted.clear()
    monkeypatch.setattr(module, "PRECISION", 1e-6)
    assert frechet_distance(a, b) == pytest.approx(exact, rel=1e-6) and not counted


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=8))
def test_batches_are_gathered(sizes):
    x = features("gather", sum(sizes), 20, shift=100.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", 17)
        total = Statistics.gather(iter(x.float().split(sizes)))
    whole = Statistics.of(x.float())
    assert total.n == whole.n and total.spread.shape == whole.spread.shape
    assert close(total.mean, whole.mean, 1e-12)
    assert (total.scatter - whole.scatter).abs().max() <= 1e-9 * max(1, whole.scatter.max())


def test_agrees_with_pytorch_fid():
    score = pytest.importorskip("pytorch_fid.fid_score")
    a, b = (Statistics.of(features(m, 200, 16, scale=s)) for m, s in (("a", 1.0), ("b", 1.5)))
    try:
        theirs = score.calculate_frechet_distance(
            a.mean.numpy(), a.covariance.numpy(), b.mean.numpy(), b.covariance.numpy()
        )
    except TypeError:
        pytest.skip("this pytorch-fid calls scipy's sqrtm with an argument that SciPy removed")
    assert frechet_distance(a, b) == pytest.approx(theirs, rel=1e-9)


def test_pinned_number():
    a = Statistics.of(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]))
    b = Statistics.of(torch.tensor([[1.0, 1.0], [2.0, 1.0], [1.0, 4.0], [3.0, 3.0]]))
    assert frechet_distance(a, b) == pytest.approx(4.9175412993891, rel=1e-12)
    assert textbook(a, b) == pytest.approx(4.9175412993891, rel=1e-6)


def test_refusals_are_sentences():
    x = features("x", 10, 3)
    one = Statistics.of(x[:1])
    with pytest.raises(ValueError, match="one sample is not defined, expected at least 2"):
        frechet_distance(one, Statistics.of(x))
    with pytest.raises(ValueError, match=r"\(0, 3\).*at least one sample"):
        Statistics.of(x[:0])
    with pytest.raises(ValueError, match="there are no features, expected at least one sample"):
        Statistics.gather([])
    with pytest.raises(ValueError, match=r"\(10,\)"):
        Statistics.of(x[:, 0])
    with pytest.raises(ValueError, match="of 3 and of 2 dimensions"):
        frechet_distance(Statistics.of(x), Statistics.of(x[:, :2]))
    with pytest.raises(ValueError, match="of 3 and of 2 dimensions"):
        Statistics.of(x) + Statistics.of(x[:, :2])
    for wrong in (float("nan"), float("inf")):
        y = x.clone()
        y[4, 1] = wrong
        with pytest.raises(ValueError, match=r"1 of 10 .* not finite.*row 4"):
            Statistics.of(y)
