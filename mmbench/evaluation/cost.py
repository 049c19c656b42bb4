"""What an evaluation will take: some samples are drawn and scored, and nothing is kept."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from mmbench.core.data import Dataset
from mmbench.core.model import Model
from mmbench.core.score import Context, Generated
from mmbench.evaluation.evaluate import BLOCK, SHOWN, Kept, generate
from mmbench.evaluation.settings import Evaluation
from mmbench.training import allocation

SECONDS = 20.0
"""How long samples are drawn and scored where the fewest do not take longer."""

FEWEST, FEW = 2, 16
"""Samples that are drawn first, and next."""

Given = tuple[str, ...]


@dataclass(frozen=True)
class Cost:
    """What samples take.

    Attributes:
        generation: Seconds to draw them.
        scoring: Seconds to score them.
        memory: Bytes that are taken meanwhile, at the most.
        samples: How many there are.
        disk: Bytes of those that are kept.
    """

    generation: float
    scoring: float
    memory: int = 0
    samples: int = 0
    disk: int = 0

    @property
    def seconds(self) -> float:
        """Of both."""
        return self.generation + self.scoring


class Sampling:
    """Draws samples of a model for the sake of the time that it takes.

    Test examples are scored in the place of samples, since those of an untrained model may be
    nothing that metrics have to cope with.

    Args:
        model: Trained or not.
        dataset: Its test examples condition.
        evaluation: What is drawn and measured.
        context: Of the metrics, which write to its cache.
        seed: The run's.
    """

    def __init__(
        self, model: Model, dataset: Dataset, evaluation: Evaluation, context: Context, seed: int
    ) -> None:
        self.model, self.dataset, self.evaluation = model, dataset, evaluation
        self.context, self.seed, self.rows = context, seed, evaluation.rows(dataset.test)
        self._seen: dict[int, Kept] = {}
        self._count = 0

    def costs(self, subsets: Iterable[Given]) -> dict[Given, Cost]:
        """What drawing and scoring all samples takes, for each of some subsets.

        One subset of each size is timed on more and more samples, up to all, while time lasts.
        Others of its size are then timed once on as many. A subset that was not timed gets the
        mean of its size, or of all if none of its size was timed.
        """
        subsets = list(subsets)
        first = {len(given): given for given in reversed(subsets)}
        start, known = time.monotonic(), dict[Given, Cost]()
        most: dict[int, tuple[int, Cost]] = {}
        for i, (size, given) in enumerate(sorted(first.items())):
            left = start + SECONDS / 2 - time.monotonic()
            if left > 0 or not known:
                n, drawn, known[given] = self._grown(given, left / (len(first) - i))
                most[size] = n, drawn
        for given in subsets:
            if given not in known and len(given) in most:
                n, drawn = most[len(given)]
                if time.monotonic() + drawn.seconds < start + SECONDS:
                    every = known[first[len(given)]]
                    known[given] = _scaled(self._cost(given, n), drawn, every)
        return {given: known.get(given) or _mean(given, known) for given in subsets}

    def _grown(self, given: Given, seconds: float) -> tuple[int, Cost, Cost]:
        """The most samples that time allows, what they take, and what all would."""
        every, end = len(self.rows), time.monotonic() + seconds
        k, n = min(FEWEST, every), min(FEW, every)
        less = self._cost(given, k)  # libraries choose their kernels, networks are loaded
        if less.seconds < seconds / 4:
            less = self._cost(given, k)
        cost = self._cost(given, n)
        while n < every:
            each = max(0.0, cost.seconds - less.seconds) / (n - k)
            left = end - time.monotonic() - cost.seconds
            more = n + int(min(every, left / each if each else every)) if left > 0 else n
            more = min(more, 4 * n, every)
            if more < min(2 * n, every):
                break
            k, less, n, cost = n, cost, more, self._cost(given, more)
        return n, cost, _line(k, less, n, cost, every) if n < every else cost

    def _cost(self, given: Given, n: int) -> Cost:
        """What the first n samples take, with memory for a block of all."""
        device, rows = self.context.device, self.rows[:n]
        self._count += 1
        allocation.forget_peak(device)
        before, start = allocation.peak(device), time.monotonic()
        seen = self._seen.setdefault(n, {})
        drawn = generate(self.model, self.dataset, given, rows, self.seed, self.context, seen)
        allocation.finished(device)
        generation, more = time.monotonic() - start, allocation.peak(device) - before
        # Features of the same samples would be computed once.
        others = self.rows.roll(self._count)[:n]
        real = self.dataset.test.batch(others, list(drawn.samples)) if drawn.samples else {}
        real = {m: x.to(device) for m, x in real.items()}
        start, apart = time.monotonic(), sum(self.context.apart)
        all_ = len(self.rows)
        for metric in self.evaluation.wanted(given) if real else ():
            k = n * len(self.evaluation.chosen(metric.name, all_)) // all_  # as large a share
            if metric.least <= k or n == all_:
                scored = Generated(given, {m: x[:k] for m, x in real.items()}, rows[:k])
                list(metric.compute(scored, self.dataset, self.context))
        scoring = time.monotonic() - start - (sum(self.context.apart) - apart)
        block = before + more * min(BLOCK, all_) // min(BLOCK, n)
        kept = sum(x[:SHOWN].nbytes for x in drawn.samples.values())
        samples = all_ if drawn.samples else 0
        return Cost(generation, scoring, max(block, allocation.peak(device)), samples, kept)


def _line(k: int, less: Cost, n: int, cost: Cost, every: int) -> Cost:
    """What all samples take, on the line through what k and n of them do."""
    steps = (every - n) / (n - k)
    return replace(
        cost,
        generation=cost.generation + steps * max(0.0, cost.generation - less.generation),
        scoring=cost.scoring + steps * max(0.0, cost.scoring - less.scoring),
    )


def _scaled(cost: Cost, like: Cost, every: Cost) -> Cost:
    """What all samples take, of which some were drawn, as others of which all are known."""
    return replace(
        cost,
        generation=cost.generation * _ratio(every.generation, like.generation),
        scoring=cost.scoring * _ratio(every.scoring, like.scoring),
    )


def _ratio(whole: float, part: float) -> float:
    return whole / part if part else 1.0


def _mean(given: Given, known: dict[Given, Cost]) -> Cost:
    """What samples take that cost as much as others do on average."""
    same = [cost for other, cost in known.items() if len(other) == len(given)]
    costs = same or list(known.values())
    n = len(costs)
    generation, scoring = sum(c.generation for c in costs) / n, sum(c.scoring for c in costs) / n
    return replace(costs[0], generation=generation, scoring=scoring)
