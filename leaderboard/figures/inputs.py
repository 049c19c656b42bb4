"""Scores against the number of given modalities.

Figures 2, 9, 18 and 19 of M. Bounoua, G. Franzese, P. Michiardi, "Multi-modal Latent Diffusion",
2023, https://arxiv.org/abs/2306.04445.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmbench.leaderboard import facts
from mmbench.leaderboard.figures import style
from mmbench.leaderboard.figures.estimates import Estimate, Estimates
from mmbench.leaderboard.figures.output import Drawn
from mmbench.leaderboard.tables.table import runs_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


def inputs(
    found: Estimates, metrics: Sequence[str], targets: Sequence[str], log: bool = False
) -> Drawn:
    """Draws a line for each row of the tables, with a band of the deviation over seeds.

    Joint generation stands at 0, apart from the line: where it is scored as a whole, it is another
    quantity. `style.panels` places the panels of metrics and targets. With `log`, metrics that are
    better lower have a logarithmic axis.

    Raises:
        ValueError: There is nothing to draw.
    """
    every = range(found.most + 1)
    points = {
        (m, t): [(k, e) for k in every for e in found.of(m, t, k)]
        for m in metrics
        for t in targets
    }
    filled = [place for place, of in points.items() if of]
    shown = tuple(e for of in points.values() for _, e in of)
    if not shown:
        what = ", ".join(metrics) or "any metric"
        raise ValueError(f"no record of {found.dataset} has a value of {what}")
    turn, looks = style.turns(shown), style.looks(e.row.model for e in shown)
    apart = style.versions(e.row for e in shown)
    entries = []
    with style.style():
        figure, grid = style.panels(metrics, targets, filled)
        for (metric, target), axes in grid.items():
            for row in dict.fromkeys(e.row for _, e in points[metric, target]):
                own = [(k, e) for k, e in points[metric, target] if e.row == row]
                line = _line(axes, own, turn.get(row, 0), looks[row.model])
                entries.append((line, row.label + apart[row]))
            axes.set_xticks(list(every), ["joint", *map(str, every[1:])])
            axes.set_xlim(-0.35, found.most + 0.35)
            axes.set_xlabel("modalities given")
            axes.set_ylabel(style.label(metric, shown))
            if log and facts.better(metric, runs_of(e.row for e in shown)) == "lower":
                style.logarithmic(axes, "y")
            axes.grid(visible=False, axis="x")
        style.level(grid, shown)
        title = f"{style.short(found.dataset)}: number of given modalities"
        style.finish(figure, title, entries, style.note(shown, "Bands, bars"))
    return Drawn(figure, shown, tuple({} for _ in shown))


def _line(
    axes: Axes, points: Sequence[tuple[int, Estimate]], turn: int, look: tuple[str, str]
) -> Line2D:
    """Draws one row of the tables: (number of given modalities, estimate) of each point."""
    first = points[0][1]
    colour, marker = look
    xs = [float(k) for k, _ in points]
    means = [e.value for _, e in points]
    stds = [math.nan if e.std is None else e.std for _, e in points]
    if xs[0] == 0 and len(xs) > 1:  # a gap behind joint generation
        xs, means, stds = ([v[0], math.nan, *v[1:]] for v in (xs, means, stds))
    printed = first.published
    [line] = axes.plot(
        xs,
        means,
        color=colour,
        marker=marker,
        linestyle=style.PRINTED if printed else style.DASHES[turn % 4],
        markerfacecolor="white" if printed else colour,
        linewidth=1.0 if printed else 1.5,
        label=first.row.label,
        zorder=2.5 if printed else 3,
    )
    joined = [i for i, x in enumerate(xs) if x > 0]
    known = {i for i, s in enumerate(stds) if not math.isnan(s)}
    if not printed and len(joined) > 1 and known.intersection(joined):
        low = [means[i] - stds[i] for i in joined]
        high = [means[i] + stds[i] for i in joined]
        across = [xs[i] for i in joined]
        axes.fill_between(across, low, high, color=colour, alpha=0.18, linewidth=0)
        known -= set(joined)
    if known:
        across, up, bars = ([values[i] for i in known] for values in (xs, means, stds))
        axes.errorbar(across, up, bars, fmt="none", ecolor=colour, elinewidth=0.9)
    return line
