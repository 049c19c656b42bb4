"""Tables of records, in the shape of tables 10 and 12 to 15 of the MLD paper.

With up to three modalities there is a column for each target and each subset of modalities it
may be given (tables 12 and 13); with more, a column for each number of given modalities, averaged
over targets and subsets (the "leave-one-out" averages of tables 14 and 15). Scores of a target
that is itself given have a table of their own (table 10).

M. Bounoua, G. Franzese, P. Michiardi, "Multi-modal Latent Diffusion", 2023,
https://arxiv.org/abs/2306.04445
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from statistics import fmean, stdev
from typing import Literal

from mmbench import registry
from mmbench.core import JOINT, Metric, Score
from mmbench.store import Record

Term = tuple[tuple[str, ...], str]
"""(given, target): what one score is about."""

WIDEST = 3
"""The largest number of modalities that get a column for each subset."""

FULL_RANK = {"fid": 2048}
"""Metric -> dimension of its features; from fewer samples their covariance is singular."""


@dataclass(frozen=True)
class Column:
    """What the cells below it are averages of.

    Attributes:
        target: The modality generated; "" where the column averages over targets.
        given: What it is generated from, in words.
        terms: The scores that are averaged in each run.
    """

    target: str
    given: str
    terms: tuple[Term, ...]

    @property
    def title(self) -> str:
        """In a line, e.g. "image ← trajectory, sound"."""
        if not self.target:
            return self.given
        if self.given == JOINT:
            return f"{self.target} ({JOINT})"
        return f"{self.target} ← {self.given}"


@dataclass(frozen=True)
class Cell:
    """A mean over seeds.

    Attributes:
        mean: None where no seed has a value.
        std: Sample standard deviation; None for fewer than two seeds.
        seeds: Number of seeds that have a value.
        terms: The scores that were averaged in each of them.
        decimals: Of the mean as shown.
        rank: 1 for the best of its column, 2 for the second, else 0.
        notes: Numbers of footnotes, from 1.
    """

    mean: float | None
    std: float | None
    seeds: int
    terms: tuple[Term, ...]
    decimals: int = 1
    rank: int = 0
    notes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Row:
    """The runs of one model under one protocol on the same examples."""

    label: str
    model: str
    protocol_hash: str
    data: str
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """One metric on one data set.

    Attributes:
        title: With an arrow to the better direction, and the unit.
        dataset: The data set's name.
        metric: The metric's name.
        better: Which direction is good; None for a metric that is not registered.
        unit: "%" or "".
        columns: The header.
        rows: One for each (model, protocol, data).
        footnotes: Those that cells refer to, the first being number 1.
        notes: Those that concern all cells.
    """

    title: str
    dataset: str
    metric: str
    better: Literal["higher", "lower"] | None
    unit: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def registered(name: str) -> Metric | None:
    """The metric of that name, or None if it is not registered or does not import."""
    if name not in registry.names("metrics"):  # a record must not make us import "module:object"
        return None
    try:
        found = registry.find("metrics", name)
    except (ImportError, AttributeError, LookupError):
        return None
    return found if isinstance(found, Metric) else None


def tables(
    records: Iterable[Record], describe: Callable[[str], Metric | None] = registered
) -> list[Table]:
    """The tables of some records: for each data set coherence first, then the other metrics.

    Args:
        records: In any order.
        describe: Metric name -> direction, title and unit; None for a metric that it does not
            know, which is then shown without ranks.

    Raises:
        ValueError: Two records are of the same run, which a mean would count twice.
    """
    records = list(records)
    found = []
    for dataset in sorted({r.dataset for r in records}):
        runs = _runs([r for r in records if r.dataset == dataset])
        scores = [s for group in runs.values() for r in group for s in r.scores]
        modalities = _modalities([r for group in runs.values() for r in group])
        for metric in sorted({s.metric for s in scores}, key=lambda m: (m != "coherence", m)):
            for itself in (False, True):
                terms = {(s.given, s.target) for s in scores if s.metric == metric}
                terms = {t for t in terms if (t[1] in t[0]) == itself}
                if terms:
                    columns = _columns(terms, modalities)
                    found.append(_table(metric, describe(metric), itself, columns, runs))
    return found


def _runs(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Label of a row -> its records, by seed; models in the order of the registry."""
    known = list(registry.names("models"))

    def place(r: Record) -> tuple[int, str, str, str, int]:
        order = known.index(r.model) if r.model in known else len(known)
        return order, r.model, r.protocol_hash, r.data, r.seed

    rows: dict[str, list[Record]] = {}
    for r in sorted(records, key=place):
        same = [x for x in records if x.model == r.model]
        label = r.model
        if len({x.protocol_hash for x in same}) > 1:
            label += f" [{r.protocol_hash[:6]}]"
        if len({x.data for x in same}) > 1:
            label += f" (data {r.data[:6]})"
        rows.setdefault(label, []).append(r)
        if [x.seed for x in rows[label]].count(r.seed) > 1:
            raise ValueError(f"two records of {label!r} on {r.dataset!r} have seed {r.seed}, "
                             "expected one: a mean would count the run twice")  # fmt: skip
    return rows


def _modalities(records: Iterable[Record]) -> list[str]:
    """All modalities, in the order of the protocol, else of appearance."""
    names: dict[str, None] = {}
    for r in records:
        listed = r.protocol.get("modalities")
        names |= dict.fromkeys(listed if isinstance(listed, Mapping) else ())
    for r in records:
        for s in r.scores:
            names |= dict.fromkeys((*s.given, s.target))
    return [m for m in names if m != JOINT]


def _columns(terms: set[Term], modalities: Sequence[str]) -> list[Column]:
    if len(modalities) > WIDEST:
        return _averages(terms, modalities)
    targets = [JOINT, *modalities]

    def place(term: Term) -> tuple[int, int, list[int]]:
        given, target = term
        return targets.index(target), len(given), [modalities.index(m) for m in given]

    return [
        Column("", "Joint", ((given, target),)) if (given, target) == ((), JOINT)
        else Column(target, ", ".join(given) or JOINT, ((given, target),))
        for given, target in sorted(terms, key=place)
    ]  # fmt: skip


def _averages(terms: set[Term], modalities: Sequence[str]) -> list[Column]:
    """A column for each number of given modalities; its terms include those never scored."""
    columns = []
    itself = any(target in given for given, target in terms)
    scored = [m for m in modalities if any(target == m for _, target in terms)]
    for k in range(len(modalities) + 1):
        if not any(len(given) == k for given, _ in terms):
            continue
        wanted = tuple(
            (given, target)
            for target in scored
            for given in combinations(modalities, k)
            if (target in given) == itself
        )
        joint = tuple(sorted(t for t in terms if len(t[0]) == k and t[1] == JOINT))
        if joint:
            columns.append(Column("", f"Joint ← {k} given" if k else "Joint", joint))
        if any(t in terms for t in wanted):
            columns.append(Column("", f"{k} given" if k else "Mean (joint)" if joint else "Joint",
                                  wanted))  # fmt: skip
    return columns


@dataclass
class _Footnotes:
    """Numbers texts in the order of their first use."""

    texts: list[str] = field(default_factory=list)

    def number(self, text: str) -> int:
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1


def _table(
    name: str,
    metric: Metric | None,
    itself: bool,
    columns: Sequence[Column],
    runs: Mapping[str, Sequence[Record]],
) -> Table:
    scores = {
        label: [{(s.given, s.target): s for s in r.scores if s.metric == name} for r in group]
        for label, group in runs.items()
    }
    scores = {label: of for label, of in scores.items()
              if any(t in run for run in of for c in columns for t in c.terms)}  # fmt: skip
    footnotes = _Footnotes()
    better, unit = (metric.better, metric.unit) if metric else (None, "")
    cells = {label: [_cell(of, c, footnotes) for c in columns] for label, of in scores.items()}
    by_column = [_ranked(column, better, unit) for column in zip(*cells.values(), strict=True)]
    rows = []
    for label, row in zip(cells, zip(*by_column, strict=True), strict=True):
        first = runs[label][0]
        seeds = tuple(r.seed for r in runs[label])
        rows.append(Row(label, first.model, first.protocol_hash, first.data, seeds, tuple(row)))
    arrow = {"higher": " ↑", "lower": " ↓", None: ""}[better]
    title = (metric.title if metric else name) + (f" ({unit})" if unit else "") + arrow
    dataset = next(iter(runs.values()))[0].dataset
    averaged = "mean over targets and subsets of given modalities" if not any(
        c.target for c in columns) and len(columns) > 1 else ""  # fmt: skip
    parts = [f"{dataset}: {title}", "self-reconstruction" if itself else "", averaged]
    return Table(
        title=", ".join(p for p in parts if p),
        dataset=dataset,
        metric=name,
        better=better,
        unit=unit,
        columns=tuple(columns),
        rows=tuple(rows),
        footnotes=tuple(footnotes.texts),
        notes=tuple(_notes(name, columns, {k: runs[k] for k in cells}, scores)),
    )


def _cell(runs: Sequence[Mapping[Term, Score]], column: Column, footnotes: _Footnotes) -> Cell:
    """Averages in each run over the terms that all of its kind have, then over runs."""
    values = [{t: s.value for t, s in run.items() if t in column.terms and s.value is not None}
              for run in runs]  # fmt: skip
    values = [v for v in values if v]
    shared = [t for t in column.terms if all(t in v for v in values)] if values else []
    means = [fmean(v[t] for t in shared) for v in values] if shared else []  # type: ignore[misc]
    notes = []
    for run in runs:
        for t in column.terms:
            if t in run and run[t].value is None:
                notes.append(run[t].reason or "no value")
    if not means and not notes:
        notes.append("not evaluated")
    if means and len(shared) < len(column.terms):
        notes.append(f"the mean of {len(shared)} of {len(column.terms)} scores")
    if means and len(means) < len(runs):
        notes.append(f"over {len(means)} of {len(runs)} seeds")
    return Cell(
        mean=fmean(means) if means else None,
        std=stdev(means) if len(means) > 1 else None,
        seeds=len(means),
        terms=tuple(shared),
        notes=tuple(dict.fromkeys(footnotes.number(text) for text in notes)),
    )


def _ranked(cells: Sequence[Cell], better: str | None, unit: str) -> list[Cell]:
    """Sets decimals and ranks. Values that look alike share a rank; averages over fewer scores
    than another row's have none.
    """  # fmt: skip  # noqa: D205, D209
    decimals = _decimals([c.mean for c in cells if c.mean is not None], unit)
    cells = [replace(c, decimals=decimals) for c in cells]
    whole = max(len(c.terms) for c in cells)
    shown = [round(c.mean, decimals) if c.mean is not None and len(c.terms) == whole else None
             for c in cells]  # fmt: skip
    order = sorted({x for x in shown if x is not None}, reverse=better == "higher")
    if better is None or sum(x is not None for x in shown) < 2:
        return cells
    places = {x: rank for rank, x in enumerate(order[:2], 1)}
    return [replace(c, rank=0 if x is None else places.get(x, 0))
            for c, x in zip(cells, shown, strict=True)]  # fmt: skip


def _decimals(means: Sequence[float], unit: str) -> int:
    """One for percentages; else two significant digits of the smallest mean, up to six."""
    if unit == "%" or not any(means):
        return 1
    return min(6, max(1, 1 - math.floor(math.log10(min(abs(x) for x in means if x)))))


def _notes(
    metric: str,
    columns: Sequence[Column],
    runs: Mapping[str, Sequence[Record]],
    scores: Mapping[str, Sequence[Mapping[Term, Score]]],
) -> Iterable[str]:
    """What one must know to compare the numbers; named by row only where rows differ."""
    terms = [t for c in columns for t in c.terms]
    used = {label: [run[t] for run in of for t in terms if t in run]
            for label, of in scores.items()}  # fmt: skip
    counts = {label: sorted({s.n for s in ss if s.value is not None})
              for label, ss in used.items()}  # fmt: skip
    yield "Mean ± sample standard deviation over seeds."
    yield "Seeds: " + _apart({k: ", ".join(str(r.seed) for r in of) for k, of in runs.items()})
    yield "Samples N: " + _apart(
        {k: " and ".join(f"{n:,}" for n in ns) for k, ns in counts.items()}
    )
    few = FULL_RANK.get(metric, 0)
    if any(n < few for ns in counts.values() for n in ns):
        yield (f"Small N: {metric} of fewer than {few:,} samples is biased upwards and can only "
               "be compared at equal N.")  # fmt: skip
    yield "Network evaluations per sample: " + _apart(
        {k: " and ".join(f"{n:,}" for n in sorted({r.evaluations for r in of}))
         for k, of in runs.items()}
    )  # fmt: skip
    yield "Protocol: " + _apart({k: of[0].protocol_hash for k, of in runs.items()})
    extractors: dict[str, None] = {}
    for target in dict.fromkeys(t[1] for t in terms):
        with_ = {k: dict.fromkeys(s.extractor for s in ss if s.target == target and s.extractor)
                 for k, ss in used.items()}  # fmt: skip
        text = _apart({k: " and ".join(names) for k, names in with_.items()})
        extractors |= dict.fromkeys([text] if text else [])
    if extractors:
        yield "Measured with: " + "; ".join(extractors)


def _apart(texts: Mapping[str, str]) -> str:
    """ "a" if that is said of all rows, else "a (row, row); b (row)"; rows without are left out."""
    rows: dict[str, list[str]] = {}
    for label, text in texts.items():
        if text:
            rows.setdefault(text, []).append(label)
    if len(rows) <= 1:
        return next(iter(rows), "")
    return "; ".join(f"{text} ({', '.join(labels)})" for text, labels in rows.items())
