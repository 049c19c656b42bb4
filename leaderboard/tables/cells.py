"""Cells of a table: a mean over seeds, its rank in its column, and how it is written."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from mmbench.core.score import Direction
from mmbench.leaderboard.rows import Mean, Number

DASH = "–"
MINUS = "−"

Rank = Literal[0, 1, 2]


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        mean: What it shows.
        decimals: Decimals of its numbers; None writes them as the paper prints them.
        signed: Whether a plus is written: in a difference.
        rank: 1 for the best of its column, 2 for the second, else 0.
        footnotes: Numbers of footnotes, from 1.
    """

    mean: Mean
    decimals: int | None = 1
    signed: bool = False
    rank: Rank = 0
    footnotes: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The mean as written; a very large one in powers of ten."""
        return DASH if self.mean.value is None else self._write(self.mean.value, self.signed)

    @property
    def spread(self) -> str:
        """The deviation over seeds, after a space; of one seed the interval over samples."""
        if self.mean.std is not None:
            return f" ± {self._write(self.mean.std)}"
        ends = [self._write(x) for x in self.mean.interval or ()]
        return f" [{', '.join(ends)}]" if ends else ""

    @property
    def marks(self) -> str:
        """The numbers of its footnotes."""
        return ",".join(map(str, self.footnotes))

    def _write(self, x: Number, signed: bool = False) -> str:
        if self.decimals is None:
            return str(x)
        form = f".{self.decimals}f" if abs(float(x)) < 1e6 else ".2e"
        return format(x, ("+" if signed else "") + form).replace("-", MINUS)


def noted(texts: Iterable[str], footnotes: list[str]) -> tuple[int, ...]:
    """The numbers of some footnotes of a table, to which new ones are added."""
    texts = list(dict.fromkeys(texts))
    footnotes += [text for text in texts if text not in footnotes]
    return tuple(sorted(footnotes.index(text) + 1 for text in texts))


def column(
    means: Sequence[Mean],
    better: Direction | None,
    unit: str,
    stale: Collection[int] = (),
    least: int = 1,
) -> list[Cell]:
    """The cells of a column, with decimals and ranks; values that look alike share a rank.

    Not ranked: stale rows; averages over fewer scores than another row's; averages over other
    scores, numbers of samples or networks than most current rows have.

    Args:
        means: The means from top to bottom.
        better: As in `mmbench.core.score.Metric`; None for no ranks.
        unit: The metric's unit.
        stale: The places of means that have no rank.
        least: The fewest decimals of numbers that are no percentages.
    """
    places = decimals([m.value for m in means if m.value is not None], unit, least=least)
    fit = [m for i, m in enumerate(means) if m.value is not None and i not in stale]
    whole = max((len(m.terms) for m in fit), default=0)
    counts = Counter((m.terms, m.n, m.judges) for m in fit if len(m.terms) == whole)
    order = lambda alike: (counts[alike], *map(sorted, alike))
    usual = max(counts, key=order, default=None)
    shown: list[Number | None] = [
        round(float(m.value), places)
        if m.value is not None and i not in stale and (m.terms, m.n, m.judges) == usual
        else None
        for i, m in enumerate(means)
    ]
    cells = [Cell(m, places) for m in means]
    if better is None:
        return cells
    ranks = ranked(shown, better)
    return [replace(c, rank=rank) for c, rank in zip(cells, ranks, strict=True)]


def judged(means: Sequence[Mean]) -> list[str]:
    """What each mean of a column was measured with; "" for all where each target's is the same."""
    each: dict[str, set[frozenset[str]]] = {}
    for m in (m for m in means if m.value is not None):
        for target in {target for target, _ in m.judges}:
            own = frozenset(networks for of, networks in m.judges if of == target)
            each.setdefault(target, set()).add(own)
    several = any(len(of) > 1 for of in each.values())
    return [measured_with(m) if several and m.value is not None else "" for m in means]


def measured_with(of: Mean) -> str:
    """The networks of a mean, in words."""
    networks = sorted({networks for _, networks in of.judges if networks})
    return f"measured with {', '.join(networks) or 'no network'}"


def ranked(values: Sequence[Number | None], better: Direction) -> list[Rank]:
    """Best and second of a column; equal values share a rank, and where all are equal none has."""
    order: list[Any] = sorted({x for x in values if x is not None}, reverse=better == "higher")
    if len(order) < 2:
        return [0] * len(values)
    ranks: dict[Any, Rank] = dict(zip(order, (1, 2), strict=False))
    return [ranks.get(x, 0) for x in values]


def decimals(
    means: Iterable[Number], unit: str, stds: Iterable[Number] = (), least: int = 1
) -> int:
    """One for percentages; else two digits of the smallest mean and of the largest deviation."""
    sizes = [*sorted(abs(float(x)) for x in means if x)[:1]]
    sizes += sorted(float(x) for x in stds if x)[-1:]
    if unit == "%" or not sizes:
        return 1
    return min(6, max(least, *(1 - math.floor(math.log10(x)) for x in sizes)))
