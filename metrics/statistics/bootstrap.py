"""Bootstrap intervals: how much a mean over samples would vary between samples.

Efron, "Bootstrap methods: another look at the jackknife", 1979,
https://doi.org/10.1214/aos/1176344552.

Fréchet distances have no such interval: a resample holds some samples twice and so fewer distinct
ones, and the distance grows when there are fewer, so that the interval would lie above the value.
"""

import torch
from torch import Tensor

from mmbench.seeds import stream

RESAMPLES = 1000
LEVEL = 0.95
_AT_ONCE = 2**21  # values drawn at a time


def bootstrap(values: Tensor) -> tuple[float, float]:
    """The ends of the percentile interval of a mean: the middle 95 % of 1,000 resamples' means.

    It covers the choice of samples and test examples, not another training of the model. The
    resamples are the same for every set of N values.

    Args:
        values: (N,), one for each sample, N at least 1.

    Raises:
        ValueError: There are no values, or one is not finite.
    """
    if values.ndim != 1 or not len(values) or not bool(values.isfinite().all()):
        shape = tuple(values.shape)
        raise ValueError(f"values of shape {shape} have no interval, expected (N,) finite ones")
    x, n = values.detach().to("cpu", torch.float64), len(values)
    noise = stream(0, "bootstrap", n)
    means, step = [], max(1, _AT_ONCE // n)
    for start in range(0, RESAMPLES, step):
        size = (min(step, RESAMPLES - start), n)
        means.append(x[torch.randint(n, size, generator=noise)].mean(1))
    ends = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64)
    low, high = torch.cat(means).quantile(ends).tolist()
    return low, high
