"""A table as it is written, whatever it shows: title, headings, lines of cells, footnotes."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from mmbench.leaderboard.tables.cells import Cell


@dataclass(frozen=True)
class Heading:
    """The group above a column and its neighbours, or ""; its own title; and both in a line."""

    group: str
    title: str
    alone: str


@dataclass(frozen=True)
class Line:
    """A row.

    Attributes:
        names: One for each entry of `Sheet.left`.
        cells: One for each heading.
        kind: A word for a style sheet; may be empty.
        first: Whether it has a name of its own, not that of the line above, which is not repeated.
    """

    names: tuple[str, ...]
    cells: tuple[Cell, ...]
    kind: str = ""
    first: bool = True


@dataclass(frozen=True)
class Sheet:
    """A table as text.

    Attributes:
        page: What the title of a page with the table says.
        anchor: One word that no other table of the page has; "" for the table's number.
        title: As it is.
        kind: A word for a style sheet.
        grouped: Whether a terminal shows columns below their groups, with a rule between the two;
            else each column has its own two lines.
        left: What stands above the names of the lines.
        headings: The headings of the other columns.
        lines: The rows.
        footnotes: Those that cells refer to, the first being number 1.
        notes: Those that concern all cells.
        numbers: A line of CSV for each cell: column -> text or number in full, None for an empty
            one.
    """

    page: str
    anchor: str
    title: str
    kind: str
    grouped: bool
    left: tuple[str, ...]
    headings: tuple[Heading, ...]
    lines: tuple[Line, ...]
    footnotes: tuple[str, ...]
    notes: tuple[str, ...]
    numbers: tuple[Mapping[str, object], ...]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The groups above its headings, and above how many; some are empty."""
        named = groupby(self.headings, key=lambda h: h.group)
        return [(group, len(list(of))) for group, of in named]

    def below(self, best: str, second: str) -> list[str]:
        """The notes, the legend of the ranks first if there are any."""
        ranked = any(c.rank for line in self.lines for c in line.cells)
        return [*([f"Best {best}, second {second}."] if ranked else []), *self.notes]


class Tabular(Protocol):
    """What can be shown as a table."""

    @property
    def sheet(self) -> Sheet:
        """The table as text."""
        ...
