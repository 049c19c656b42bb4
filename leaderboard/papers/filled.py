"""What a paper's table holds when it is filled: entries in lines, and how each is written."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Literal

from mmbench.leaderboard.papers.layouts import PaperTable
from mmbench.leaderboard.tables.render import LEGEND

Show = Literal["published", "measured", "both"]
Kind = Literal["published", "measured", "difference"]
Number = Decimal | float

DASH = "–"
MINUS = "−"


@dataclass(frozen=True)
class Entry:
    """A cell of a line.

    Attributes:
        value: None where there is none.
        deviation: Over seeds; None where there is none.
        interval: Of a single run, over samples.
        decimals: Of all these as shown; None shows them as they are printed.
        signed: Whether a plus is shown: in a difference.
        rank: 1 for the best of its column among lines of its kind, 2 for the second, else 0.
        footnotes: Numbers of footnotes, from 1.
    """

    value: Number | None = None
    deviation: Number | None = None
    interval: tuple[float, float] | None = None
    decimals: int | None = None
    signed: bool = False
    rank: Literal[0, 1, 2] = 0
    footnotes: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The value as shown."""
        return DASH if self.value is None else self._write(self.value, self.signed)

    @property
    def spread(self) -> str:
        """What follows it: " ± " the deviation, or else the interval in brackets, or nothing."""
        if self.deviation is not None:
            return f" ± {self._write(self.deviation)}"
        ends = [self._write(x) for x in self.interval or ()]
        return f" [{', '.join(ends)}]" if ends else ""

    @property
    def marks(self) -> str:
        """The numbers of its footnotes."""
        return ",".join(map(str, self.footnotes))

    def _write(self, x: Number, signed: bool = False) -> str:
        if self.decimals is None:
            return str(x)
        form = f".{self.decimals}f" if -1e6 < x < 1e6 else ".2e"
        text = format(x, ("+" if signed else "") + form)
        return text.replace("-", MINUS)


@dataclass(frozen=True)
class Line:
    """A row: what is published of a method, what is measured, or the difference.

    Attributes:
        label: The method, as the paper calls it.
        model: As it is called here.
        kind: Which of the three.
        runs: In words: "published", "3 seeds", "no run", "difference".
        protocol_hash: Of what was measured, else "".
        entries: One for each heading.
    """

    label: str
    model: str
    kind: Kind
    runs: str
    protocol_hash: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Filled:
    """A paper's table with its numbers.

    Attributes:
        table: Its shape.
        show: Which numbers it has.
        lines: Its rows; those of one method follow one another.
        footnotes: Those that entries refer to, the first being number 1.
        notes: Those that concern all entries.
    """

    table: PaperTable
    show: Show
    lines: tuple[Line, ...]
    footnotes: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """Its name, what it shows, and whose numbers."""
        whose = {
            "published": "published",
            "measured": "measured",
            "both": "published and measured",
        }
        return f"{self.table.name}. {self.table.caption} ({whose[self.show]})"

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The headings above its columns, and above how many; some are empty."""
        named = groupby(self.table.headings, key=lambda h: h.group)
        return [(group, len(list(of))) for group, of in named]

    @property
    def left(self) -> list[str]:
        """What stands above the names of its lines."""
        above: dict[str, list[str]] = {"published": [], "measured": ["Runs"], "both": ["Numbers"]}
        return ["Model", *above[self.show]]

    @property
    def names(self) -> list[list[str]]:
        """The names of its lines: the method, empty below the same, and whose numbers."""
        names = []
        above = None
        for line in self.lines:
            label = line.label if line.label != above else ""
            ours = self.show == "both" and line.kind == "measured"
            runs = f"measured, {line.runs}" if ours else line.runs
            names.append([label] if self.show == "published" else [label, runs])
            above = line.label
        return names

    def below(self, best: str, second: str) -> list[str]:
        """The notes, the legend of the marks first if there are any."""
        ranked = any(e.rank for line in self.lines for e in line.entries)
        return [*([LEGEND.format(best, second)] if ranked else []), *self.notes]
