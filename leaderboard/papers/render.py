"""Renders of the papers' tables: Markdown, CSV, LaTeX, HTML, and text for a terminal.

What records hold may come from strangers: each render escapes it.
"""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Callable, Sequence

from mmbench.leaderboard.papers.filled import DASH, MINUS, Entry, Filled
from mmbench.leaderboard.papers.published import published
from mmbench.leaderboard.tables.html import (
    html_cells,
    html_head,
    html_name,
    html_page,
    html_section,
)
from mmbench.leaderboard.tables.render import WIDTH, chosen
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

CSV_COLUMNS = ("table", "dataset", "method", "model", "numbers", "runs", "metric", "direction",
               "given", "target", "value", "deviation", "low", "high", "rank", "protocol_hash",
               "source", "footnotes")  # fmt: skip
"""Of the CSV; "numbers" is published, measured or difference (measured minus published)."""


def render(tables: Sequence[Filled], suffix: str) -> str:
    """Some papers' tables as text.

    Args:
        tables: What to show.
        suffix: ".md", ".csv", ".tex" (needs the package booktabs), ".html" or "terminal".

    Raises:
        ValueError: There is no such render.
    """
    renders: dict[str, Callable[[Sequence[Filled]], str]] = {
        ".md": lambda ts: "\n".join(map(markdown, ts)),
        ".csv": comma_separated,
        ".tex": lambda ts: "\n".join(map(latex, ts)),
        ".html": html,
        "terminal": lambda ts: "\n".join(map(terminal, ts)),
    }
    return chosen(renders, suffix)(tables)


def markdown(filled: Filled) -> str:
    """GitHub-flavoured Markdown."""
    esc = escape_markdown

    def cell(e: Entry) -> str:
        value = {0: "{}", 1: "**{}**", 2: "<u>{}</u>"}[e.rank].format(e.text)
        return value + e.spread + (f"<sup>{e.marks}</sup>" if e.marks else "")

    head = [f"{h.group}: {h.title}" if h.group else h.title for h in filled.table.headings]
    left = filled.left
    lines = [[*left, *map(esc, head)], [":--"] * len(left) + ["--:"] * len(head)]
    lines += [[*map(esc, names), *map(cell, line.entries)]
              for names, line in zip(filled.names, filled.lines, strict=True)]  # fmt: skip
    return markdown_table(filled.title, lines, filled.footnotes,
                          filled.below("bold", "underlined"))  # fmt: skip


def comma_separated(tables: Sequence[Filled]) -> str:
    """A line for each cell, for machines: numbers in full, empty where there is none."""
    better = {p.metric: p.direction for p in published()}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for filled in tables:
        table = filled.table
        for line in filled.lines:
            for h, e in zip(table.headings, line.entries, strict=True):
                why = "; ".join(filled.footnotes[i - 1] for i in e.footnotes)
                numbers = (e.value, e.deviation, *(e.interval or (None, None)))
                writer.writerow([
                    *map(escape_csv, (table.name, table.dataset, line.label, line.model,
                                       line.kind, line.runs, h.metric)),
                    better[h.metric], "+".join(h.given), h.target,
                    *("" if x is None else str(x) for x in numbers), e.rank or "",
                    line.protocol_hash, table.source, escape_csv(why),
                ])  # fmt: skip
    return out.getvalue()


def latex(filled: Filled) -> str:
    r"""A table for `\usepackage{booktabs}`, its groups above their columns."""
    esc = escape_latex

    def cell(e: Entry) -> str:
        value = {0: "{}", 1: r"\textbf{{{}}}", 2: r"\underline{{{}}}"}[e.rank].format(e.text)
        signs = {DASH: "--", MINUS: "$-$", "±": r"$\pm$", "[": "{[}"}
        value = "".join(signs.get(c, c) for c in value + e.spread)
        return value + (rf"\textsuperscript{{{e.marks}}}" if e.marks else "")

    left, names = filled.left, filled.names
    above, rules, at = [""] * len(left), [], len(left) + 1
    for group, count in filled.groups:
        above.append(rf"\multicolumn{{{count}}}{{c}}{{{esc(group)}}}")
        rules += [rf"\cmidrule(lr){{{at}-{at + count - 1}}}"] if group else []
        at += count
    head = [" & ".join(above) + r" \\", " ".join(rules)] if rules else []
    head.append(" & ".join([*left, *(esc(h.title) for h in filled.table.headings)]) + r" \\")
    body: list[str] = []
    for (label, *runs), line in zip(names, filled.lines, strict=True):
        body += [r"\addlinespace"] if filled.show == "both" and label and body else []
        body.append(" & ".join([esc(label), *map(esc, runs), *map(cell, line.entries)]) + r" \\")
    shape = "l" * len(left) + "r" * len(filled.table.headings)
    return latex_table(filled.title, shape, head, body, filled.footnotes,
                       filled.below("bold", "underlined"))  # fmt: skip


def html(tables: Sequence[Filled]) -> str:
    """A self-contained page."""
    sections = []
    for filled in tables:
        groups = filled.groups
        head = html_head(filled.left, groups, [h.title for h in filled.table.headings])
        labels = [label for label, *_ in filled.names]
        rows = []
        for i, (line, (label, *runs)) in enumerate(zip(filled.lines, filled.names, strict=True)):
            below = next((k for k, x in enumerate(labels[i + 1 :], 1) if x), len(labels) - i)
            names = [html_name(label, below)] if label else []
            names += map(html_name, runs)
            cells = [(e.rank, e.text, e.spread, e.marks) for e in line.entries]
            kind = line.kind + (" first" if label else "")
            rows.append(f'<tr class="{kind}">{"".join(names)}{html_cells(cells, groups)}</tr>')
        sections.append(html_section(filled.table.name, filled.title, filled.show, head, rows,
                                     filled.footnotes, filled.below("bold", "underlined"))
                        )  # fmt: skip
    return html_page(", ".join(t.table.name for t in tables), sections)


def terminal(filled: Filled, width: int = WIDTH) -> str:
    """Aligned text; columns that do not fit are continued below, each time with the rows' names.

    Args:
        filled: The table.
        width: Columns of the terminal.
    """
    names = zip(*filled.names, strict=True)
    left = [pad([plain(x) for x in ("", "", title, *column)], str.ljust)
            for title, column in zip(filled.left, names, strict=True)]  # fmt: skip
    room = width - sum(printed_width(column[0]) + 2 for column in left)
    spans, at = [], 0
    for group, count in filled.groups:
        columns = [
            pad([plain(filled.table.headings[k].title),
                  *_aligned([line.entries[k] for line in filled.lines])], str.rjust)
            for k in range(at, at + count)
        ]  # fmt: skip
        spans += [_span(plain(group), part) for part in _evenly(columns, room)]
        at += count
    lines = [*textwrap.wrap(plain(filled.title), width), ""]
    for block in _fitting(spans, room):
        across = ["  ".join(x).rstrip() for x in zip(*left, *block, strict=True)]
        rule = "─" * (sum(printed_width(column[0]) + 2 for column in [*left, *block]) - 2)
        lines += [*(across[:2] if across[0] else []), across[2], rule, *across[3:], ""]
    below = [f"{i}: {text}" for i, text in enumerate(filled.footnotes, 1)]
    for text in [*below, *filled.below("★", "☆")]:
        lines += textwrap.wrap(plain(text), width, subsequent_indent="   ")
    return "\n".join([*lines, ""])


def _fitting(columns: Sequence[list[str]], room: int) -> list[list[list[str]]]:
    """Columns of text in as few blocks as fit into a width, two spaces between them."""
    blocks: list[list[list[str]]] = []
    used = 0
    for column in columns:
        wide = printed_width(column[0]) + 2
        if not blocks or used + wide > room + 2:
            blocks.append([])
            used = 0
        blocks[-1].append(column)
        used += wide
    return blocks


def _evenly(columns: Sequence[list[str]], room: int) -> list[list[list[str]]]:
    """The same, of about as many columns each, so that none stands alone without need."""
    blocks = _fitting(columns, room)
    each = -(-len(columns) // max(len(blocks), 1))
    even = [list(columns[i : i + each]) for i in range(0, len(columns), each)]
    fits = all(sum(printed_width(c[0]) + 2 for c in block) <= room + 2 for block in even)
    return even if fits else blocks


def _span(group: str, columns: Sequence[list[str]]) -> list[str]:
    """Columns below one heading, as one column with two lines more."""
    lines = ["  ".join(x) for x in zip(*columns, strict=True)]
    wide = max(printed_width(lines[0]), printed_width(group))
    lines = [" " * (wide - printed_width(x)) + x for x in lines]
    space = wide - printed_width(group)
    above = " " * (space // 2) + group + " " * (space - space // 2)
    return [above, ("─" if group else " ") * wide, *lines]


def _aligned(entries: Sequence[Entry]) -> list[str]:
    """Cells of a column, with their decimal points below one another."""
    parts = [(" ★☆"[e.rank] + e.text).partition(".") for e in entries]
    whole = pad([before for before, _, _ in parts], str.rjust)
    digits = max(len(point + after) for _, point, after in parts)
    tails = [
        (point + after).ljust(digits if e.spread else 0)
        + e.spread
        + e.marks.translate(SUPERSCRIPT)
        for e, (_, point, after) in zip(entries, parts, strict=True)
    ]
    return ["".join(x) for x in zip(whole, pad(tails, str.ljust), strict=True)]
