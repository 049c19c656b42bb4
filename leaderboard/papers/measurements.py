"""What was measured, in the columns of a paper's table."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from mmbench import registry
from mmbench.core.score import JOINT
from mmbench.leaderboard.papers.layouts import Heading, PaperTable
from mmbench.leaderboard.papers.lines import Kind, Line
from mmbench.leaderboard.papers.published import ANY
from mmbench.leaderboard.rows import Mean, Row, mark
from mmbench.leaderboard.tables.cells import Cell, noted
from mmbench.leaderboard.tables.columns import Column
from mmbench.leaderboard.tables.notes import depart, departure
from mmbench.leaderboard.tables.table import Table, seeds
from mmbench.protocols.variants import variants

NONE = Cell(Mean(), None)


def measured(table: PaperTable, found: Sequence[Table], footnotes: list[str]) -> Iterator[Line]:
    """The lines of what was measured by the paper's protocol, in the order of its methods.

    A method has a line for each set of examples, or one of dashes if it has no run.

    Args:
        table: The paper's table.
        found: The ordinary tables of the records.
        footnotes: The footnotes of the paper's table; new ones are appended.
    """
    rows = _rows(found)
    for method in table.methods:
        own = [row for row in rows if row.model == method.model]
        if not own:
            cells = (NONE,) * len(table.headings)
            yield Line(method.label, method.model, "measured", "no run", "", cells)
        for row in own:
            label = _label(method.label, row, own)
            yield _line(label, "measured", row, table, found, footnotes)


def departing(
    table: PaperTable, found: Sequence[Table], footnotes: list[str], notes: list[str]
) -> Iterator[Line]:
    """The lines of what was measured by other protocols, without ranks.

    Notes say in what their protocols depart from the paper's, those that depart alike in one.

    Args:
        table: The paper's table.
        found: The ordinary tables of the records.
        footnotes: The footnotes of the paper's table; new ones are appended.
        notes: The notes below it; new ones are appended.
    """
    rows = _rows(found)
    departures: list[tuple[str, str]] = []
    for method in table.methods:
        own = [row for row in rows if row.model == method.model]
        for row in own:
            called = variants(table.dataset, row.model).get(row.protocol_hash)
            protocol = "data set's own protocol" if called == "" else called
            label = f"{method.label}, {protocol or f'protocol {row.protocol_hash[:6]}'}"
            label = _label(label, row, own)
            line = _line(label, "other", row, table, found, footnotes)
            cells = []
            for heading, cell in zip(table.headings, line.cells, strict=True):
                other = unlike(table, heading.metric, cell, row) if cell.mean.n else ()
                marks = tuple(sorted({*cell.footnotes, *noted(other, footnotes)}))
                cells.append(replace(cell, rank=0, footnotes=marks))
            yield replace(line, cells=tuple(cells))
            listed = departure(row, table.paper)
            older = f"; it is stale: {row.stale}" if row.stale else ""
            departures.append((label, f"the paper's protocol: {listed}{older}"))
    notes += depart(departures)


def unlike(table: PaperTable, metric: str, cell: Cell, row: Row) -> Iterator[str]:
    """How the conditions of a measured number differ from those of the published one beside it.

    Args:
        table: The paper's table.
        metric: The column's metric.
        cell: The measured number.
        row: The row that the cell is in.
    """
    paper = table.samples.get(metric)
    if paper and cell.mean.n and cell.mean.n != {paper}:
        n = ", ".join(f"{n:,}" for n in sorted(cell.mean.n))
        yield f"{metric} of {n} samples, the paper's of {paper:,}"
    scores = (s for r in row.records for s in r.scores if s.metric == metric)
    judges = {name for s in scores for name, _ in s.networks}
    if judges - registry.names("extractors").keys():
        yield f"{metric} by evaluation networks that are not the paper's"


def covers(heading: Heading, column: Column) -> bool:
    """Whether a column averages what a heading says."""
    if heading.target != ANY:
        wanted = (frozenset(heading.given), heading.target)
        return [(frozenset(given), target) for given, target in column.terms] == [wanted]
    return all(
        len(given) == len(heading.given) and target != JOINT and target not in given
        for given, target in column.terms
    )


def _rows(found: Iterable[Table]) -> list[Row]:
    """The rows of models in some tables, by data and protocol."""
    rows = dict.fromkeys(line.row for t in found for line in t.lines if line.row.model)
    return sorted(rows, key=lambda row: (row.data, row.protocol_hash))


def _label(called: str, row: Row, own: Sequence[Row]) -> str:
    """What tells a row from others of its method, after what it is called."""
    data = f" (data {row.data[:6]})" if len({r.data for r in own}) > 1 else ""
    return called + data + mark(row.stale, {r.stale for r in own})


def _line(
    label: str,
    kind: Kind,
    row: Row,
    table: PaperTable,
    found: Sequence[Table],
    footnotes: list[str],
) -> Line:
    cells = tuple(_cell(h, row, found, footnotes) for h in table.headings)
    runs = seeds(len(row.seeds))
    return Line(label, row.model, kind, runs, row.protocol_hash, cells, row)


def _cell(heading: Heading, row: Row, found: Sequence[Table], footnotes: list[str]) -> Cell:
    """The cell of the ordinary tables that is below a heading."""
    for table in (t for t in found if t.metric == heading.metric):
        for i, column in enumerate(table.columns):
            if not covers(heading, column):
                continue
            for line in table.lines:
                if line.row == row:
                    cell = line.cells[i]
                    texts = [table.footnotes[k - 1] for k in cell.footnotes]
                    return replace(cell, footnotes=noted(texts, footnotes))
    return replace(NONE, footnotes=noted(["not evaluated"], footnotes))
