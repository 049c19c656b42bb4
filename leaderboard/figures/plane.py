"""The plane of quality and coherence: each model once jointly, once conditionally."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmbench.leaderboard.figures.estimates import CONDITIONAL, Estimate, Estimates, Given, in_words
from mmbench.leaderboard.figures.output import Drawn
from mmbench.leaderboard.figures.style import (
    FILLS,
    finish,
    label,
    level,
    logarithmic,
    look,
    panels,
    short,
    style,
    turns,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

KINDS: dict[Given, str] = {0: "o", CONDITIONAL: "s"}
"""How many modalities are given -> its marker."""


def plane(
    found: Estimates, coherence: str, quality: str, targets: Sequence[str], log: bool = False
) -> Drawn:
    """Draws a point with error bars over seeds for each row of the tables, joint and conditional.

    A conditional score is the mean over the targets and subsets of given modalities that both
    metrics scored.

    Args:
        found: The numbers.
        coherence: The metric upwards.
        quality: The metric to the right.
        targets: A panel for each: a modality, or `estimates.MEAN`.
        log: Whether the axis to the right is logarithmic.

    Raises:
        ValueError: There is nothing to draw.
    """
    points: dict[tuple[str, str], list[tuple[Estimate, Estimate]]] = {}
    for t in targets:
        for given in KINDS:
            across = {e.group: e for e in found.of(quality, t, given, also=coherence)}
            up = {e.group: e for e in found.of(coherence, t, given, also=quality)}
            pairs = [(across[g], up[g]) for g in across if g in up]
            points.setdefault((coherence, t), []).extend(pairs)
    filled = [place for place, pairs in points.items() if pairs]
    shown = tuple(e for place in filled for pair in points[place] for e in pair)
    if not shown:
        raise ValueError(f"no record of {found.dataset} has values of both {coherence} and "
                         f"{quality} for one target")  # fmt: skip
    turn = turns(shown)
    entries: list[tuple[object, str]] = []
    with style():
        figure, grid = panels([coherence], targets, filled)
        for place, axes in grid.items():
            for group in dict.fromkeys(x.group for x, _ in points[place]):
                pairs = [(x, y) for x, y in points[place] if x.group is group]
                _points(axes, pairs, turn.get(group, 0))
                entries.append((_sign(pairs[0][0], turn.get(group, 0)), group.label))
            axes.set_xlabel(label(quality))
            axes.set_ylabel(label(coherence))
            if log:
                logarithmic(axes, "x")
        level(grid)
        for given, marker in KINDS.items():
            if any(e.given == in_words(given) for e in shown):
                [sign] = axes.plot([], [], marker=marker, color="#444444", linestyle="none")
                entries.append((sign, in_words(given)))
        finish(figure, f"{short(found.dataset)}: coherence and quality", entries, shown, "Bars")
    return Drawn(figure, shown, tuple({} for _ in shown))


def _points(axes: Axes, pairs: Sequence[tuple[Estimate, Estimate]], turn: int) -> None:
    """Draws one row of the tables: (quality, coherence) jointly and conditionally."""
    colour, _ = look(pairs[0][0].group.model)
    axes.plot([x.mean for x, _ in pairs], [y.mean for _, y in pairs], color=colour, alpha=0.35,
              linewidth=0.8, zorder=1.5)  # fmt: skip
    for x, y in pairs:
        marker = next(m for given, m in KINDS.items() if in_words(given) == x.given)
        axes.errorbar(
            [x.mean], [y.mean], xerr=None if x.std is None else [x.std],
            yerr=None if y.std is None else [y.std], marker=marker, color=colour,
            linestyle="none", markerfacecolor="white" if x.published else colour, elinewidth=1,
            fillstyle=FILLS[turn % len(FILLS)], markerfacecoloralt="white",
            label=x.group.label,
        )  # fmt: skip


def _sign(e: Estimate, turn: int) -> Line2D:
    """The colour and the filling of a row, for the legend."""
    from matplotlib.lines import Line2D

    colour, _ = look(e.group.model)
    return Line2D([], [], color=colour, linestyle="none", marker="D", markerfacecoloralt="white",
                  markerfacecolor="white" if e.published else colour,
                  fillstyle=FILLS[turn % len(FILLS)])  # fmt: skip
