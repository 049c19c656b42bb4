"""Text of tables: its width, and the escaping of untrusted names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence


def pad(texts: Sequence[str], justify: Callable[[str, int], str]) -> list[str]:
    """Texts of equal width, by `str.ljust`, `str.rjust` or `str.center`."""
    wide = max(map(printed_width, texts))
    return [justify(x, wide - printed_width(x) + len(x)) for x in texts]


def printed_width(text: str) -> int:
    """Columns of the terminal that a text takes."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def plain(text: str) -> str:
    """Text without control characters, which could end a line or control a terminal."""
    return "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)


def escape_markdown(text: str) -> str:
    """Text for a cell of GitHub-flavoured Markdown."""
    text = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~#!$])", r"\\\1", text)


def escape_latex(text: str) -> str:
    """Text for LaTeX, with the symbols of tables."""
    return "".join(_LATEX.get(c, c) for c in plain(text))


def escape_csv(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    text = plain(text)
    return f"'{text}" if text.lstrip()[:1] in FORMULAS and text.strip() else text


def markdown_table(
    title: str, lines: Iterable[Iterable[str]], footnotes: Sequence[str], notes: Iterable[str]
) -> str:
    """A table with its title, footnotes and notes, which are plain text.

    Args:
        title: Printed above the table.
        lines: Cells in Markdown; the first two lines are the header and the rule.
        footnotes: Numbered from 1.
        notes: Printed below the footnotes.
    """
    below = [f"<sup>{i}</sup> {escape_markdown(text)}" for i, text in enumerate(footnotes, 1)]
    below += map(escape_markdown, notes)
    rows = ["| " + " | ".join(x) + " |" for x in lines]
    return "\n".join([f"**{escape_markdown(title)}**", "", *rows, "", "<br>\n".join(below), ""])


def latex_table(
    title: str,
    shape: str,
    head: Iterable[str],
    body: Iterable[str],
    footnotes: Sequence[str],
    notes: Iterable[str],
) -> str:
    r"""A table for `\usepackage{booktabs}` with its caption, footnotes and notes in plain text.

    Args:
        title: The caption.
        shape: Alignment of the columns, e.g. "lrr".
        head: Lines of LaTeX above the middle rule.
        body: Lines of LaTeX below it.
        footnotes: Numbered from 1.
        notes: Printed below the footnotes.
    """
    numbered = enumerate(map(escape_latex, footnotes), 1)
    below = [rf"\textsuperscript{{{i}}} {text}" for i, text in numbered]
    below += map(escape_latex, notes)
    begin = [r"\begin{table}", r"\centering", rf"\caption{{{escape_latex(title)}}}"]
    begin += [rf"\begin{{tabular}}{{{shape}}}", r"\toprule"]
    rows = [*head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"]
    page = r"\par\smallskip\begin{minipage}{\linewidth}\footnotesize"
    end = [page, " \\\\\n".join(below), r"\end{minipage}", r"\end{table}", ""]
    return "\n".join([*begin, *rows, *end])


FORMULAS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""First characters of a spreadsheet's formulas, with the wide forms that some accept."""

SUPERSCRIPT = str.maketrans("0123456789,", "⁰¹²³⁴⁵⁶⁷⁸⁹˒")
"""Translates the numbers of footnotes."""

_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # after a line break it would begin an optional length
    "*": "{*}",
    "←": r"$\leftarrow$",
    "→": r"$\rightarrow$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "±": r"$\pm$",
    "–": "--",
}
