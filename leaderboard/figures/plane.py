"""The plane of quality and coherence: each model once jointly, once conditionally."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mmbench.leaderboard.figures import style
from mmbench.leaderboard.figures.estimates import Estimate, Estimates
from mmbench.leaderboard.figures.output import Drawn
from mmbench.leaderboard.tables.columns import CONDITIONAL, Given, in_words

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
    metrics scored. Coherence runs upwards, quality to the right, with `log` logarithmically; each
    target, a modality or `estimates.MEAN`, has a panel.

    Raises:
        ValueError: There is nothing to draw.
    """
    points: dict[tuple[str, str], list[tuple[Estimate, Estimate]]] = {}
    for t in targets:
        for given in KINDS:
            across = {e.row: e for e in found.of(quality, t, given, also=coherence)}
            up = {e.row: e for e in found.of(coherence, t, given, also=quality)}
            pairs = [(across[row], up[row]) for row in across if row in up]
            points.setdefault((coherence, t), []).extend(pairs)
    filled = [place for place, pairs in points.items() if pairs]
    shown = tuple(e for place in filled for pair in points[place] for e in pair)
    if not shown:
        both = f"{coherence} and {quality}"
        raise ValueError(f"no record of {found.dataset} has values of both {both} for one target")
    turn, looks = style.turns(shown), style.looks(e.row.model for e in shown)
    apart = style.versions(e.row for e in shown)
    entries: list[tuple[object, str]] = []
    with style.style():
        figure, grid = style.panels([coherence], targets, filled)
        for place, axes in grid.items():
            for row in dict.fromkeys(x.row for x, _ in points[place]):
                pairs = [(x, y) for x, y in points[place] if x.row == row]
                filling = _filling(pairs[0][0], turn.get(row, 0), looks[row.model][0])
                _points(axes, pairs, filling)
                entries.append((_sign(filling), row.label + apart[row]))
            axes.set_xlabel(style.label(quality, shown))
            axes.set_ylabel(style.label(coherence, shown))
            if log:
                style.logarithmic(axes, "x")
        style.level(grid, shown)
        for given, marker in KINDS.items():
            if any(e.given == in_words(given) for e in shown):
                [sign] = axes.plot([], [], marker=marker, color="#444444", linestyle="none")
                entries.append((sign, in_words(given)))
        title = f"{style.short(found.dataset)}: coherence and quality"
        style.finish(figure, title, entries, style.note(shown, "Bars"))
    return Drawn(figure, shown, tuple({} for _ in shown))


def _points(
    axes: Axes, pairs: Sequence[tuple[Estimate, Estimate]], filling: dict[str, Any]
) -> None:
    """Draws one row of the tables: (quality, coherence) jointly and conditionally."""
    across, up = [x.value for x, _ in pairs], [y.value for _, y in pairs]
    axes.plot(across, up, color=filling["color"], alpha=0.35, linewidth=0.8, zorder=1.5)
    for x, y in pairs:
        axes.errorbar(
            [x.value],
            [y.value],
            xerr=None if x.std is None else [x.std],
            yerr=None if y.std is None else [y.std],
            marker=next(m for given, m in KINDS.items() if in_words(given) == x.given),
            elinewidth=1,
            label=x.row.label,
            **filling,
        )


def _sign(filling: dict[str, Any]) -> Line2D:
    """The colour and the filling of a row, for the legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], marker="D", **filling)


def _filling(e: Estimate, turn: int, colour: str) -> dict[str, Any]:
    return {
        "color": colour,
        "linestyle": "none",
        "markerfacecolor": "white" if e.published else colour,
        "markerfacecoloralt": "white",
        "fillstyle": style.FILLS[turn % len(style.FILLS)],
    }
