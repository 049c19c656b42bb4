"""Tables of records, in the shape of tables 10 and 12 to 15 of the MLD paper.

With up to three modalities there is a column for each target and each subset of modalities it
may be given (tables 12 and 13); with more, a column for each number of given modalities, averaged
over targets and subsets (the "leave-one-out" averages of tables 14 and 15). Scores of a target
that is itself given have a table of their own (table 10).

M. Bounoua, G. Franzese, P. Michiardi, "Multi-modal Latent Diffusion", 2023,
https://arxiv.org/abs/2306.04445
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean

from mmbench import registry
from mmbench.core.score import Metric, Score
from mmbench.leaderboard.tables.cells import Cell, cell, ends, ranked
from mmbench.leaderboard.tables.columns import Column, columns, modalities
from mmbench.leaderboard.tables.notes import notes
from mmbench.records.record import Record

REAL = "real examples"
"""The label of rows of references."""


@dataclass(frozen=True)
class Row:
    """The runs of one model under one protocol on the same examples.

    Or what real examples score in the place of samples (`mmbench.evaluation.references`): such a
    row has no model, no protocol and no seeds, and its cells have no rank.
    """

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

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The targets above its columns, and above how many; some are empty."""
        return [(target, len(list(of))) for target, of in groupby(c.target for c in self.columns)]


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
    cells = [[cell(runs, column, footnotes) for column in header] for runs in scores]
    better, unit = (metric.better, metric.unit) if metric else (None, "")
    by_column = [ranked(column, better, unit) for column in zip(*cells, strict=True)]
    finished = [
        Row(label, of[0].model, of[0].protocol_hash, of[0].data, tuple(r.seed for r in of), line)
        for (label, of), line in zip(rows, zip(*by_column, strict=True), strict=True)
    ]
    decimals = [column[0].decimals for column in by_column]
    finished += _real(name, header, [r for _, of in rows for r in of], decimals)
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
        notes=(*notes(name, remarks), *_remarks(finished)),
    )


def _remarks(rows: Sequence[Row]) -> Iterable[str]:
    """What the intervals say, and what the rows of references are."""
    cells = [c for row in rows for c in row.cells if c.interval]
    widths = [(c.interval[1] - c.interval[0]) / 2 for c in cells
              if c.interval and c.std is not None]  # fmt: skip
    if widths:
        places = cells[0].decimals
        yield f"Bootstrap interval over samples (95 %): at most ± {max(widths):.{places}f}"
    if any(c.std is None for c in cells):
        yield "In brackets: bootstrap interval over samples (95 %)"
    if any(not row.seeds for row in rows):
        yield f"{REAL.capitalize()}: what they score in the place of samples"


def _real(
    metric: str, header: Sequence[Column], records: Sequence[Record], decimals: Sequence[int]
) -> Iterable[Row]:
    """A row for each set of references that the records have: one for each data and N."""
    sets: dict[tuple[str, int], dict[str, Score]] = {}
    for r in records:
        for s in r.references:
            if s.metric == metric:
                sets.setdefault((r.data, s.n), {})[s.target] = s
    for (data, n), of in sorted(sets.items()):
        label = REAL
        if len({n for _, n in sets}) > 1:
            label += f", N = {n:,}"
        if len({data for data, _ in sets}) > 1:
            label += f" (data {data[:6]})"
        cells = []
        for column, places in zip(header, decimals, strict=True):
            found = [of.get(target) for _, target in column.terms]
            known = [s for s in found if s is not None and s.value is not None]
            whole = len(known) == len(found)
            one = known[0] if whole and len(known) == 1 else None
            cells.append(Cell(
                mean=fmean(s.value for s in known if s.value is not None) if whole else None,
                std=None,
                seeds=0,
                terms=column.terms if whole else (),
                decimals=places,
                interval=ends([one]) if one else None,
            ))  # fmt: skip
        if any(c.mean is not None for c in cells):
            yield Row(label, "", "", data, (), tuple(cells))
