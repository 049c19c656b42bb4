"""Cells of a table of results: a mean over seeds, what it is of, and its rank in its column."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Literal

from mmbench.core.score import Score
from mmbench.leaderboard.tables.columns import Column, Term


@dataclass(frozen=True)
class Cell:
    """A mean over seeds.

    Attributes:
        mean: None where there is no value.
        std: Sample standard deviation; None for fewer than two seeds.
        seeds: Number of seeds that have a value.
        terms: The scores that were averaged in each of them.
        n: Numbers of samples of those scores.
        interval: Bootstrap interval over samples: its ends, averaged over seeds; None for an
            average of several scores, and for scores without one.
        decimals: Of the mean as shown.
        rank: 1 for the best of its column, 2 for the second, else 0.
        footnotes: Numbers of footnotes, from 1.
    """

    mean: float | None
    std: float | None
    seeds: int
    terms: tuple[Term, ...]
    decimals: int = 1
    rank: Literal[0, 1, 2] = 0
    footnotes: tuple[int, ...] = ()
    interval: tuple[float, float] | None = None
    n: frozenset[int] = frozenset()


def cell(runs: Sequence[Mapping[Term, Score]], column: Column, footnotes: list[str]) -> Cell:
    """Averages in each run over the terms that all runs have, then over runs.

    Runs that scored one term with different numbers of samples have no mean.

    Args:
        runs: Of each seed, what it scored.
        column: Which scores are averaged.
        footnotes: Of the table; reasons for what is missing are added to it.
    """
    values = [{t: s.value for t, s in run.items() if t in column.terms and s.value is not None}
              for run in runs]  # fmt: skip
    values = [v for v in values if v]
    shared = [t for t in column.terms if values and all(t in v for v in values)]
    means = [fmean(v[t] for t in shared) for v in values] if shared else []
    why = [s.reason for run in runs for t, s in run.items() if t in column.terms and s.reason]
    if values and not means:
        why.append("the seeds have no score in common")
    measured = [{run[t].n for run in runs if t in run and run[t].value is not None}
                for t in shared]  # fmt: skip
    if any(len(of) > 1 for of in measured):
        means = []
        why.append("the seeds have different numbers of samples, and so no mean")
    if not means and not why:
        why.append("not evaluated")
    if means and len(shared) < len(column.terms):
        why.append(f"mean of {len(shared)} of {len(column.terms)} scores")
    if means and len(means) < len(runs):
        why.append(f"over {len(means)} of {len(runs)} seeds")
    footnotes += [text for text in dict.fromkeys(why) if text not in footnotes]
    scored = [run[shared[0]] for run in runs if shared and shared[0] in run]
    alone = len(shared) == len(column.terms) == 1
    return Cell(
        mean=fmean(means) if means else None,
        std=stdev(means) if len(means) > 1 else None,
        seeds=len(means),
        terms=tuple(shared),
        footnotes=tuple(sorted({footnotes.index(text) + 1 for text in why})),
        interval=ends([s for s in scored if s.value is not None]) if alone and means else None,
        n=frozenset().union(*measured),
    )


def ends(scores: Sequence[Score]) -> tuple[float, float] | None:
    """The mean ends of the intervals of one score in several runs, if all have one."""
    low = [s.low for s in scores if s.low is not None]
    high = [s.high for s in scores if s.high is not None]
    return (fmean(low), fmean(high)) if len(low) == len(high) == len(scores) else None


def ranked(cells: Sequence[Cell], better: str | None, unit: str) -> list[Cell]:
    """Sets decimals and ranks; values that look alike share a rank.

    An average over fewer scores than another row's is not comparable: it has no rank, nor have
    scores of other numbers of samples than most rows have.
    """
    decimals = _decimals([c.mean for c in cells if c.mean is not None], unit)
    cells = [replace(c, decimals=decimals) for c in cells]
    whole = max(len(c.terms) for c in cells)
    counts = Counter(c.n for c in cells if c.mean is not None and len(c.terms) == whole)
    usual = max(counts, key=lambda n: (counts[n], sorted(n)), default=None)
    comparable = [c.mean if (len(c.terms), c.n) == (whole, usual) else None for c in cells]
    shown = [None if mean is None else round(mean, decimals) for mean in comparable]
    order = sorted({x for x in shown if x is not None}, reverse=better == "higher")
    if better is None or sum(x is not None for x in shown) < 2:
        return cells
    ranks: dict[float | None, Literal[0, 1, 2]] = dict(zip(order, (1, 2), strict=False))
    return [replace(c, rank=ranks.get(x, 0)) for c, x in zip(cells, shown, strict=True)]


def _decimals(means: Sequence[float], unit: str) -> int:
    """One for percentages; else two significant digits of the smallest mean, up to six."""
    if unit == "%" or not any(means):
        return 1
    return min(6, max(1, 1 - math.floor(math.log10(min(abs(x) for x in means if x)))))
