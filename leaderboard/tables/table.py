"""Tables of records, in the shape of tables 10 and 12 to 15 of the MLD paper.

With up to three modalities there is a column for each target and each subset of modalities it
may be given (tables 12 and 13); with more, a column for each number of given modalities, averaged
over targets and subsets (the "leave-one-out" averages of tables 14 and 15). Scores of a target
that is itself given have a table of their own (table 10).

M. Bounoua, G. Franzese, P. Michiardi, "Multi-modal Latent Diffusion", 2023,
https://arxiv.org/abs/2306.04445
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from mmbench.core.score import Score
from mmbench.leaderboard import facts
from mmbench.leaderboard.rows import Mean, Row, Term, averaged, judge, mean, rows
from mmbench.leaderboard.tables import sheet
from mmbench.leaderboard.tables.cells import Cell, column, judged, measured_with, noted
from mmbench.leaderboard.tables.columns import Column, columns, modalities
from mmbench.leaderboard.tables.notes import notes, provenance, scales
from mmbench.leaderboard.tables.selection import ALL, Selection
from mmbench.records.record import Record

REAL = "real examples"
"""The label of rows of references."""

BRACKETS = "In brackets: bootstrap interval over samples (95 %), without the variation over seeds"
"""What stands behind a score of one seed."""


@dataclass(frozen=True)
class Line:
    """A row of a table: its cells, one for each column.

    The row of what real examples score instead of samples (`mmbench.evaluation.references`) has no
    model, no protocol and no seeds, and its cells have no rank.
    """

    row: Row
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """One metric on one data set.

    Attributes:
        title: With an arrow to the better direction, and the unit.
        dataset: The data set's name.
        metric: The metric's name.
        columns: The header.
        lines: One for each (model, protocol, data).
        footnotes: Those that cells refer to, the first being number 1.
        notes: Those that concern all cells.
        provenance: Where the numbers come from, in sentences.
    """

    title: str
    dataset: str
    metric: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    footnotes: tuple[str, ...]
    notes: tuple[str, ...]
    provenance: tuple[str, ...]

    @property
    def called(self) -> list[str]:
        """The names of its columns, to sort by."""
        return [c.title.lower() for c in self.columns]

    @property
    def sheet(self) -> sheet.Sheet:
        """The table as text, its targets above the modalities given."""
        return sheet.Sheet(
            page=self.dataset,
            anchor="",
            title=self.title,
            kind="measured",
            grouped=False,
            left=("Model", "Runs"),
            headings=tuple(sheet.Heading(c.target, c.given, c.title) for c in self.columns),
            lines=tuple(
                sheet.Line((line.row.label, seeds(len(line.row.seeds))), line.cells)
                for line in self.lines
            ),
            footnotes=self.footnotes,
            notes=self.notes,
            numbers=tuple(
                numbers(self.title, self.metric, line.row, of, cell, self.footnotes)
                for line in self.lines
                for of, cell in zip(self.columns, line.cells, strict=True)
            ),
        )


def numbers(
    table: str, metric: str, row: Row, of: Column, cell: Cell, footnotes: Sequence[str]
) -> dict[str, object]:
    """The line of CSV of a cell: "low" to "high" is the interval over samples.

    Args:
        table: The table's title.
        metric: The metric's name.
        row: The row; one without runs goes by its label.
        of: The column.
        cell: The cell.
        footnotes: Those of the table.
    """
    low, high = cell.mean.interval or (None, None)
    return {
        "table": table,
        "dataset": row.dataset,
        "metric": metric,
        "model": row.model if row.records else row.label,
        "protocol_hash": row.protocol_hash,
        "data": row.data,
        "target": of.target,
        "given": of.given,
        "mean": cell.mean.value,
        "std": cell.mean.std,
        "low": low,
        "high": high,
        "seeds": cell.mean.seeds,
        "scores": len(cell.mean.terms),
        "scores_wanted": len(of.terms),
        "footnotes": "; ".join(footnotes[i - 1] for i in cell.footnotes),
    }


def seeds(count: float) -> str:
    """A number of seeds in words; "" for none."""
    return f"{count} seed{'s' if count > 1 else ''}" if count else ""


def tables(records: Iterable[Record], asked: Selection = ALL) -> list[Table]:
    """The tables of some records, by data set: metrics that count right answers first.

    Args:
        records: Of any runs.
        asked: Which metrics and subsets to show, in which order of rows.

    Raises:
        ValueError: Two records are of the same run, which a mean would count twice.
    """
    found = []
    for _, of in groupby(rows(records), key=lambda row: row.dataset):
        all_rows = list(of)
        runs = runs_of(all_rows)
        names = modalities(runs)
        scores = [s for r in runs for s in r.scores]
        metrics = {s.metric for s in scores if not asked.metrics or s.metric in asked.metrics}
        for metric in sorted(metrics, key=facts.order):
            own = {(s.given, s.target) for s in scores if s.metric == metric}
            for itself in (False, True):
                terms = {(given, t) for given, t in own if (t in given) == itself}
                if header := columns(terms, names, asked):
                    found.append(_table(metric, itself, header, all_rows, asked))
    return found


def _table(
    metric: str, itself: bool, header: tuple[Column, ...], among: list[Row], asked: Selection
) -> Table:
    terms = dict.fromkeys(t for c in header for t in c.terms)
    shown: list[tuple[Row, list[dict[Term, Score]]]] = []
    for row in among:
        runs = [{t: s for t, s in run.items() if t in terms} for run in row.scores(metric)]
        if any(runs):
            shown.append((row, runs))
    own = [row for row, _ in shown]
    footnotes: list[str] = []
    means = [[mean(runs, c.terms) for c in header] for _, runs in shown]
    better, unit = facts.better(metric, runs_of(own)), facts.unit(metric, runs_of(own))
    stale = [i for i, row in enumerate(own) if row.stale]
    by_column = [column(of, better, unit, stale) for of in zip(*means, strict=True)]
    lines = list(map(Line, own, marked(by_column, footnotes)))
    values = [[c.mean.value for c in line.cells] for line in lines]
    called = [((c.title.lower(),), better) for c in header]
    lines = [lines[i] for i in asked.order(values, called)]
    lines += real(metric, header, own, [of[0].decimals for of in by_column], footnotes)
    title = f"{among[0].dataset}: {facts.heading(metric, runs_of(own))}"
    title += ", self-reconstruction" if itself else ""
    if any(len(c.terms) > 1 for c in header):
        title += ", mean over targets and given subsets"
    said = [(row, [run[t] for t in terms for run in runs if t in run]) for row, runs in shown]
    means_of = scales(metric, (c.terms for c in header))
    below = (*notes(metric, said, differ(by_column)), *means_of, *_remarks(lines))
    return Table(
        title,
        among[0].dataset,
        metric,
        header,
        tuple(lines),
        tuple(footnotes),
        below,
        tuple(provenance(said)),
    )


def runs_of(among: Iterable[Row]) -> list[Record]:
    """The records of some rows."""
    return [r for row in among for r in row.records]


def marked(by_column: Sequence[Sequence[Cell]], footnotes: list[str]) -> list[tuple[Cell, ...]]:
    """The cells of each row with their footnotes; new ones are added to the list."""
    judges = [judged([c.mean for c in of]) for of in by_column]
    return [
        tuple(
            replace(c, footnotes=noted(filter(None, (*c.mean.remarks, of[i])), footnotes))
            for c, of in zip(cells, judges, strict=True)
        )
        for i, cells in enumerate(zip(*by_column, strict=True))
    ]


def differ(by_column: Sequence[Sequence[Cell]]) -> bool:
    """Whether rows of one column were measured with different networks."""
    return any(any(judged([c.mean for c in of])) for of in by_column)


def _remarks(lines: Sequence[Line]) -> Iterator[str]:
    """What the intervals say, and what the rows of references are."""
    cells = [c for line in lines for c in line.cells if c.mean.interval]
    widths = [
        ((c.mean.interval[1] - c.mean.interval[0]) / 2, c.decimals or 0)
        for c in cells
        if c.mean.interval and c.mean.std is not None
    ]
    if widths:
        half, places = max(widths)
        # 1.4 may be 1.4000000000000004, whose bound is no 1.5
        bound = math.ceil(round(half * 10**places, 6)) / 10**places
        yield f"Bootstrap interval over samples (95 %): at most ± {bound:.{places}f}"
    if any(c.mean.std is None for c in cells):
        yield BRACKETS
    if any(not line.row.records for line in lines):
        yield f"{REAL.capitalize()}: what they score instead of samples"


def real(
    metric: str,
    header: Sequence[Column],
    among: Sequence[Row],
    decimals: Sequence[int | None],
    footnotes: list[str],
) -> Iterator[Line]:
    """A line for each set of references that the records have: of one data, N and networks."""
    sets = _references(metric, among)
    for data, n, of in sets:
        label = REAL
        if len({n for _, n, _ in sets}) > 1:
            label += f", N = {n:,}"
        if len({data for data, _, _ in sets}) > 1:
            label += f" (data {data[:6]})"
        several = [d for d, k, _ in sets if (d, k) == (data, n)][1:]
        cells = []
        for c, places in zip(header, decimals, strict=True):
            scored = [of[t] for _, t in c.terms if t in of and of[t].value is not None]
            found = Mean()
            marks: tuple[int, ...] = ()
            if len(scored) == len(c.terms):
                alone = mean([{c.terms[0]: scored[0]}], c.terms[:1])
                interval = alone.interval if len(scored) == 1 else None
                judges = frozenset((s.target, judge(s)) for s in scored)
                found = Mean(averaged(scored), terms=c.terms, judges=judges, interval=interval)
                marks = noted([measured_with(found)] if several else [], footnotes)
            cells.append(Cell(found, places, footnotes=marks))
        if any(c.mean.value is not None for c in cells):
            yield Line(Row(label, "", among[0].dataset, data=data), tuple(cells))


def _references(metric: str, among: Sequence[Row]) -> list[tuple[str, int, dict[str, Score]]]:
    """(data, N, target -> score) of the references of some rows, by data and N."""
    sets: list[tuple[str, int, dict[str, Score]]] = []
    for r in (r for row in among for r in row.records):
        own = [s for s in r.references if s.metric == metric]
        for n in sorted({s.n for s in own}):
            of = {s.target: s for s in own if s.n == n}
            for data, count, known in sets:
                shared = known.keys() & of.keys()
                alike = all(judge(known[t]) == judge(of[t]) for t in shared)
                if (data, count) == (r.data, n) and alike:
                    known.update(of)
                    break
            else:
                sets.append((r.data, n, of))
    return sorted(sets, key=lambda one: one[:2])
