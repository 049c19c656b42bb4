"""Text of tables: its width, and the escaping of untrusted names."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache


def pad(texts: Sequence[str], justify: Callable[[str, int], str]) -> list[str]:
    """Texts of equal width, by `str.ljust`, `str.rjust` or `str.center`."""
    wide = max(map(printed_width, texts))
    return [justify(x, wide - printed_width(x) + len(x)) for x in texts]


def printed_width(text: str) -> int:
    """Columns of the terminal that a text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


@lru_cache(1024)
def _columns(c: str) -> int:
    return 1 + (unicodedata.east_asian_width(c) in "WF") - (unicodedata.combining(c) > 0)


def cut(text: str, columns: int) -> str:
    """As much of the beginning of a text as so many columns of the terminal hold."""
    text = text[: 2 * columns]
    while printed_width(text) > columns:
        text = text[:-1]
    return text


def plain(text: str) -> str:
    """Text without control characters, which could end a line or control a terminal."""
    if text.isprintable():  # most are, and to look at each character takes its time
        return text
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
    return f"'{text}" if text.lstrip()[:1] in FORMULAS else text


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
