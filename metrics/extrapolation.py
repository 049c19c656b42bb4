"""FID∞: the Fréchet distance extrapolated to infinitely many samples.

Chong and Forsyth, "Effectively unbiased FID and Inception score and where to find them", 2020,
https://arxiv.org/abs/1911.07023: the bias of a Fréchet distance is, to the first order, a multiple
of 1/N, so the intercept of a regression on 1/N is free of it.

There the real statistics come from a set as good as infinite, and only the generated set shrinks.
A test split is no larger than the generated set, so here both shrink together, row by row, and the
bias of both goes: the value is what the benchmark would measure with an infinite test split. (On
Gaussians of 256 dimensions at a distance of 3.4, the distance of 625 samples is 9.1; shrinking one
set estimates 6.0, shrinking both 3.4.) Sizes go from N/2
to N, since below one sample a dimension the bias is not a multiple of 1/N any more.

Subsets of one set differ by chance the more the smaller they are, the variance of their distances
being nearly a multiple of 1/n − 1/N. So the line goes through the distance of the whole set, and
the slope of least squares with these weights is Σ (d²ₙ − d²_N) / Σ (1/n − 1/N). The subsets lie
end to end around one random order of the samples, which uses all of them equally often. (Both
together make the value depend on that order four times less than plain least squares on subsets
drawn afresh.)

An estimate and not a distance: it falls below 0 for sets that are closer than its error.
"""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from mmbench.core.data import Dataset
from mmbench.core.score import Context, Generated, Metric, Score
from mmbench.metrics.extractors.inception import inception
from mmbench.metrics.statistics.features import compare, paired
from mmbench.metrics.statistics.frechet import Statistics, frechet_distance
from mmbench.protocols.arguments import at_least
from mmbench.seeds import stream

SIZES = 15
"""Number of sizes in the regression; the largest is the whole set."""
PER_DIMENSION = 2
"""The fewest samples for each dimension of the features."""
LEAST = 4096
"""The fewest samples for Inception's 2,048 dimensions."""


def extrapolated_distance(generated: Tensor, real: Tensor, sizes: int = SIZES) -> float:
    """The squared Fréchet distance of two sets of features if they were infinite.

    Args:
        generated: (N, d) features, N at least 2·d.
        real: (N, d) features; row i may belong to row i of the generated ones.
        sizes: How many sizes the regression takes, from N/2 to N at equal steps.

    Raises:
        ValueError: The features are not finite, differ in shape, or are too few.
    """
    x, y = paired(generated, real)
    n, d = x.shape
    expect_samples(n, len(y), PER_DIMENSION * d)
    at_least(2, sizes=sizes)
    whole = frechet_distance(Statistics.of(x), Statistics.of(y))
    order = torch.randperm(n, generator=stream(0, "FID extrapolation")).to(x.device)
    start, rise, run = 0, 0.0, 0.0
    for count in torch.linspace(n / 2, n, sizes, dtype=torch.float64).round().long()[:-1].tolist():
        rows = order.roll(-start)[:count]
        start = (start + count) % n
        rise += frechet_distance(Statistics.of(x[rows]), Statistics.of(y[rows])) - whole
        run += 1 / count - 1 / n
    return whole - rise / run / n


def expect_samples(generated: int, real: int, least: int) -> None:
    """Refuses sets of so many samples that do not extrapolate; they need `least`.

    Raises:
        ValueError: The sets differ in size, or are too small.
    """
    if generated != real:
        raise ValueError(f"{generated} generated and {real} real samples, expected as many")
    if generated < least:
        few = f"{generated:,} samples are too few to extrapolate from"
        raise ValueError(f"{few}, expected at least {least:,}")


def _of_as_many(generated: Tensor, real: Tensor) -> float:
    """The distance; training examples that stand for samples may be fewer than real ones."""
    n = min(len(generated), len(real))
    return extrapolated_distance(generated[:n], real[:n])


def _compute(generated: Generated, dataset: Dataset, context: Context) -> Iterator[Score]:
    scores = partial(compare, "fid-infinity", _of_as_many, through=inception)
    return scores(generated, dataset, context, least=LEAST)


fid_infinity = Metric(
    name="fid-infinity",
    title="FID∞",
    better="lower",
    unit="",
    paper="Chong and Forsyth, Effectively unbiased FID and Inception score and where to find "
    "them, 2020, https://arxiv.org/abs/1911.07023",
    judge="inception",
    least=LEAST,
    compute=_compute,
)
