"""Renders of tables: Markdown, CSV, LaTeX, HTML, and text for a terminal.

Names come from records, which may come from strangers: each render escapes them.
"""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from mmbench.core.score import JOINT
from mmbench.leaderboard.tables.cells import Cell
from mmbench.leaderboard.tables.html import (
    html_cells,
    html_head,
    html_name,
    html_page,
    html_section,
)
from mmbench.leaderboard.tables.table import Row, Table
from mmbench.registry import nearest
from mmbench.text import (
    SUPERSCRIPT,
    escape_csv,
    escape_latex,
    escape_markdown,
    latex_table,
    markdown_table,
    pad,
    plain,
    printed_width,
)

Render = TypeVar("Render")

WIDTH = 100
"""Columns of the terminal; a wider table is continued below."""

CSV_COLUMNS = ("table", "dataset", "metric", "model", "protocol_hash", "data", "target", "given",
               "mean", "std", "low", "high", "seeds", "scores", "scores_wanted",
               "footnotes")  # fmt: skip
"""Of the CSV; "low" to "high" is the interval over samples, "scores" of "scores_wanted" were
averaged in each run."""

LEGEND = "Best {}, second {}."


def render(tables: Sequence[Table], suffix: str) -> str:
    """Some tables as text.

    Args:
        tables: What to show.
        suffix: ".md", ".csv", ".tex" (needs the package booktabs), ".html" or "terminal".

    Raises:
        ValueError: There is no such render.
    """
    renders: dict[str, Callable[[Sequence[Table]], str]] = {
        ".md": lambda ts: "\n".join(map(markdown, ts)),
        ".csv": comma_separated,
        ".tex": lambda ts: "\n".join(map(latex, ts)),
        ".html": html,
        "terminal": lambda ts: "\n".join(map(terminal, ts)),
    }
    return chosen(renders, suffix)(tables)


def chosen(renders: Mapping[str, Render], suffix: str) -> Render:
    """That of a suffix.

    Raises:
        ValueError: There is no such render.
    """
    if suffix not in renders:
        endings = [s for s in renders if s.startswith(".")]
        raise ValueError(f"no table can be written as {suffix!r}{nearest(suffix, endings)}")
    return renders[suffix]


def markdown(table: Table) -> str:
    """GitHub-flavoured Markdown."""
    esc = escape_markdown

    def cell(c: Cell) -> str:
        shown = {0: "{}", 1: "**{}**", 2: "<u>{}</u>"}[c.rank].format(mean(c))
        marks = _marks(c)
        return shown + spread(c) + (f"<sup>{marks}</sup>" if marks else "")

    lines = [["Model", "Runs", *(esc(c.title) for c in table.columns)],
             [":--", "--:", *("--:" for _ in table.columns)]]  # fmt: skip
    lines += [[esc(r.label), _runs(r), *map(cell, r.cells)] for r in table.rows]
    notes = _notes(table, "bold", "underlined")
    return markdown_table(table.title, lines, table.footnotes, notes)


def comma_separated(tables: Sequence[Table]) -> str:
    """A line for each cell, for machines: numbers in full, empty where there is none."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for table in tables:
        for row in table.rows:
            for column, c in zip(table.columns, row.cells, strict=True):
                why = "; ".join(table.footnotes[i - 1] for i in c.footnotes)
                writer.writerow([
                    *map(escape_csv, (table.title, table.dataset, table.metric,
                                       row.model or row.label, row.protocol_hash, row.data,
                                       column.target, column.given)),
                    *("" if x is None else repr(x)
                      for x in (c.mean, c.std, *(c.interval or (None, None)))),
                    c.seeds, len(c.terms), len(column.terms), escape_csv(why),
                ])  # fmt: skip
    return out.getvalue()


def latex(table: Table) -> str:
    r"""A table for `\usepackage{booktabs}`, its targets above the modalities given."""
    esc = escape_latex

    def cell(c: Cell) -> str:
        shown = {0: "{}", 1: r"\textbf{{{}}}", 2: r"\underline{{{}}}"}[c.rank].format(mean(c))
        shown = shown.replace("–", "--")
        shown += spread(c).replace("±", r"$\pm$").replace("[", "{[}")
        marks = _marks(c)
        return shown + (rf"\textsuperscript{{{marks}}}" if marks else "")

    above, rules, at = ["", ""], [], 3
    for target, count in table.groups:
        above.append(rf"\multicolumn{{{count}}}{{c}}{{{esc(target)}}}")
        rules += [rf"\cmidrule(lr){{{at}-{at + count - 1}}}"] if target else []
        at += count
    head = [" & ".join(above) + r" \\", " ".join(rules)] if rules else []
    rows = [["Model", "Runs", *(esc(c.given) for c in table.columns)]]
    rows += [[esc(r.label), _runs(r), *map(cell, r.cells)] for r in table.rows]
    body = [" & ".join(x) + r" \\" for x in rows]
    return latex_table(table.title, "ll" + "r" * len(table.columns), [*head, body[0]], body[1:],
                       table.footnotes, _notes(table, "bold", "underlined"))  # fmt: skip


def html(tables: Sequence[Table]) -> str:
    """A self-contained page; a table has its targets above the modalities given."""
    sections = []
    for i, table in enumerate(tables, 1):
        groups = table.groups
        head = html_head(["Model", "Runs"], groups, [c.given for c in table.columns])
        rows = []
        for r in table.rows:
            cells = [(c.rank, mean(c), spread(c), _marks(c)) for c in r.cells]
            names = html_name(r.label) + html_name(_runs(r))
            rows.append(f"<tr>{names}{html_cells(cells, groups)}</tr>")
        sections.append(html_section(f"{i}", table.title, "measured", head, rows,
                                     table.footnotes, _notes(table, "bold", "underlined"))
                        )  # fmt: skip
    return html_page(", ".join(dict.fromkeys(t.dataset for t in tables)), sections)


def terminal(table: Table, width: int = WIDTH) -> str:
    """Aligned text; columns that do not fit are continued below, each time with the models."""
    left = [["", "Model", *(r.label for r in table.rows)], ["", "Runs", *map(_runs, table.rows)]]
    left = [pad([plain(x) for x in column], str.ljust) for column in left]
    blocks: list[list[list[str]]] = []
    for i, c in enumerate(table.columns):
        cells = _aligned([r.cells[i] for r in table.rows])
        arrow = " ←" if c.target and c.given != JOINT else ""
        head = [plain(c.target + arrow), plain(c.given)]
        column = pad([*head, *cells], str.rjust)
        used = sum(printed_width(x[0]) + 2 for x in [*left, *(blocks[-1][2:] if blocks else [])])
        if not blocks or used + printed_width(column[0]) > width:
            blocks.append([*left])
        blocks[-1].append(column)
    lines = [plain(table.title), ""]
    for block in blocks:
        across = ["  ".join(x).rstrip() for x in zip(*block, strict=True)]
        rule = "─" * (sum(printed_width(column[0]) + 2 for column in block) - 2)
        lines += [*across[not across[0] : 2], rule, *across[2:], ""]
    below = [f"{i}: {text}" for i, text in enumerate(table.footnotes, 1)]
    for text in [*below, *_notes(table, "★", "☆")]:
        lines += textwrap.wrap(plain(text), width, subsequent_indent="   ")
    return "\n".join([*lines, ""])


def _notes(table: Table, best: str, second: str) -> list[str]:
    ranked = any(c.rank for r in table.rows for c in r.cells)
    return [*([LEGEND.format(best, second)] if ranked else []), *table.notes]


def _runs(row: Row) -> str:
    if not row.seeds:
        return ""
    return "1 seed" if len(row.seeds) == 1 else f"{len(row.seeds)} seeds"


def mean(c: Cell) -> str:
    """The mean over seeds; a very large one in powers of ten."""
    return "–" if c.mean is None else _number(c.mean, c.decimals)


def spread(c: Cell) -> str:
    """The deviation over seeds, after a space; of one seed the interval over samples."""
    if c.std is not None:
        return f" ± {_number(c.std, c.decimals)}"
    ends = c.interval or ()
    return f" [{', '.join(_number(x, c.decimals) for x in ends)}]" if ends else ""


def _marks(c: Cell) -> str:
    """The numbers of its footnotes."""
    return ",".join(map(str, c.footnotes))


def _number(x: float, decimals: int) -> str:
    return f"{x:.{decimals}f}" if abs(x) < 1e6 else f"{x:.2e}"


def _aligned(cells: Sequence[Cell]) -> list[str]:
    """Cells of a column, with their decimal points below one another."""
    means = pad([" ★☆"[c.rank] + mean(c) for c in cells], str.rjust)
    marks = [_marks(c).translate(SUPERSCRIPT) for c in cells]
    tails = pad([spread(c) + mark for c, mark in zip(cells, marks, strict=True)], str.ljust)
    return [left + right for left, right in zip(means, tails, strict=True)]
