"""The points that the page's charts (`templates/charts.js`) draw of scores by what is given."""

from collections.abc import Sequence
from typing import Any

from mmbench.leaderboard import facts
from mmbench.leaderboard.figures.estimates import Estimate, Estimates
from mmbench.leaderboard.papers.layouts import COHERENCE
from mmbench.leaderboard.rows import Row
from mmbench.leaderboard.tables.columns import CONDITIONAL, MEAN, Given
from mmbench.records.record import Record


def charts(found: Estimates, shown: Sequence[Row], runs: Sequence[Record]) -> dict[str, Any]:
    """What can be drawn of a data set.

    Returns:
        "curves", one for each metric with a value: of the mean over targets, then of each target,
        the points of every row. "planes": the same for each metric (x) beside the usual one of
        coherence (y), of subsets for which both were scored. "remarks": why a row has no point.
    """
    metrics = found.metrics()
    up = found.usual(COHERENCE)
    planes = []
    curves = [{"y": axis(m, runs), "series": _curves(found, shown, m)} for m in metrics]
    for m in (m for m in metrics if up and m != up):
        if up and (series := _planes(found, shown, m, up)):
            planes.append({"x": axis(m, runs), "y": axis(up, runs), "series": series})
    return {"curves": curves, "planes": planes, "remarks": found.remarks}


def axis(metric: str, runs: Sequence[Record]) -> dict[str, str | None]:
    """What an axis says of a metric."""
    return {
        "metric": metric,
        "title": facts.title(metric, runs),
        "unit": facts.unit(metric, runs),
        "better": facts.better(metric, runs),
    }


def _curves(found: Estimates, shown: Sequence[Row], metric: str) -> list[dict[str, Any]]:
    series = []
    for target in _targets(found, metric):
        points = [
            {"row": shown.index(e.row), "given": k, "y": _value(e)}
            for k in range(found.most + 1)
            for e in found.of(metric, target, k)
        ]
        if points:
            series.append({"target": target, "points": points})
    return series


def _planes(found: Estimates, shown: Sequence[Row], x: str, y: str) -> list[dict[str, Any]]:
    series = []
    for target in _targets(found, x):
        points: list[dict[str, Any]] = []
        numbers: list[Given] = [0, CONDITIONAL, *range(1, found.most + 1)]
        for given in numbers:
            up = {e.row: e for e in found.of(y, target, given, also=x)}
            for e in (e for e in found.of(x, target, given, also=y) if e.row in up):
                place = {"row": shown.index(e.row), "given": e.given}
                points.append(place | {"x": _value(e), "y": _value(up[e.row])})
        if points:
            series.append({"target": target, "points": points})
    return series


def _targets(found: Estimates, metric: str) -> list[str]:
    """The mean over targets, and each; of a metric of one target, that."""
    targets = found.targets(metric)
    return targets if len(targets) == 1 else [MEAN, *targets]


def _value(e: Estimate) -> dict[str, Any]:
    return {"mean": e.value, "std": e.std, "seeds": e.mean.seeds}
