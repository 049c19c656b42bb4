"""The evaluation of a trained model: generate from every subset, score, keep what was scored."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmbench.core.data import Batch, Dataset, Modality, Split, subsets
from mmbench.core.model import Embedded, Model
from mmbench.core.score import NOTHING, Context, Generated, Metric, Score
from mmbench.evaluation.checkpoint import Part, place
from mmbench.evaluation.stale import now_possible, other_weights
from mmbench.media.grid import spread
from mmbench.registry import find
from mmbench.seeds import stream

BLOCK = 1000
"""Examples generated together. A constant: each block has a stream of its own, so that the
memory of a machine never changes a number."""

Compute = Callable[[Generated, Dataset, Context], Iterator[Score]]

Kept = dict[tuple[int, str], Tensor]
"""(block, modality) -> what the model made of it."""

SHOWN = 8
"""Examples kept for the sample grid."""


@dataclass(frozen=True)
class Evaluation:
    """The protocol's table `evaluation`.

    Attributes:
        metrics: Metric name -> "all", or the numbers of given modalities it is computed for.
        sampler: Name and parameters of the sampler, for models that have one.
        examples: Test examples conditioned on, and joint samples drawn; 0 means the whole split.
        given: Numbers of given modalities to generate from; all by default.
    """

    metrics: dict[str, str | list[int]]
    sampler: dict[str, Any] | None = None
    examples: int = 0
    given: list[int] | None = None

    def __post_init__(self) -> None:
        if not self.metrics:
            raise ValueError("there is no metric, expected one or more")
        if self.examples < 0:
            raise ValueError(f"examples is {self.examples}, expected 0 (all) or more")
        for name, sizes in self.metrics.items():
            if isinstance(sizes, str) and sizes != "all":
                raise ValueError(f"metrics.{name} is {sizes!r}, expected 'all' or a list")

    def check(self, dataset: Dataset) -> None:
        """Refuses numbers of given modalities that a data set lacks, or that no metric scores.

        Raises:
            ValueError: There is such a number, or no metric is asked for what is generated.
        """
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

    def subsets(self, dataset: Dataset) -> list[tuple[str, ...]]:
        """What to generate from."""
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
        n = len(test)
        if not 0 < self.examples < n:
            return torch.arange(n)
        order = torch.randperm(n, generator=stream(0, "test examples"))
        return order[: self.examples].sort().values


def _called(name: str, metric: Metric) -> Compute:
    """What a metric computes, or a sentence for who wrote the metric, under a protocol's name."""

    def compute(generated: Generated, dataset: Dataset, context: Context) -> Iterator[Score]:
        for s in metric.compute(generated, dataset, context):
            if not isinstance(s, Score) or s.metric != metric.name:
                expected = f"expected a mmbench.core.Score of {metric.name!r}"
                raise ValueError(f"the metric {name} yields {s!r}, {expected}")
            number = isinstance(s.value, int | float) and math.isfinite(s.value)
            if not (number or (s.value is None and s.reason)):
                given = ", ".join(s.given) or NOTHING
                wrong = f"{name} of {s.target} given {given} is {s.value!r}"
                raise ValueError(f"{wrong}, expected a number, or None and a reason")
            yield replace(s, metric=name)

    return compute


def evaluate(
    draw: Callable[[tuple[str, ...]], Generated],
    subsets: Iterable[tuple[str, ...]],
    dataset: Dataset,
    evaluation: Evaluation,
    context: Context,
    folder: Path,
) -> Iterator[Part]:
    """Generates and scores, one subset after the other.

    Each part is kept in a file, so that an interrupted evaluation goes on with the next subset. A
    part that lacked what is there now, or was measured with other weights than the context names,
    is made again.

    Args:
        draw: Modalities given -> samples drawn from them.
        subsets: Of the modalities: what is given.
        dataset: Whose test split conditions and compares.
        evaluation: How to score.
        context: For the metrics.
        folder: For the files.
    """
    for given in subsets:
        path = place(folder, given)
        if not path.exists() or _stale(Part.read(path, given), context):
            start = time.monotonic()
            generated = draw(given)
            drawn = time.monotonic()
            scores: list[Score] = []
            for metric in evaluation.wanted(given) if generated.samples else ():
                scores += metric.compute(generated, dataset, context)
            few = spread(len(generated.rows), SHOWN)
            shown = replace(
                generated,
                samples={m: x[few.to(x.device)].cpu() for m, x in generated.samples.items()},
                rows=generated.rows[few],
            )
            seconds = {
                "evaluation: generation": drawn - start,
                "evaluation: scoring": time.monotonic() - drawn,
            }
            Part(shown, scores, seconds).write(path)
        yield Part.read(path, given)


def _stale(part: Part, context: Context) -> bool:
    named = context.weights
    return bool(now_possible(part.scores, named) or other_weights(part.scores, named))


def generate(
    model: Model,
    dataset: Dataset,
    given: tuple[str, ...],
    rows: Tensor,
    seed: int,
    context: Context,
    kept: Kept | None = None,
) -> Generated:
    """Draws every modality that is not given, and reconstructs those given.

    Reconstructions are drawn from a modality alone and from all together, as in table 10 of
    Bounoua et al., Multi-modal Latent Diffusion, 2023, https://arxiv.org/abs/2306.04445.

    Args:
        model: Trained, on the context's device.
        dataset: Its test split conditions.
        given: The modalities conditioned on.
        rows: (N,) the test examples conditioned on; for joint generation, their number counts.
        seed: The run's.
        context: Device and progress.
        kept: What the model made of modalities for subsets before this one; more is added.
    """
    kept = {} if kept is None else kept
    names = [m.name for m in dataset.modalities]
    targets = names if len(given) in (1, len(names)) else [m for m in names if m not in given]
    targets = model.possible(given, targets)
    if not targets:
        return Generated(given, {}, rows)
    out: dict[str, list[Tensor]] = {m: [] for m in targets}
    title = f"generate from {', '.join(given) or NOTHING}"
    with context.progress.stage(title, len(rows), unit="example") as bar:
        for i, block in enumerate(rows.split(BLOCK)):
            x = _embedded(model, dataset.test, given, i, block, context.device, kept)
            noise = stream(seed, "generate", *given, "block", i, device=context.device)
            made = model.generate(x, targets, len(block), noise)
            for m in targets:
                out[m].append(_expected(made, dataset.modality(m), len(block), model))
            bar.update(min((i + 1) * BLOCK, len(rows)))
    return Generated(given, {m: torch.cat(v) for m, v in out.items()}, rows)


def _expected(made: object, modality: Modality, n: int, model: Model) -> Tensor:
    """What a model made of a target, or a sentence for who wrote the model."""
    name, expected = modality.name, (n, *modality.shape)
    title = f"{type(model).__name__}.generate"
    if not isinstance(made, Mapping):
        returned = f"{title} returned a {type(made).__name__}"
        raise ValueError(f"{returned}, expected a dictionary of target -> tensor")
    if name not in made:
        returned = ", ".join(made) or "nothing"
        raise ValueError(f"{title} did not draw {name}: it returned {returned}")
    x = made[name]
    if not isinstance(x, Tensor):
        kind = type(x).__name__
        raise ValueError(f"{title} drew {name} as a {kind}, expected a torch.Tensor")
    if tuple(x.shape) != expected:
        shape = tuple(x.shape)
        raise ValueError(f"{title} drew {name} of shape {shape}, expected {expected}")
    return x


def _embedded(
    model: Model,
    test: Split,
    given: tuple[str, ...],
    i: int,
    block: Tensor,
    device: torch.device,
    kept: Kept,
) -> Batch:
    """A block of given modalities as the model keeps them, each encoded once."""
    new = [m for m in given if (i, m) not in kept]
    x = {m: v.to(device) for m, v in test.batch(block, new).items()} if new else {}
    y = model.embed(x)
    if new and not isinstance(y, Embedded):
        return y
    kept.update({(i, m): v for m, v in y.items()})
    return Embedded({m: kept[i, m] for m in given})
