"""A paper's table filled with what it prints, with what was measured, or with both.

Only runs on the very data set of the table, under the protocol that is shipped for it, stand
beside published numbers: never a procedural twin, never an overridden protocol, never samples
from elsewhere.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import get_args

from mmbench.core.score import JOINT
from mmbench.leaderboard.papers.filled import Filled, Line, Show
from mmbench.leaderboard.papers.layouts import Heading, Method, PaperTable
from mmbench.leaderboard.papers.published import ANY, published
from mmbench.leaderboard.rows import Mean
from mmbench.leaderboard.tables.cells import Cell, noted, ranked
from mmbench.leaderboard.tables.columns import Column
from mmbench.leaderboard.tables.table import Table, seeds, tables
from mmbench.protocols.protocol import shipped_hash
from mmbench.records.record import Record
from mmbench.registry import nearest

NONE = Cell(Mean(), None)


def fill(table: PaperTable, records: Iterable[Record] = (), show: Show = "both") -> Filled:
    """A paper's table with its numbers.

    Args:
        table: Its shape.
        records: Of any runs; a note says which are left out since they do not belong beside it.
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
    measured: dict[str, list[Line]] = {}
    if show != "published":
        ours, others = comparable(table, list(records))
        found = tables(ours)
        measured = {m.model: _measured(m, table, found, footnotes) for m in table.methods}
        notes += _notes(table, found, ours, others)
    lines = []
    for method in table.methods:
        lines += [printed[method.model]] if method.model in printed else []
        for line in measured.get(method.model, []):
            lines.append(line)
            if show == "both" and any(c.mean.value is not None for c in line.cells):
                lines.append(_difference(printed[method.model], line))
    return Filled(table, show, tuple(lines), tuple(footnotes), tuple(notes))


def comparable(table: PaperTable, records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """(Records that may stand beside a table's published numbers, all others).

    The first are of the table's data set and models, under the shipped protocol. They have no
    references: a paper's table has no row for real examples.
    """
    hashes = {m.model: shipped_hash(table.dataset, m.model) for m in table.methods}
    ours, others = [], []
    for r in records:
        belongs = r.dataset == table.dataset and r.samples is None
        if belongs and r.protocol_hash == hashes.get(r.model, ""):
            ours.append(replace(r, references=()))
        else:
            others.append(r)
    return ours, others


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
        better = next((p.direction for p in found if p), "higher")
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


def _measured(
    method: Method, table: PaperTable, found: Sequence[Table], footnotes: list[str]
) -> list[Line]:
    """The lines of what was measured of a method: one for each set of examples."""
    rows = {x.row.data: x.row for t in found for x in t.lines if x.row.model == method.model}
    if not rows:
        return [
            Line(
                method.label, method.model, "measured", "no run", "", (NONE,) * len(table.headings)
            )
        ]
    lines = []
    for data, row in sorted(rows.items()):
        label = method.label + (f" (data {data[:6]})" if len(rows) > 1 else "")
        cells = tuple(_cell(h, method.model, data, found, footnotes) for h in table.headings)
        runs = seeds(len(row.seeds))
        lines.append(Line(label, method.model, "measured", runs, row.protocol_hash, cells))
    return lines


def _cell(
    heading: Heading, model: str, data: str, found: Sequence[Table], footnotes: list[str]
) -> Cell:
    """The cell of the ordinary tables that is below a heading."""
    for table in (t for t in found if t.metric == heading.metric):
        for i, column in enumerate(table.columns):
            if not _covers(heading, column):
                continue
            for line in table.lines:
                if (line.row.model, line.row.data) == (model, data):
                    cell = line.cells[i]
                    texts = [table.footnotes[k - 1] for k in cell.footnotes]
                    return replace(cell, footnotes=noted(texts, footnotes))
    return replace(NONE, footnotes=noted(["not evaluated"], footnotes))


def _covers(heading: Heading, column: Column) -> bool:
    """Whether a column averages what a heading says."""
    if heading.target != ANY:
        wanted = (frozenset(heading.given), heading.target)
        return [(frozenset(given), target) for given, target in column.terms] == [wanted]
    return all(
        len(given) == len(heading.given) and target != JOINT and target not in given
        for given, target in column.terms
    )


def _difference(printed: Line, measured: Line) -> Line:
    cells = []
    for ours, theirs in zip(measured.cells, printed.cells, strict=True):
        if ours.mean.value is None or theirs.mean.value is None:
            cells.append(NONE)
            continue
        mean = Mean(float(ours.mean.value) - float(theirs.mean.value))
        cells.append(Cell(mean, ours.decimals, signed=True, footnotes=ours.footnotes))
    return replace(measured, kind="difference", runs="difference", cells=tuple(cells))


def _notes(
    table: PaperTable, found: Sequence[Table], ours: Sequence[Record], others: Sequence[Record]
) -> Iterable[str]:
    """How the measured numbers came about, and which records they leave out."""
    if not ours:
        yield f"Measured: no run on {table.dataset} under its shipped protocol"
    shown = [
        t
        for t in found
        if any(t.metric == h.metric and _covers(h, c) for h in table.headings for c in t.columns)
    ]
    said: dict[str, list[str]] = {}  # note -> metrics
    for t in shown:
        for note in t.notes:
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
    alike = [r for r in others if r.dataset == table.dataset and r.model in models]
    if counts := sorted(Counter((r.model, _why(r)) for r in alike).items()):
        left = [f"{n} of {model} ({why})" for (model, why), n in counts]
        yield f"Records left out, not comparable: {', '.join(left)}"
    twins = dict.fromkeys(r.dataset for r in others if r.dataset != table.dataset)
    if twins and not ours:
        yield f"Records left out, of other data sets with tables of their own: {', '.join(twins)}"


def _why(record: Record) -> str:
    if record.samples is not None:
        return "samples from elsewhere"
    return f"protocol {record.protocol_hash}, not the shipped one"
