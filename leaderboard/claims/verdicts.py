"""Whether orders of models show in the records of one data set, and the numbers that say so."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from mmbench.leaderboard.claims.contenders import Contender
from mmbench.leaderboard.claims.printed import origin, printed
from mmbench.leaderboard.claims.quantities import Quantity, Results
from mmbench.leaderboard.claims.significance import Order, Pair, State, decide
from mmbench.leaderboard.papers.layouts import CITATIONS, QUALITY
from mmbench.leaderboard.rows import Mean, known

Side = tuple[Contender | float, ...]


@dataclass(frozen=True)
class Comparison:
    """That every model of one side has more of a quantity than every model of the other.

    Attributes:
        quantity: What is compared.
        larger: The models said to have more, or a number.
        smaller: The models said to have less, or a number.
        but: The number of pairs that need not hold; 1 for "best or second".
        within: By how much the larger may fall short: in points, of distances in %. A model that
            stands on both sides is not compared with itself.
    """

    quantity: Quantity
    larger: Side
    smaller: Side
    but: int = 0
    within: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """Whether a claim holds on one data set.

    Attributes:
        state: "not run" where results are missing.
        evidence: A line for each comparison: means ± deviations over seeds, and the difference
            that decides with its interval. Then what is missing.
        further: If undecided, with how many more seeds of each model it would be decided if means
            and deviations stayed; None where no number up to
            `mmbench.leaderboard.claims.significance.MOST` is known.
        published: A line for each comparison of which a paper prints both sides.
        partial: Whether it holds of those models that have results, and others have none.
    """

    state: State
    evidence: tuple[str, ...]
    further: int | None = None
    published: tuple[str, ...] = ()
    partial: bool = False

    @property
    def words(self) -> str:
        """The state, and what would decide it."""
        if self.further is None:
            return f"{self.state} of those run" if self.partial else self.state
        seeds = "1 more seed" if self.further == 1 else f"{self.further} more seeds"
        return f"{self.state}; {seeds} of each model would decide"


def judge(results: Results, comparisons: Sequence[Comparison]) -> Verdict:
    """Whether all comparisons hold; one that fails decides, whatever the others lack."""
    remarks: list[str] = []
    found = [_order(results, comparison, remarks) for comparison in comparisons]
    orders = [order for order, _, _, _ in found if order]
    evidence = [text for _, _, text, _ in found]
    missing = any(absent for _, _, _, absent in found)
    state, further = decide(orders) if orders else ("not run", None)
    if len(orders) < len(comparisons) and state != "fails":
        state, further = "not run", None
    asked = [replace(c, quantity=of[1]) for c, of in zip(comparisons, found, strict=True)]
    published = tuple(_published(results.dataset, asked))
    partial = state == "holds" and missing
    lines = tuple(dict.fromkeys([*evidence, *remarks]))
    return Verdict(state, lines, further, published, partial)


def _order(
    results: Results, comparison: Comparison, remarks: list[str]
) -> tuple[Order | None, Quantity, str, list[str]]:
    """The pairs of those who ran, or None; of what; the evidence; who did not. Adds remarks."""
    sides = (comparison.larger, comparison.smaller)
    contenders = [c for side in sides for c in side if isinstance(c, Contender)]
    samples, quantity, found = results.samples(comparison.quantity, contenders)
    missing = [c.label for c in dict.fromkeys(contenders) if c not in samples]
    lacking = [f"no results of {', '.join(missing)}"] if missing else []
    larger, smaller = ([*_named(side, samples)] for side in sides)
    pairs = tuple(
        Pair(a, *_relaxed(b, y, comparison, x))
        for x, a in larger
        for y, b in smaller
        if not (comparison.within and x == y)
    )
    if len(pairs) <= comparison.but:
        return None, quantity, f"{quantity.title}: {'; '.join([*lacking, *found])}", missing
    single = [name for name, mean in (*larger, *smaller) if mean.std is None]
    alone = [f"one seed of {', '.join(single)}: no deviation"] if single else []
    remarks += [*alone, *lacking, *found]
    order = Order(pairs, comparison.but)
    first, second = (larger, smaller) if not comparison.but else (smaller, larger)
    sentence = f"{quantity.title}: {_listed(first)} against {_listed(second)}"
    return order, quantity, f"{sentence}; {_difference(order.weakest)}", missing


def _named(side: Side, samples: Mapping[Contender, Mean]) -> Iterator[tuple[str, Mean]]:
    """(Name in the evidence, mean) of those who ran; a number has no name."""
    for c in side:
        if not isinstance(c, Contender):
            yield "", known(c)
        elif c in samples:
            yield c.label, samples[c]


def _relaxed(
    mean: Mean, name: str, comparison: Comparison, other: str
) -> tuple[Mean, tuple[str, str]]:
    """The smaller mean, less by what it may exceed the larger, and the names of both."""
    if not comparison.within or mean.value is None:
        return mean, (other, name)
    if comparison.quantity.metric not in QUALITY:
        lower = float(mean.value) - comparison.within
        return replace(mean, value=lower), (other, f"({name} − {number(comparison.within)})")
    part = 1 / (1 + comparison.within / 100)
    std = None if mean.std is None else float(mean.std) * part
    named = f"{name} / {1 / part:g}"
    return replace(mean, value=float(mean.value) * part, std=std), (other, named)


def _listed(side: Iterable[tuple[str, Mean]]) -> str:
    return ", ".join(f"{name} {number(m)}" if name else number(m.value) for name, m in side)


def _difference(pair: Pair) -> str:
    """A difference and its interval."""
    first = pair.names[0] or number(pair.larger.value)
    second = pair.names[1] or number(pair.smaller.value)
    second = f"({second})" if second.startswith("-") else second
    ends = pair.interval()
    interval = f" [{number(ends[0])}, {number(ends[1])}]" if ends else ""
    return f"{first} − {second} = {number(pair.difference)}{interval}"


def _published(dataset: str, comparisons: Sequence[Comparison]) -> list[str]:
    """What one paper prints of both sides, on the data set or on what it stands in for."""
    name = origin(dataset)
    lines: dict[str, None] = {}
    for comparison in comparisons if name else ():
        assert name is not None  # for the type checker
        sides = [(comparison.larger, comparison.smaller), (comparison.smaller, comparison.larger)]
        own = comparison.quantity.metric
        # The twins' pictures may be measured by another distance than the papers print.
        for metric in dict.fromkeys([own, *(QUALITY if own in QUALITY else ())]):
            quantity = replace(comparison.quantity, metric=metric)
            both = [
                of
                for paper in CITATIONS
                if all(
                    of := [_printed(paper, name, quantity, x) for x in sides[comparison.but > 0]]
                )
            ]
            if both:
                first, second = map(", ".join, max(both, key=lambda of: sum(map(len, of))))
                lines[f"published, {name}: {quantity.title}: {first} against {second}"] = None
    return list(lines)


def _printed(paper: str, dataset: str, quantity: Quantity, side: Side) -> list[str]:
    found = []
    for c in side:
        if isinstance(c, Contender):
            try:
                found.append(f"{c.label} {number(printed(paper, dataset, quantity, c))}")
            except LookupError:
                continue
        else:
            found.append(number(c))
    return found


def number(of: Mean | float | Decimal | None) -> str:
    """A number with two digits or more, and its deviation with as many decimals."""
    mean = of if isinstance(of, Mean) else Mean(of)
    parts = [float(x) for x in (mean.value, mean.std) if x is not None]
    size = max(map(abs, parts))
    decimals = 1 if size >= 1 or not size > 0 else min(4, 1 - math.floor(math.log10(size)))
    return " ± ".join(f"{x:.{decimals}f}" if abs(x) < 1e6 else f"{x:.2e}" for x in parts)
