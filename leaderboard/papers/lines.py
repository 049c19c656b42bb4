"""A paper's table with its numbers, and how it is written."""

from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from mmbench.core.score import Direction
from mmbench.leaderboard.papers.layouts import Heading, PaperTable
from mmbench.leaderboard.papers.published import published
from mmbench.leaderboard.rows import Row
from mmbench.leaderboard.tables import sheet
from mmbench.leaderboard.tables.cells import Cell

Show = Literal["published", "measured", "both"]
Kind = Literal["published", "measured", "difference", "other"]

TITLES: dict[Show, str] = {
    "published": "published",
    "measured": "measured",
    "both": "published and measured",
}
LEFT: dict[Show, tuple[str, ...]] = {
    "published": ("Model",),
    "measured": ("Model", "Runs"),
    "both": ("Model", "Numbers"),
}
"""What stands above the names of the lines."""


@dataclass(frozen=True)
class Line:
    """A row: what is published of a method, what is measured, or the difference.

    Attributes:
        label: The method, as the paper calls it.
        model: The model's name here.
        kind: Which of these; "other" is measured by another protocol than the paper's.
        runs: In words: "published", "3 seeds", "no run", "difference".
        protocol_hash: The hash of the protocol of what was measured, else "".
        cells: One for each heading.
        row: What was measured; None without runs.
    """

    label: str
    model: str
    kind: Kind
    runs: str
    protocol_hash: str
    cells: tuple[Cell, ...]
    row: Row | None = None


@dataclass(frozen=True)
class Filled:
    """A paper's table with its numbers.

    Attributes:
        table: Its shape.
        show: Which numbers it has.
        lines: Its rows; the lines of one method follow one another.
        footnotes: Those that cells refer to, the first being number 1.
        notes: Those that concern all cells.
    """

    table: PaperTable
    show: Show
    lines: tuple[Line, ...]
    footnotes: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """Its name, what it shows, and whose numbers."""
        return f"{self.table.name}. {self.table.caption} ({TITLES[self.show]})"

    @property
    def sheet(self) -> sheet.Sheet:
        """The table as text."""
        lines: list[sheet.Line] = []
        for label, of in groupby(self.lines, key=lambda line: line.label):
            for i, line in enumerate(of):
                ours = self.show == "both" and line.kind in ("measured", "other")
                runs = f"measured, {line.runs}" if ours else line.runs
                names = ("" if i else label, runs)[: len(LEFT[self.show])]
                lines.append(sheet.Line(names, line.cells, line.kind, first=not i))
        headings = self.table.headings
        better = {p.metric: p.direction for p in published()}
        return sheet.Sheet(
            page=self.table.name,
            anchor=self.table.name,
            title=self.title,
            kind=self.show,
            grouped=True,
            left=LEFT[self.show],
            headings=tuple(
                sheet.Heading(h.group, h.title, f"{h.group}: {h.title}" if h.group else h.title)
                for h in headings
            ),
            lines=tuple(lines),
            footnotes=self.footnotes,
            notes=self.notes,
            numbers=tuple(
                self._numbers(line, heading, better[heading.metric], cell)
                for line in self.lines
                for heading, cell in zip(headings, line.cells, strict=True)
            ),
        )

    def _numbers(
        self, line: Line, heading: Heading, better: Direction, cell: Cell
    ) -> dict[str, object]:
        """A line of CSV; the numbers are published, measured, or measured minus published."""
        mean = cell.mean
        low, high = (mean.std is None and mean.interval) or (None, None)
        return {
            "table": self.table.name,
            "dataset": self.table.dataset,
            "method": line.label,
            "model": line.model,
            "numbers": line.kind,
            "runs": line.runs,
            "metric": heading.metric,
            "direction": better,
            "given": "+".join(heading.given),
            "target": heading.target,
            "value": mean.value,
            "deviation": mean.std,
            "low": low,
            "high": high,
            "rank": cell.rank or None,
            "protocol_hash": line.protocol_hash,
            "source": self.table.source,
            "footnotes": "; ".join(self.footnotes[i - 1] for i in cell.footnotes),
        }
