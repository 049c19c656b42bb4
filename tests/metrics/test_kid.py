"""KID is torch-fidelity's formula, unbiased, and does not depend on what it should not."""

import math

import numpy as np
import pytest
import torch

from mmbench.metrics.kid import kernel_distance, kid, squared_discrepancy
from mmbench.seeds import stream


def features(name, n, d=6, shift=0.0):
    return torch.randn(n, d, generator=stream(0, "kid", name)) + shift


def fidelity(x, y):
    """torch-fidelity's polynomial_mmd, as published: sums without the diagonals."""
    x, y = x.double().numpy(), y.double().numpy()
    kernel = lambda a, b: (a @ b.T * (1.0 / a.shape[1]) + 1.0) ** 3
    xx, yy, xy = kernel(x, x), kernel(y, y), kernel(x, y)
    m = len(x)
    within = xx.sum() - np.diag(xx).sum() + yy.sum() - np.diag(yy).sum()
    return within / (m * (m - 1)) - 2 * xy.sum() / m**2


def test_a_small_set_is_torch_fidelitys_subset():
    x, y = features("x", 300), features("y", 300, shift=0.3)
    assert kernel_distance(x, y) == pytest.approx(fidelity(x, y), rel=1e-10)
    assert kernel_distance(x, y) == kernel_distance(x, y)


def test_subsets_have_torch_fidelitys_expectation():
    x, y = features("x", 700), features("y", 500, shift=0.3)
    rng = np.random.default_rng(0)
    theirs = [
        fidelity(x[rng.choice(700, 50, replace=False)], y[rng.choice(500, 50, replace=False)])
        for _ in range(400)
    ]
    error = np.std(theirs) * math.sqrt(1 / 400 + 1 / 400)
    ours = kernel_distance(x, y, subsets=400, size=50)
    assert ours == pytest.approx(np.mean(theirs), abs=4 * error)
    assert ours == pytest.approx(squared_discrepancy(x.double(), y.double()), abs=4 * error)
    assert ours > 20 * error


def test_torch_fidelity_itself_has_this_expectation():
    theirs = pytest.importorskip("torch_fidelity.metric_kid")
    x, y = features("x", 700), features("y", 500, shift=0.3)
    settings = {"kid_subsets": 400, "kid_subset_size": 50, "rng_seed": 0, "verbose": False}
    found = theirs.kid_features_to_metric(x, y, **settings)
    error = found["kernel_inception_distance_std"] * math.sqrt(1 / 400 + 1 / 400)
    ours = kernel_distance(x, y, subsets=400, size=50)
    assert ours == pytest.approx(found["kernel_inception_distance_mean"], abs=4 * error)
    settings |= {"kid_subsets": 1, "kid_subset_size": 500}  # a subset that is the whole set
    whole = theirs.kid_features_to_metric(x[:500], y, **settings)
    value = whole["kernel_inception_distance_mean"]
    assert kernel_distance(x[:500], y) == pytest.approx(value, rel=1e-4)  # theirs in float32


def test_the_closed_form_of_two_points():
    x, y = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[2.0, 0.0], [2.0, 0.0]])
    # k(x1, x2) = 1, k(y1, y2) = 27, k(x1, y) = 8, k(x2, y) = 1
    assert kernel_distance(x, y) == pytest.approx(1 + 27 - 2 * 4.5, rel=1e-14)


def test_is_unbiased():
    values = [kernel_distance(features(f"a{i}", 40), features(f"b{i}", 40)) for i in range(300)]
    error = np.std(values) / math.sqrt(300)
    assert abs(np.mean(values)) < 4 * error
    assert min(values) < 0 < max(values)


def test_least_for_identical_sets_and_grows_with_corruption():
    x = features("x", 400)
    noise = features("noise", 400)
    values = [kernel_distance(x + s * noise, x) for s in (0, 0.3, 0.6, 1, 2)]
    assert values == sorted(values) and values[0] < 0 < values[-1]  # unbiased, so not 0


def test_exchange_order_and_type_do_not_matter(device):
    x, y = features("x", 300), features("y", 300, shift=0.2)
    value = kernel_distance(x, y)
    assert kernel_distance(y, x) == pytest.approx(value, rel=1e-10)
    order = torch.randperm(300, generator=stream(0, "order"))
    assert kernel_distance(x[order], y) == pytest.approx(value, rel=1e-10)
    assert kernel_distance(x.double(), y.double()) == pytest.approx(value, rel=1e-10)
    assert kernel_distance(x.to(device), y.to(device)) == pytest.approx(value, rel=1e-10)
    # With subsets the order decides what is drawn: equal within their spread.
    several = [
        kernel_distance(x[torch.randperm(300, generator=stream(i, "order"))], y, 50, 60)
        for i in range(8)
    ]
    assert np.std(several) < 0.15 * value and several[0] == pytest.approx(value, rel=0.3)


def test_refusals_are_sentences():
    x = features("x", 10)
    wrong = x.clone()
    wrong[3, 2] = math.nan
    for a, b, words in (
        (wrong, x, r"1 of 10 generated samples are not finite.*row 3"),
        (x, wrong, r"1 of 10 real samples are not finite.*row 3"),
        (x[:0], x, "number of generated samples is 0, expected at least 2"),
        (x, x[:1], "number of real samples is 1, expected at least 2"),
        (x, x[:, :4], "of 6 and of 4 dimensions cannot be compared"),
        (x[0], x, r"generated features have shape \(6,\), expected \(N, d\)"),
    ):
        with pytest.raises(ValueError, match=words):
            kernel_distance(a, b)
    with pytest.raises(ValueError, match="subsets is 0, expected at least 1"):
        kernel_distance(x, x, subsets=0)
    with pytest.raises(ValueError, match="size is 1, expected at least 2"):
        kernel_distance(x, x, size=1)


def test_describes_itself():
    assert (kid.name, kid.better, kid.unit) == ("kid", "lower", "")
    assert "1801.01401" in kid.paper and kid.judge == "inception"
