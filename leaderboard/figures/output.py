"""A figure with its numbers: as CSV, and as a table for a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmbench.files.atomic import write_text
from mmbench.leaderboard import facts
from mmbench.leaderboard.figures.estimates import Estimate
from mmbench.leaderboard.figures.style import save, versions
from mmbench.leaderboard.rows import Mean, Row
from mmbench.leaderboard.tables.cells import Cell, decimals
from mmbench.leaderboard.tables.columns import MEAN
from mmbench.leaderboard.tables.render import comma_separated, fitting, room
from mmbench.leaderboard.tables.table import runs_of
from mmbench.text import pad, plain, printed_width

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawn:
    """A figure and what it shows.

    Attributes:
        figure: The figure, to look at or to save.
        shown: The estimates in it.
        at: The place of each on the horizontal axis, by the names of columns; may be empty.
    """

    figure: Figure
    shown: tuple[Estimate, ...]
    at: tuple[dict[str, str], ...]

    def save(self, path: Path) -> None:
        """Writes the figure as PNG or SVG, and its numbers beside it as CSV.

        The same figure makes the same bytes.

        Raises:
            ValueError: The path ends in something else.
            OSError: A file cannot be written.
        """
        save(self.figure, path)
        write_text(path.with_suffix(".csv"), self.numbers())

    def numbers(self) -> str:
        """A line for each estimate, in full, as CSV."""
        lines, apart = [], versions(e.row for e in self.shown)
        for e, at in zip(self.shown, self.at, strict=True):
            lines.append(
                {
                    "label": e.row.label + apart[e.row],
                    "model": e.row.model,
                    "protocol_hash": e.row.protocol_hash,
                    "data": e.row.data,
                    **{place: at.get(place, "") for place in self._places},
                    "metric": e.metric,
                    "target": e.target,
                    "given": e.given,
                    "mean": e.value,
                    "std": e.std,
                    "seeds": e.mean.seeds or None,
                    "scores": e.scores,
                    "n": e.n or None,
                    "evaluations": next(iter(e.row.evaluations), None),
                    "source": "; ".join(dict.fromkeys(p.source for p in e.printed)),
                }
            )
        return comma_separated(lines)

    def table(self) -> str:
        """The estimates as aligned text: a row for each of the figure, a column for each score."""
        places = self._places
        found: dict[tuple[Row, tuple[str, ...]], dict[str, Estimate]] = {}
        for e, at in zip(self.shown, self.at, strict=True):
            line = (e.row, tuple(at.get(p, "") for p in places))
            found.setdefault(line, {})[_heading(e)] = e
        apart = versions(row for row, _ in found)
        # Where there are places, these tell the rows of a model apart.
        names = [(row.model if places else row.label) + apart[row] for row, _ in found]
        left = [["Model", *names]]
        left += [[place, *(at[i] for _, at in found)] for i, place in enumerate(places)]
        left = [pad([plain(x) for x in column], str.ljust) for column in left]
        columns, runs = [], runs_of(e.row for e in self.shown)
        for head in dict.fromkeys(_heading(e) for e in self.shown):
            of = [line.get(head) for line in found.values()]
            known = [e for e in of if e]
            unit, stds = facts.unit(known[0].metric, runs), [e.std for e in known if e.std]
            digits = decimals([e.value for e in known], unit, stds)
            cells = [Cell(e.mean if e else Mean(), digits) for e in of]
            columns.append(pad([plain(head), *(c.text + c.spread for c in cells)], str.rjust))
        parts = []
        for block in fitting(columns, room() - sum(printed_width(x[0]) + 2 for x in left)):
            across = zip(*left, *block, strict=True)
            head, *lines = ["  ".join(line).rstrip() for line in across]
            parts.append("\n".join([head, "─" * max(map(len, (head, *lines))), *lines]))
        return "\n\n".join(parts)

    @property
    def _places(self) -> list[str]:
        return list(dict.fromkeys(name for at in self.at for name in at))


def _heading(e: Estimate) -> str:
    words = e.given + (" given" if e.given.isdigit() else "")
    return f"{e.metric}{f' {e.target}' if e.target != MEAN else ''}, {words}"
