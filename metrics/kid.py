"""KID, the kernel Inception distance of RGB images.

Bińkowski, Sutherland, Arbel and Gretton, "Demystifying MMD GANs", 2018,
https://arxiv.org/abs/1801.01401: the unbiased estimate of the squared maximum mean discrepancy of
two sets of features (d dimensions) under the kernel k(x, y) = (x·y / d + 1)³, averaged over random
subsets of both. Their number and size are those of Obukhov et al., "torch-fidelity", 2020,
https://github.com/toshas/torch-fidelity. Sets that are smaller than a subset are taken whole.

Unlike FID the expectation does not depend on the number of samples, so values of different n may
be compared; being unbiased, the estimate falls below 0 for sets that are alike.
"""

from functools import partial

import torch
from torch import Tensor

from mmbench.core.score import Metric
from mmbench.metrics.extractors.inception import inception
from mmbench.metrics.statistics.features import compare, paired
from mmbench.protocols.arguments import at_least
from mmbench.seeds import stream

SUBSETS = 100
SUBSET_SIZE = 1000


def kernel_distance(
    generated: Tensor, real: Tensor, subsets: int = SUBSETS, size: int = SUBSET_SIZE
) -> float:
    """The mean squared discrepancy of random subsets; symmetric up to the choice of subsets.

    Args:
        generated: (N, d) features.
        real: (N', d) features.
        subsets: Number of subsets. Each is drawn without replacement from a random stream of its
            own; there is only one where a subset would be the whole of both sets.
        size: Samples of a subset, at most the smaller of N and N'.

    Raises:
        ValueError: The features are not finite or differ in dimension, or a set has fewer than 2
            samples.
    """
    at_least(1, subsets=subsets)
    at_least(2, size=size)
    x, y = paired(generated, real)
    size = min(size, len(x), len(y))
    if size == len(x) == len(y):
        return squared_discrepancy(x, y)
    total = 0.0
    for i in range(subsets):
        drawn = (x[_subset(len(x), size, i, "generated")], y[_subset(len(y), size, i, "real")])
        total += squared_discrepancy(*drawn)
    return total / subsets


def squared_discrepancy(x: Tensor, y: Tensor) -> float:
    """The unbiased estimate of MMD² from features (N, d) and (N', d) in float64, at least 2 each.

    Memory grows as the product of N and N'.
    """
    within = sum(_off_diagonal_mean(_kernel(a, a)) for a in (x, y))
    return within - 2 * float(_kernel(x, y).mean())


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _off_diagonal_mean(k: Tensor) -> float:
    return float((k.sum() - k.trace()) / (len(k) * (len(k) - 1)))


def _subset(n: int, size: int, i: int, side: str) -> Tensor:
    return torch.randperm(n, generator=stream(0, "KID", "subset", i, side))[:size]


kid = Metric(
    name="kid",
    title="KID",
    better="lower",
    unit="",
    paper="Bińkowski, Sutherland, Arbel and Gretton, Demystifying MMD GANs, 2018, "
    "https://arxiv.org/abs/1801.01401",
    judge="inception",
    least=2,
    compute=partial(compare, "kid", kernel_distance, through=inception),
)
