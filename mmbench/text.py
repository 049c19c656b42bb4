"""Text of tables: what strangers' names must not do in it, and how wide it is."""

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
    return sum(0 if unicodedata.combining(c) else
               2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)  # fmt: skip


def plain(text: str) -> str:
    """Without control characters, which could end a line or drive a terminal."""
    return "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)


def escape_markdown(text: str) -> str:
    """For a cell of GitHub-flavoured Markdown."""
    text = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~#!$])", r"\\\1", text)


def escape_latex(text: str) -> str:
    """For LaTeX with the characters that tables need."""
    return "".join(_LATEX.get(c, c) for c in plain(text))


def escape_csv(text: str) -> str:
    """Keeps a spreadsheet from taking a name for a formula."""
    text = plain(text)
    return f"'{text}" if text.lstrip()[:1] in FORMULAS and text.strip() else text


def markdown_table(
    title: str, lines: Iterable[Iterable[str]], footnotes: Sequence[str], notes: Iterable[str]
) -> str:
    """A table with its title and what stands below it.

    Args:
        title: As it is.
        lines: Cells in Markdown; the first two lines are the header and the rule.
        footnotes: As they are; the first is number 1.
        notes: As they are.
    """
    below = [f"<sup>{i}</sup> {escape_markdown(text)}" for i, text in enumerate(footnotes, 1)]
    below += map(escape_markdown, notes)
    return "\n".join([f"**{escape_markdown(title)}**", "",
                      *("| " + " | ".join(x) + " |" for x in lines),
                      "", "<br>\n".join(below), ""])  # fmt: skip


def latex_table(
    title: str, shape: str, head: Iterable[str], body: Iterable[str], footnotes: Sequence[str],
    notes: Iterable[str],
) -> str:  # fmt: skip
    r"""A table for `\usepackage{booktabs}`, with its caption and what stands below it.

    Args:
        title: As it is.
        shape: Of the columns, e.g. "lrr".
        head: Lines of LaTeX above the rule in the middle.
        body: Lines of LaTeX below it.
        footnotes: As they are; the first is number 1.
        notes: As they are.
    """
    below = [rf"\textsuperscript{{{i}}} {escape_latex(text)}"
             for i, text in enumerate(footnotes, 1)]  # fmt: skip
    below += map(escape_latex, notes)
    return "\n".join([
        r"\begin{table}", r"\centering", rf"\caption{{{escape_latex(title)}}}",
        rf"\begin{{tabular}}{{{shape}}}", r"\toprule", *head, r"\midrule", *body,
        r"\bottomrule", r"\end{tabular}",
        r"\par\smallskip\begin{minipage}{\linewidth}\footnotesize",
        " \\\\\n".join(below), r"\end{minipage}", r"\end{table}", "",
    ])  # fmt: skip


FORMULAS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""What a formula of a spreadsheet begins with, and the wide forms that some take for it."""

SUPERSCRIPT = str.maketrans("0123456789,", "⁰¹²³⁴⁵⁶⁷⁸⁹˒")
"""For the numbers of footnotes."""

_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # after a line break it would begin its length
    "*": "{*}",
    "←": r"$\leftarrow$",
    "→": r"$\rightarrow$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "±": r"$\pm$",
    "–": "--",
}
