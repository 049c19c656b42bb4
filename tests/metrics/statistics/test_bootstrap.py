"""The bootstrap of a mean, against what is known of it."""

import math

import pytest
import torch

from mmbench.metrics.statistics.bootstrap import bootstrap
from mmbench.seeds import stream


def test_of_right_and_wrong_it_is_binomial():
    """Resampled hits are binomial: their quantiles are known but for the resamples' number."""
    from scipy.stats import binom

    for n, hits in ((50, 20), (1000, 930), (10_000, 40)):
        values = (torch.arange(n) < hits).double()
        for end, level in zip(bootstrap(values), (0.025, 0.975), strict=True):
            around = [binom.ppf(level + d, n, hits / n) / n for d in (-0.02, 0.02)]
            assert around[0] - 1 / n <= end <= around[1] + 1 / n


def test_it_is_as_wide_as_the_normal_one():
    values = torch.randn(2000, generator=stream(0, "x"), dtype=torch.float64)
    low, high = bootstrap(values)
    error = float(values.std()) / math.sqrt(2000)
    assert low == pytest.approx(float(values.mean()) - 1.96 * error, abs=0.2 * error)
    assert high == pytest.approx(float(values.mean()) + 1.96 * error, abs=0.2 * error)


def test_it_covers_the_truth_as_often_as_it_says():
    rates = torch.rand(300, 200, generator=stream(0, "coins")) < 0.3
    inside = sum(low <= 0.3 <= high for low, high in (bootstrap(x.double()) for x in rates))
    assert 0.9 <= inside / 300 <= 0.985


def test_it_is_the_same_twice_and_scales_with_the_values():
    values = torch.rand(100, generator=stream(0, "x"))
    low, high = bootstrap(values)
    assert (low, high) == bootstrap(values)
    assert bootstrap(100 * values.double()) == pytest.approx((100 * low, 100 * high))
    assert bootstrap(torch.ones(5)) == (1, 1)
    assert bootstrap(torch.tensor([2.0])) == (2, 2)


@pytest.mark.parametrize("values", [torch.ones(0), torch.ones(2, 2), torch.tensor([1, math.nan])])
def test_what_has_no_mean_is_refused(values):
    with pytest.raises(ValueError, match="have no interval"):
        bootstrap(values)
