"""A paper's table filled with what it prints, with what was measured, or with both.

Only runs on the very data set of the table, under the protocol that is shipped for it, stand
beside published numbers: never a procedural twin, never an overridden protocol, never samples
from elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Literal, get_args

from mmbench.core.score import JOINT, Metric
from mmbench.leaderboard.papers.filled import Entry, Filled, Line, Show
from mmbench.leaderboard.papers.layouts import Heading, Method, PaperTable
from mmbench.leaderboard.papers.published import ANY, Published, published
from mmbench.leaderboard.tables.columns import Column
from mmbench.leaderboard.tables.table import Table, registered, tables
from mmbench.protocols.protocol import shipped_hash
from mmbench.records.record import Record
from mmbench.registry import nearest


def fill(
    table: PaperTable,
    records: Iterable[Record] = (),
    show: Show = "both",
    describe: Callable[[str], Metric | None] = registered,
) -> Filled:
    """A paper's table with its numbers.

    Args:
        table: Its shape.
        records: Of any runs; those that do not belong beside it are left out, and told.
        show: Which numbers; with both, also measured minus published.
        describe: Metric name -> direction, title and unit, as in `tables`.

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
        found = tables(ours, describe)
        measured = {m.model: _measured(m, table, found, footnotes) for m in table.methods}
        notes += _notes(table, found, ours, others)
    lines = []
    for method in table.methods:
        lines += [printed[method.model]] if method.model in printed else []
        for line in measured.get(method.model, []):
            lines.append(line)
            if show == "both" and any(e.value is not None for e in line.entries):
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
    cells = {
        (p.model, p.metric, frozenset(p.given), len(p.given), p.target): p
        for p in published()
        if (p.paper, p.table) == (table.paper, table.number)
    }
    columns = []
    for h in table.headings:
        found = [cells.get((m.model, h.metric, frozenset(h.given), len(h.given), h.target))
                 for m in table.methods]  # fmt: skip
        ranks = _ranks(found, table.methods)
        columns.append([
            Entry(p.value, p.deviation, rank=rank, footnotes=_footnote(p.note, footnotes))
            if p else Entry()
            for p, rank in zip(found, ranks, strict=True)
        ])  # fmt: skip
    return {
        m.model: Line(m.label, m.model, "published", "published", "", entries)
        for m, entries in zip(table.methods, zip(*columns, strict=True), strict=True)
    }


def _ranks(cells: Sequence[Published | None], methods: Sequence[Method]) -> list[Literal[0, 1, 2]]:
    """Best and second of a column; equal values share a rank."""
    ranked = [p.value if p and m.ranked else None for p, m in zip(cells, methods, strict=True)]
    if sum(x is not None for x in ranked) < 2:
        return [0] * len(ranked)
    higher = any(p.direction == "higher" for p in cells if p)
    order = sorted({x for x in ranked if x is not None}, reverse=higher)
    ranks: dict[Decimal | None, Literal[0, 1, 2]] = dict(zip(order, (1, 2), strict=False))
    return [ranks.get(x, 0) for x in ranked]


def _footnote(text: str, footnotes: list[str]) -> tuple[int, ...]:
    if not text:
        return ()
    if text not in footnotes:
        footnotes.append(text)
    return (footnotes.index(text) + 1,)


def _measured(
    method: Method, table: PaperTable, found: Sequence[Table], footnotes: list[str]
) -> list[Line]:
    """The lines of what was measured of a method: one for each set of examples."""
    runs = {r.data: r for t in found for r in t.rows if r.model == method.model}
    if not runs:
        empty = tuple(Entry() for _ in table.headings)
        return [Line(method.label, method.model, "measured", "no run", "", empty)]
    lines = []
    for data, row in sorted(runs.items()):
        label = method.label + (f" (data {data[:6]})" if len(runs) > 1 else "")
        entries = tuple(_entry(h, method.model, data, found, footnotes) for h in table.headings)
        seeds = f"{len(row.seeds)} seed{'s' if len(row.seeds) > 1 else ''}"
        lines.append(Line(label, method.model, "measured", seeds, row.protocol_hash, entries))
    return lines


def _entry(
    heading: Heading, model: str, data: str, found: Sequence[Table], footnotes: list[str]
) -> Entry:
    """The cell of the ordinary tables that is below a heading."""
    for table in found:
        for i, column in enumerate(table.columns):
            if table.metric != heading.metric or not _covers(heading, column):
                continue
            for row in table.rows:
                if (row.model, row.data) == (model, data):
                    c = row.cells[i]
                    marks = [n for k in c.footnotes
                             for n in _footnote(table.footnotes[k - 1], footnotes)]  # fmt: skip
                    return Entry(c.mean, c.std, c.interval if c.std is None else None, c.decimals,
                                 rank=c.rank, footnotes=tuple(sorted(marks)))  # fmt: skip
    return Entry(footnotes=_footnote("not evaluated", footnotes))


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
    entries = tuple(
        Entry(float(ours.value) - float(theirs.value), decimals=ours.decimals, signed=True,
              footnotes=ours.footnotes)
        if ours.value is not None and theirs.value is not None else Entry()
        for ours, theirs in zip(measured.entries, printed.entries, strict=True)
    )  # fmt: skip
    return replace(measured, kind="difference", runs="difference", entries=entries)


def _notes(
    table: PaperTable, found: Sequence[Table], ours: Sequence[Record], others: Sequence[Record]
) -> Iterable[str]:
    """How the measured numbers came about, and which records they leave out."""
    if not ours:
        yield f"Measured: no run on {table.dataset} under its shipped protocol"
    shown = [t for t in found for h in table.headings
             if t.metric == h.metric and any(_covers(h, c) for c in t.columns)]  # fmt: skip
    said: dict[str, list[str]] = {}  # note -> metrics
    for t in dict.fromkeys(shown):
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
    same = Counter((r.model, _why(r)) for r in others
                   if r.dataset == table.dataset and r.model in models)  # fmt: skip
    if same:
        told = [f"{n} of {model} ({why})" for (model, why), n in sorted(same.items())]
        yield f"Records left out, not comparable: {', '.join(told)}"
    twins = dict.fromkeys(r.dataset for r in others if r.dataset != table.dataset)
    if twins and not ours:
        yield f"Records left out, of other data sets with tables of their own: {', '.join(twins)}"


def _why(record: Record) -> str:
    if record.samples is not None:
        return "samples from elsewhere"
    return f"protocol {record.protocol_hash}, not the shipped one"
