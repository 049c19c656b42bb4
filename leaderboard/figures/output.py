"""A figure with its numbers: as CSV, and as a table for a terminal."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmbench.files.atomic import write_text
from mmbench.leaderboard.figures.estimates import MEAN, Estimate
from mmbench.leaderboard.figures.style import save
from mmbench.leaderboard.tables.render import WIDTH
from mmbench.leaderboard.tables.table import registered
from mmbench.text import escape_csv, pad, plain, printed_width

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawn:
    """A figure and what it shows.

    Attributes:
        figure: To look at or to save.
        shown: The estimates in it.
        at: Of each, its place on the axis across, by the names of columns; may be empty.
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
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        places = list(dict.fromkeys(name for at in self.at for name in at))
        writer.writerow(["label", "model", "protocol_hash", "data", *places, "metric", "target",
                         "given", "mean", "std", "seeds", "scores", "n", "evaluations",
                         "source"])  # fmt: skip
        for e, at in zip(self.shown, self.at, strict=True):
            one = e.group.records[0] if e.group.records else None
            names = (e.group.label, e.group.model, one.protocol_hash if one else "",
                     one.data if one else "", *(at.get(p, "") for p in places), e.metric,
                     e.target, e.given)  # fmt: skip
            writer.writerow([
                *map(escape_csv, names), repr(e.mean), "" if e.std is None else repr(e.std),
                e.seeds or "", e.terms, e.n or "", one.evaluations if one else "", e.source,
            ])  # fmt: skip
        return out.getvalue()

    def table(self) -> str:
        """The estimates as aligned text: a row for each group, a column for each score."""
        places = list(dict.fromkeys(name for at in self.at for name in at))
        cells: dict[tuple[str, ...], dict[str, Estimate]] = {}
        for e, at in zip(self.shown, self.at, strict=True):
            row = (e.group.label, *(at.get(p, "") for p in places))
            cells.setdefault(row, {})[_heading(e)] = e
        heads = list(dict.fromkeys(_heading(e) for e in self.shown))
        models = {e.group.label: e.group.model for e in self.shown}
        left = [[name, *(row[i] for row in cells)] for i, name in enumerate(("Model", *places))]
        if places:  # which tell the rows of a model apart
            left[0] = ["Model", *(models[label] for label, *_ in cells)]
        columns = [pad([plain(x) for x in column], str.ljust) for column in left]
        for head in heads:
            decimals = _decimals([of[head] for of in cells.values() if head in of])
            column = [_text(of.get(head), decimals) for of in cells.values()]
            columns.append(pad([plain(head), *column], str.rjust))
        blocks: list[list[list[str]]] = []
        for column in columns[len(left) :]:
            used = sum(printed_width(x[0]) + 2 for x in (blocks[-1] if blocks else []))
            if not blocks or used + printed_width(column[0]) > WIDTH:
                blocks.append(columns[: len(left)])
            blocks[-1].append(column)
        parts = []
        for block in blocks:
            head, *lines = ["  ".join(line).rstrip() for line in zip(*block, strict=True)]
            parts.append("\n".join([head, "─" * max(map(len, (head, *lines))), *lines]))
        return "\n\n".join(parts)


def _heading(e: Estimate) -> str:
    words = e.given + (" given" if e.given.isdigit() else "")
    return f"{e.metric}{f' {e.target}' if e.target != MEAN else ''}, {words}"


def _decimals(estimates: Sequence[Estimate]) -> int:
    """One for percentages; else two digits of the smallest mean and of the largest deviation."""
    measure = registered(estimates[0].metric)
    if measure is not None and measure.unit == "%":
        return 1
    means = [abs(e.mean) for e in estimates if e.mean]
    stds = [e.std for e in estimates if e.std]
    wanted = [1 - math.floor(math.log10(x)) for x in (*sorted(means)[:1], *sorted(stds)[-1:])]
    return min(6, max(1, *wanted)) if wanted else 1


def _text(e: Estimate | None, decimals: int) -> str:
    if e is None:
        return "–"
    return f"{e.mean:.{decimals}f}" + ("" if e.std is None else f" ± {e.std:.{decimals}f}")
