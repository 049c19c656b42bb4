"""A paper's table filled with what it prints, with what was measured, or with both.

Only runs on the very data set of the table, by the paper's own protocol, stand beside published
numbers: never a procedural twin, never samples from elsewhere. Runs by other protocols stand
below, without ranks or differences, and a note says in what their protocols depart. A model that
has runs neither by its paper's protocol nor by another has a line of dashes.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import get_args

from mmbench.core.score import Direction
from mmbench.leaderboard.papers.layouts import PaperTable
from mmbench.leaderboard.papers.lines import Filled, Line, Show
from mmbench.leaderboard.papers.measurements import NONE, covers, departing, measured, unlike
from mmbench.leaderboard.papers.published import published
from mmbench.leaderboard.rows import Mean
from mmbench.leaderboard.tables.cells import Cell, noted, ranked
from mmbench.leaderboard.tables.table import BRACKETS, Table, tables
from mmbench.protocols.variants import of_paper
from mmbench.records.differences import departures
from mmbench.records.record import Record
from mmbench.registry import nearest


def fill(table: PaperTable, records: Iterable[Record] = (), show: Show = "both") -> Filled:
    """A paper's table with its numbers.

    Args:
        table: Its shape.
        records: Records of any runs; a note names those that are left out because they are not
            comparable with the table.
        show: Which numbers; with both, also measured minus published.

    Raises:
        ValueError: `show` is something else, or two records are of the same run.
    """
    if show not in get_args(Show):
        raise ValueError(f"show is {show!r}{nearest(str(show), get_args(Show))}")
    footnotes: list[str] = []
    notes: list[str] = []
    printed = _published(table, footnotes) if show != "measured" else {}
    if show != "measured":
        spread = f"; {table.spread}" if table.spread else ""
        notes.append(f"Published: {table.source}{spread}")
    ours, others, left_out = comparable(table, records)
    found = tables(ours)
    by_others = {r.model for r in others}
    lines: list[Line] = []
    below: list[Line] = []
    for line in measured(table, found, footnotes):
        if not any(x.model == line.model for x in lines) and line.model in printed:
            lines.append(printed[line.model])
        if show == "published" or (line.row is None and line.model in by_others):
            continue
        lines.append(line)
        if show == "both" and (gap := _difference(table, printed[line.model], line, footnotes)):
            lines.append(gap)
    if show != "published":
        notes += _notes(table, found, ours, left_out)
        below = list(departing(table, tables(others), footnotes, notes))
        alone = (c.mean for line in below for c in line.cells if c.mean.std is None)
        if BRACKETS not in notes and any(mean.interval for mean in alone):
            notes.append(BRACKETS)
    return Filled(table, show, (*lines, *below), tuple(footnotes), tuple(notes))


def follows(table: PaperTable, record: Record) -> bool:
    """Whether a record may stand beside a table's published numbers.

    It is a run on the data set of the table, of one of its models, by the protocol of its paper.
    """
    if not _concerns(table, record):
        return False
    paper = of_paper(table.dataset, record.model, table.paper)
    return paper is not None and not departures(record.protocol, paper)


def comparable(
    table: PaperTable, records: Iterable[Record]
) -> tuple[list[Record], list[Record], list[Record]]:
    """(Records that follow the paper's protocol, records by other protocols, all others).

    The first two are of the table's data set and models. They have no references: a paper's table
    has no row for real examples.
    """
    ours: list[Record] = []
    departing: list[Record] = []
    others: list[Record] = []
    for r in records:
        if _concerns(table, r):
            (ours if follows(table, r) else departing).append(replace(r, references=()))
        else:
            others.append(r)
    return ours, departing, others


def _concerns(table: PaperTable, record: Record) -> bool:
    """Whether a record is a run of a model of the table on its data set."""
    models = {m.model for m in table.methods}
    return record.dataset == table.dataset and record.model in models and record.samples is None


def _published(table: PaperTable, footnotes: list[str]) -> dict[str, Line]:
    """Model -> the line of what the paper prints."""
    printed = {
        (p.model, p.metric, frozenset(p.given), len(p.given), p.target): p
        for p in published()
        if (p.paper, p.table) == (table.paper, table.number)
    }
    columns = []
    for h in table.headings:
        what = (h.metric, frozenset(h.given), len(h.given), h.target)
        found = [printed.get((m.model, *what)) for m in table.methods]
        better: Direction = next((p.direction for p in found if p), "higher")
        values = zip(found, table.methods, strict=True)
        ranks = ranked([p.value if p and m.ranked else None for p, m in values], better)
        column = []
        for p, rank in zip(found, ranks, strict=True):
            marks = noted([p.note] if p and p.note else [], footnotes)
            mean = Mean(p.value, p.deviation) if p else Mean()
            column.append(Cell(mean, None, rank=rank, footnotes=marks))
        columns.append(column)
    return {
        m.model: Line(m.label, m.model, "published", "published", "", cells)
        for m, cells in zip(table.methods, zip(*columns, strict=True), strict=True)
    }


def _difference(
    table: PaperTable, printed: Line, measured: Line, footnotes: list[str]
) -> Line | None:
    """Measured minus published; None where no number is both."""
    cells = []
    for heading, ours, theirs in zip(table.headings, measured.cells, printed.cells, strict=True):
        if measured.row is None or ours.mean.value is None or theirs.mean.value is None:
            cells.append(NONE)
            continue
        mean = Mean(float(ours.mean.value) - float(theirs.mean.value))
        said = noted(unlike(table, heading.metric, ours, measured.row), footnotes)
        marks = tuple(sorted({*ours.footnotes, *said}))
        cells.append(Cell(mean, ours.decimals, signed=True, footnotes=marks))
    if all(c.mean.value is None for c in cells):
        return None
    return replace(measured, kind="difference", runs="difference", cells=tuple(cells))


def _notes(
    table: PaperTable, found: Sequence[Table], ours: Sequence[Record], others: Sequence[Record]
) -> Iterable[str]:
    """How the measured numbers came about, and which records they leave out."""
    if not ours:
        yield f"Measured: no run on {table.dataset} by the paper's protocol"
    shown = [
        t
        for t in found
        if any(t.metric == h.metric and covers(h, c) for h in table.headings for c in t.columns)
    ]
    said: dict[str, list[str]] = {}  # note -> metrics
    for t in shown:
        for note in (*t.notes, *t.provenance):
            said.setdefault(note, []).append(t.metric)
    metrics = {t.metric for t in shown}
    for note, of in said.items():
        yield note if set(of) == metrics else f"{', '.join(dict.fromkeys(of))}: {note}"
    names = {m.label: m.model for m in table.methods if m.label.lower() != m.model}
    ran = {r.model for r in ours}
    called = [f"{label} is {model}" for label, model in names.items() if model in ran]
    if called:
        yield f"Measured as: {', '.join(called)}"
    models = {m.model for m in table.methods}
    alike = (r.model for r in others if r.dataset == table.dataset and r.model in models)
    if counts := sorted(Counter(alike).items()):
        left = ", ".join(f"{n} of {model}" for model, n in counts)
        yield f"Left out, made elsewhere: {left}"
    twins = dict.fromkeys(r.dataset for r in others if r.dataset != table.dataset)
    if twins and not ours:
        yield f"Left out, other data sets with tables of their own: {', '.join(twins)}"
