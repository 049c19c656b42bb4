"""How a model is evaluated: the protocol's table `evaluation`. Read and checked without torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mmbench.core.score import Context, Generated, Metric, Score, given_in_words
from mmbench.protocols.arguments import at_least
from mmbench.registry import find, nearest
from mmbench.seeds import stream

if TYPE_CHECKING:
    from torch import Tensor

    from mmbench.core.data import Dataset, Split


@dataclass(frozen=True)
class Evaluation:
    """The protocol's table `evaluation`.

    Attributes:
        metrics: Metric name -> "all", or the numbers of given modalities it is computed for.
        sampler: Name and parameters of the sampler, for models that have one.
        examples: Test examples conditioned on, and joint samples drawn; 0 means the whole split.
        given: Numbers of given modalities to generate from; all by default.
        samples: Metric name -> the number of samples that it is computed from, for a metric that
            takes long; all by default.
    """

    metrics: dict[str, str | list[int]]
    sampler: dict[str, Any] | None = None
    examples: int = 0
    given: list[int] | None = None
    samples: dict[str, int] | None = None

    def __post_init__(self) -> None:
        if not self.metrics:
            raise ValueError("there is no metric, expected one or more")
        if self.examples < 0:
            raise ValueError(f"examples is {self.examples}, expected 0 (all) or more")
        for name, sizes in self.metrics.items():
            if isinstance(sizes, str) and sizes != "all":
                raise ValueError(f"metrics.{name} is {sizes!r}, expected 'all' or a list")
        for name, count in (self.samples or {}).items():
            if name not in self.metrics:
                known = nearest(name, self.metrics)
                raise ValueError(f"samples names {name!r}, which is not in metrics{known}")
            if count < 1:
                raise ValueError(f"samples.{name} is {count}, expected at least 1")

    def check(self, dataset: Dataset) -> None:
        """Refuses an evaluation that does not fit a data set.

        Raises:
            LookupError: A metric does not exist.
            ValueError: There is such a number, no metric is asked for what is generated, or one
                has no value for so few samples.
        """
        for metric in self.scorers():
            count = (self.samples or {}).get(metric.name, metric.least)
            at_least(metric.least, **{f"evaluation.samples.{metric.name}": count})
        M = len(dataset.modalities)
        drawn = list(range(M + 1)) if self.given is None else self.given
        if not drawn:
            raise ValueError("given is [], expected numbers of given modalities")
        for sizes in (*self.metrics.values(), self.given or []):
            for k in [] if isinstance(sizes, str) else sizes:
                if not 0 <= k <= M:
                    raise ValueError(
                        f"the evaluation asks for {k} given modalities; {dataset.name} has {M}"
                    )
        wanted = {k for s in self.metrics.values() for k in (drawn if isinstance(s, str) else s)}
        if not wanted & set(drawn):
            metrics = f"the metrics score samples from {sorted(wanted)} given modalities"
            raise ValueError(f"{metrics}, but the evaluation draws from {drawn}")

    def excess(self, dataset: Dataset) -> Iterator[str]:
        """Which settings ask for more samples than there are, a sentence each."""
        n, has = len(dataset.test), f"{dataset.name} has {len(dataset.test):,} test examples"
        if self.examples > n:
            yield f"evaluation.examples is {self.examples:,}: {has}, and all are used"
        elif self.examples:
            n, has = self.examples, f"evaluation.examples is {self.examples:,}"
        for name, count in (self.samples or {}).items():
            if count > n:
                yield f"evaluation.samples.{name} is {count:,}: {has}, and all are used"

    def subsets(self, dataset: Dataset) -> list[tuple[str, ...]]:
        """What to generate from."""
        from mmbench.core.data import subsets

        every = subsets([m.name for m in dataset.modalities])
        return [s for s in every if self.given is None or len(s) in self.given]

    def wanted(self, given: tuple[str, ...]) -> Iterator[Metric]:
        """The metrics that score samples from this subset.

        Raises:
            LookupError: A metric does not exist.
        """
        for sizes, metric in zip(self.metrics.values(), self.scorers(), strict=True):
            if isinstance(sizes, str) or len(given) in sizes:
                yield metric

    def scorers(self) -> Iterator[Metric]:
        """All metrics, which together with their scores are called as in the protocol.

        Raises:
            LookupError: A metric does not exist.
            ValueError: It is not a metric.
        """
        for name in self.metrics:
            metric = find("metrics", name)
            if not isinstance(metric, Metric):
                raise ValueError(f"{name} is not a metric: expected a mmbench.core.Metric")
            yield replace(metric, name=name, compute=_called(name, metric))

    def rows(self, test: Split) -> Tensor:
        """The test examples conditioned on: the same for every model and seed."""
        return _some(len(test), self.examples, "test examples")

    def chosen(self, metric: str, n: int) -> Tensor:
        """Which of n samples a metric is computed from, ascending; for all metrics the same.

        They are drawn at random, since a data set's examples may stand in an order of classes.
        """
        return _some(n, (self.samples or {}).get(metric, n), "samples of a metric")


def _some(n: int, count: int, purpose: str) -> Tensor:
    """So many of the numbers from 0 to n - 1, ascending; all for a count of 0 or above n."""
    import torch

    if not 0 < count < n:
        return torch.arange(n)
    order = torch.randperm(n, generator=stream(0, purpose))
    return order[:count].sort().values


class Unfit(ValueError):
    """What a metric yields is no score of it."""


def _called(name: str, metric: Metric) -> Callable[[Generated, Dataset, Context], Iterator[Score]]:
    """What a metric computes, or a sentence for who wrote the metric, under a protocol's name."""

    def compute(generated: Generated, dataset: Dataset, context: Context) -> Iterator[Score]:
        for s in metric.compute(generated, dataset, context):
            if not isinstance(s, Score) or s.metric != metric.name:
                expected = f"expected a mmbench.core.Score of {metric.name!r}"
                raise Unfit(f"the metric {name} yields {s!r}, {expected}")
            number = isinstance(s.value, int | float) and math.isfinite(s.value)
            if not (number or (s.value is None and s.reason)):
                wrong = f"{name} of {s.target} given {given_in_words(s.given)} is {s.value!r}"
                raise Unfit(f"{wrong}, expected a number, or None and a reason")
            yield replace(s, metric=name)

    return compute
