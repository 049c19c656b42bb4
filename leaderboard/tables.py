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
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Literal

from mmbench import registry
from mmbench.core import Metric, Score
from mmbench.leaderboard.columns import Column, Term, columns, modalities
from mmbench.leaderboard.notes import notes
from mmbench.store import Record


@dataclass(frozen=True)
class Cell:
    """A mean over seeds.

    Attributes:
        mean: None where there is no value.
        std: Sample standard deviation; None for fewer than two seeds.
        seeds: Number of seeds that have a value.
        terms: The scores that were averaged in each of them.
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
        columns: The header.
        rows: One for each (model, protocol, data).
        footnotes: Those that cells refer to, the first being number 1.
        notes: Those that concern all cells.
    """

    title: str
    dataset: str
    metric: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...]
    notes: tuple[str, ...]


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
        rows = _rows([r for r in records if r.dataset == dataset])
        names = modalities(r for _, of in rows for r in of)
        scores = [s for _, of in rows for r in of for s in r.scores]
        for metric in sorted({s.metric for s in scores}, key=lambda m: (m != "coherence", m)):
            for itself in (False, True):
                terms = {(s.given, s.target) for s in scores if s.metric == metric
                         and (s.target in s.given) == itself}  # fmt: skip
                if terms:
                    header = columns(terms, names)
                    found.append(_table(metric, describe(metric), itself, header, rows))
    return found


def _rows(records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    """(label of a row, its records by seed); models in the order of the registry."""
    known = list(registry.names("models"))
    rows: dict[tuple[int, str, str, str], list[Record]] = {}
    for r in sorted(records, key=lambda r: r.seed):
        order = known.index(r.model) if r.model in known else len(known)
        same = rows.setdefault((order, r.model, r.protocol_hash, r.data), [])
        if same and same[-1].seed == r.seed:
            raise ValueError(f"two records of {r.model!r} on {r.dataset!r} have seed {r.seed}, "
                             "expected one: a mean would count the run twice")  # fmt: skip
        same.append(r)
    labelled = []
    for (_, model, protocol_hash, data), of in sorted(rows.items()):
        label = model
        if len({r.protocol_hash for r in records if r.model == model}) > 1:
            label += f" [{protocol_hash[:6]}]"
        if len({r.data for r in records if r.model == model}) > 1:
            label += f" (data {data[:6]})"
        labelled.append((label, of))
    return labelled


def _table(
    name: str,
    metric: Metric | None,
    itself: bool,
    header: tuple[Column, ...],
    rows: Sequence[tuple[str, list[Record]]],
) -> Table:
    shown = dict.fromkeys(t for c in header for t in c.terms)
    # Of each row, of each run: what it scored.
    scores = [[{(s.given, s.target): s for s in r.scores if s.metric == name
                and (s.given, s.target) in shown} for r in of] for _, of in rows]  # fmt: skip
    rows = [row for row, runs in zip(rows, scores, strict=True) if any(runs)]
    scores = [runs for runs in scores if any(runs)]

    footnotes: list[str] = []
    cells = [[_cell(runs, column, footnotes) for column in header] for runs in scores]
    better, unit = (metric.better, metric.unit) if metric else (None, "")
    by_column = [_ranked(column, better, unit) for column in zip(*cells, strict=True)]
    finished = [
        Row(label, of[0].model, of[0].protocol_hash, of[0].data, tuple(r.seed for r in of), line)
        for (label, of), line in zip(rows, zip(*by_column, strict=True), strict=True)
    ]
    parts = [
        f"{of[0].dataset}: " if (of := rows[0][1]) else "",
        metric.title if metric else name,
        f" ({unit})" if unit else "",
        {"higher": " ↑", "lower": " ↓", None: ""}[better],
        ", self-reconstruction" if itself else "",
        ", mean over targets and given subsets" if any(len(c.terms) > 1 for c in header) else "",
    ]
    remarks = [(label, of, [run[t] for t in shown for run in runs if t in run])
               for (label, of), runs in zip(rows, scores, strict=True)]  # fmt: skip
    return Table(
        title="".join(parts),
        dataset=rows[0][1][0].dataset,
        metric=name,
        columns=header,
        rows=tuple(finished),
        footnotes=tuple(footnotes),
        notes=tuple(notes(name, remarks)),
    )


def _cell(runs: Sequence[Mapping[Term, Score]], column: Column, footnotes: list[str]) -> Cell:
    """Averages in each run over the terms that all runs have, then over runs."""
    values = [{t: s.value for t, s in run.items() if t in column.terms and s.value is not None}
              for run in runs]  # fmt: skip
    values = [v for v in values if v]
    shared = [t for t in column.terms if values and all(t in v for v in values)]
    means = [fmean(v[t] for t in shared) for v in values] if shared else []
    why = [s.reason for run in runs for t, s in run.items() if t in column.terms and s.reason]
    if values and not means:
        why.append("the seeds have no score in common")
    if not means and not why:
        why.append("not evaluated")
    if means and len(shared) < len(column.terms):
        why.append(f"mean of {len(shared)} of {len(column.terms)} scores")
    if means and len(means) < len(runs):
        why.append(f"over {len(means)} of {len(runs)} seeds")
    footnotes += [text for text in dict.fromkeys(why) if text not in footnotes]
    return Cell(
        mean=fmean(means) if means else None,
        std=stdev(means) if len(means) > 1 else None,
        seeds=len(means),
        terms=tuple(shared),
        footnotes=tuple(sorted({footnotes.index(text) + 1 for text in why})),
    )


def _ranked(cells: Sequence[Cell], better: str | None, unit: str) -> list[Cell]:
    """Sets decimals and ranks; values that look alike share a rank.

    An average over fewer scores than another row's is not comparable: it has no rank.
    """
    decimals = _decimals([c.mean for c in cells if c.mean is not None], unit)
    cells = [replace(c, decimals=decimals) for c in cells]
    whole = max(len(c.terms) for c in cells)
    shown = [None if c.mean is None or len(c.terms) < whole else round(c.mean, decimals)
             for c in cells]  # fmt: skip
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
