"""Renders of tables: Markdown, CSV, LaTeX, HTML, and text for a terminal.

Records may be untrusted: each render escapes the texts in them.
"""

import csv
import io
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from shutil import get_terminal_size

from mmbench.files.atomic import write_text
from mmbench.leaderboard.tables import frame
from mmbench.leaderboard.tables.cells import DASH, MINUS, Cell
from mmbench.leaderboard.tables.html import html
from mmbench.leaderboard.tables.sheet import Sheet, Tabular
from mmbench.registry import nearest
from mmbench.text import (
    SUPERSCRIPT,
    escape_csv,
    escape_latex,
    escape_markdown,
    pad,
    plain,
    printed_width,
)

WIDTH, LEAST = 100, 80
"""Columns of text where there is no terminal, and of the narrowest terminal that is cared for."""

Padded = list[str]
"""The texts of a column, from top to bottom, padded to one width."""


def render(tables: Iterable[Tabular], suffix: str) -> str:
    """Tables as ".md", ".csv", ".tex" (needs the package booktabs), ".html" or "terminal".

    Raises:
        ValueError: There is no such format.
    """
    check(suffix, RENDERS)
    return RENDERS[suffix]([t.sheet for t in tables])


def save(tables: Iterable[Tabular], path: Path) -> None:
    """Writes tables to a file, in the format of its suffix.

    Raises:
        ValueError: There is no such format.
        ImportError: The extra [tables] is not installed.
        OSError: The file cannot be written.
    """
    check(path.suffix, SUFFIXES)
    if path.suffix in frame.WRITERS:
        frame.save([x for t in tables for x in t.sheet.numbers], path)
    else:
        write_text(path, render(tables, path.suffix))


def check(suffix: str, known: Collection[str]) -> None:
    """Checks that tables can be written in a format.

    Raises:
        ValueError: They cannot.
    """
    if suffix not in known:
        raise ValueError(f"no table can be written as {suffix!r}{nearest(suffix, SUFFIXES)}")


def markdown(sheet: Sheet) -> str:
    """GitHub-flavoured Markdown."""
    esc = escape_markdown

    def cell(c: Cell) -> str:
        text = ("{}", "**{}**", "<u>{}</u>")[c.rank].format(c.text)
        return text + c.spread + (f"<sup>{c.marks}</sup>" if c.marks else "")

    lines = [[*sheet.left, *(esc(h.alone) for h in sheet.headings)]]
    lines += [[":--"] * len(sheet.left) + ["--:"] * len(sheet.headings)]
    lines += [[*map(esc, line.names), *map(cell, line.cells)] for line in sheet.lines]
    below = [f"<sup>{i}</sup> {esc(text)}" for i, text in enumerate(sheet.footnotes, 1)]
    below += map(esc, sheet.below("bold", "underlined"))
    table = [f"| {' | '.join(x)} |" for x in lines]
    return "\n".join([f"**{esc(sheet.title)}**", "", *table, "", "<br>\n".join(below), ""])


def comma_separated(lines: Sequence[Mapping[str, object]]) -> str:
    """Lines for machines, with the names of the columns above them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([list(lines[0])] if lines else [])
    for line in lines:
        values = ("" if x is None else x for x in line.values())
        writer.writerow(escape_csv(x) if isinstance(x, str) else x for x in values)
    return out.getvalue()


def latex(sheet: Sheet) -> str:
    r"""A table for `\usepackage{booktabs}`, its groups above their columns."""
    esc = escape_latex
    signs = {DASH: "--", MINUS: "$-$", "±": r"$\pm$", "[": "{[}"}

    def cell(c: Cell) -> str:
        text = ("{}", r"\textbf{{{}}}", r"\underline{{{}}}")[c.rank].format(c.text) + c.spread
        text = "".join(signs.get(x, x) for x in text)
        return text + (rf"\textsuperscript{{{c.marks}}}" if c.marks else "")

    left = len(sheet.left)
    above, rules, at = [""] * left, [], left + 1
    for group, count in sheet.groups:
        above.append(rf"\multicolumn{{{count}}}{{c}}{{{esc(group)}}}")
        rules += [rf"\cmidrule(lr){{{at}-{at + count - 1}}}"] if group else []
        at += count
    head = [" & ".join(above) + r" \\", " ".join(rules)] if rules else []
    head.append(" & ".join([*sheet.left, *(esc(h.title) for h in sheet.headings)]) + r" \\")
    body: list[str] = []
    for line in sheet.lines:
        body += [r"\addlinespace"] if sheet.kind == "both" and line.first and body else []
        body.append(" & ".join([*map(esc, line.names), *map(cell, line.cells)]) + r" \\")
    footnotes = enumerate(map(esc, sheet.footnotes), 1)
    below = [rf"\textsuperscript{{{i}}} {text}" for i, text in footnotes]
    below += map(esc, sheet.below("bold", "underlined"))
    shape = "l" * left + "r" * len(sheet.headings)
    top = [r"\begin{table}", r"\centering", rf"\caption{{{esc(sheet.title)}}}"]
    top += [rf"\begin{{tabular}}{{{shape}}}", r"\toprule", *head, r"\midrule"]
    end = [r"\bottomrule", r"\end{tabular}"]
    end += [r"\par\smallskip\begin{minipage}{\linewidth}\footnotesize", " \\\\\n".join(below)]
    return "\n".join([*top, *body, *end, r"\end{minipage}", r"\end{table}", ""])


def room() -> int:
    """Columns of text that fit the terminal."""
    return max(LEAST, get_terminal_size((WIDTH, 0)).columns)


def terminal(sheet: Sheet, width: int | None = None) -> str:
    """Aligned text; columns that do not fit are continued below, each time with the rows' names.

    Args:
        sheet: The table.
        width: Columns of text; by default those of the terminal.
    """
    width = width or room()
    above = ["", ""] if sheet.grouped else [""]
    names = zip(*(line.names for line in sheet.lines), strict=True)
    columns = zip(sheet.left, names, strict=True)
    left = [pad([*above, title, *map(plain, of)], str.ljust) for title, of in columns]
    rest = width - sum(printed_width(column[0]) + 2 for column in left)
    lines = [*textwrap.wrap(plain(sheet.title), width), ""]
    # deviations without spaces around ± where that saves a block
    shapes = (fitting([*_columns(sheet, rest, sign)], rest) for sign in (" ± ", "±"))
    for block in min(shapes, key=len) or [[]]:
        across = ["  ".join(x).rstrip() for x in zip(*left, *block, strict=True)]
        rule = "─" * (sum(printed_width(column[0]) + 2 for column in [*left, *block]) - 2)
        head, body = across[: len(above)], across[len(above) :]
        lines += [*(head if head[0] else []), body[0], rule, *body[1:], ""]
    below = [f"{i}: {text}" for i, text in enumerate(sheet.footnotes, 1)]
    for text in [*below, *sheet.below("★", "☆")]:
        # A hyphen may be within a name or a command, which one pastes.
        lines += textwrap.wrap(plain(text), width, subsequent_indent="   ", break_on_hyphens=False)
    return "\n".join([*lines, ""])


def fitting(columns: Sequence[Padded], room: int) -> list[list[Padded]]:
    """Columns of text in as few blocks as fit into a width, two spaces between them."""
    blocks: list[list[Padded]] = []
    used = 0
    for column in columns:
        wide = printed_width(column[0]) + 2
        if not blocks or used + wide > room + 2:
            blocks.append([])
            used = 0
        blocks[-1].append(column)
        used += wide
    return blocks


def _columns(sheet: Sheet, room: int, sign: str) -> Iterator[Padded]:
    """The columns with their headings: in groups, or each by itself."""
    cells = [_aligned(of, sign) for of in zip(*(line.cells for line in sheet.lines), strict=True)]
    if not sheet.grouped:
        for h, of in zip(sheet.headings, cells, strict=True):
            group = h.group + (" ←" if "←" in h.alone else "")
            yield pad([plain(group), plain(h.title), *of], str.rjust)
        return
    columns = [
        pad([plain(h.title), *of], str.rjust) for h, of in zip(sheet.headings, cells, strict=True)
    ]
    at = 0
    for group, count in sheet.groups:
        parts = _evenly(columns[at : at + count], room)
        yield from (_span(plain(group), part) for part in parts)
        at += count


def _evenly(columns: Sequence[Padded], room: int) -> list[list[Padded]]:
    """As `fitting`, of about as many columns each, so that none stands alone without need."""
    blocks = fitting(columns, room)
    each = -(-len(columns) // max(len(blocks), 1))
    even = [list(columns[i : i + each]) for i in range(0, len(columns), each)]
    fits = all(sum(printed_width(c[0]) + 2 for c in block) <= room + 2 for block in even)
    return even if fits else blocks


def _span(group: str, columns: Sequence[Padded]) -> Padded:
    """Columns below one heading, as one column with two lines more."""
    lines = ["  ".join(x) for x in zip(*columns, strict=True)]
    wide = max(printed_width(lines[0]), printed_width(group))
    lines = [" " * (wide - printed_width(x)) + x for x in lines]
    space = wide - printed_width(group)
    above = " " * (space // 2) + group + " " * (space - space // 2)
    return [above, ("─" if group else " ") * wide, *lines]


def _aligned(cells: Sequence[Cell], sign: str) -> Padded:
    """Cells of a column, with their decimal points below one another."""
    parts = [(" ★☆"[c.rank] + c.text).partition(".") for c in cells]
    digits = max(len(point + after) for _, point, after in parts)
    tails = [
        (point + after).ljust(digits if c.spread else 0)
        + c.spread.replace(" ± ", sign)
        + c.marks.translate(SUPERSCRIPT)
        for c, (_, point, after) in zip(cells, parts, strict=True)
    ]
    whole = pad([before for before, _, _ in parts], str.rjust)
    return ["".join(x) for x in zip(whole, pad(tails, str.ljust), strict=True)]


RENDERS: dict[str, Callable[[Sequence[Sheet]], str]] = {
    ".md": lambda sheets: "\n".join(map(markdown, sheets)),
    ".csv": lambda sheets: comma_separated([x for s in sheets for x in s.numbers]),
    ".tex": lambda sheets: "\n".join(map(latex, sheets)),
    ".html": html,
    "terminal": lambda sheets: "\n".join(map(terminal, sheets)),
}
"""Format -> how tables are written."""

SUFFIXES = [*(s for s in RENDERS if s.startswith(".")), *frame.WRITERS]
"""Of files with tables."""
