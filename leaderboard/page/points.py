"""The numbers of the page's charts: scores by number of given modalities, and in planes."""

from typing import Any

from mmbench.leaderboard import facts
from mmbench.leaderboard.figures.estimates import CONDITIONAL, MEAN, Estimate, Estimates, Given
from mmbench.leaderboard.papers.layouts import COHERENCE


def charts(found: Estimates) -> dict[str, Any]:
    """What can be drawn of a data set.

    Returns:
        "curves", one for each metric with a value: of the mean over targets, then of each target,
        the points of every row. "planes": the same for each metric (x) beside the usual one of
        coherence (y), of subsets for which both were scored. "remarks": why a row has no point.
    """
    metrics = found.metrics()
    up = found.usual(COHERENCE)
    planes = []
    curves = [{"y": axis(m), "series": _curves(found, m)} for m in metrics]
    for m in (m for m in metrics if up and m != up):
        if up and (series := _planes(found, m, up)):
            planes.append({"x": axis(m), "y": axis(up), "series": series})
    return {"curves": curves, "planes": planes, "remarks": found.remarks}


def axis(metric: str) -> dict[str, str | None]:
    """What an axis says of a metric."""
    return {
        "metric": metric,
        "title": facts.title(metric),
        "unit": facts.unit(metric),
        "better": facts.better(metric),
    }


def _curves(found: Estimates, metric: str) -> list[dict[str, Any]]:
    series = []
    for target in _targets(found, metric):
        points = [
            {"row": found.rows.index(e.row), "given": k, "y": _value(e)}
            for k in range(found.most + 1)
            for e in found.of(metric, target, k)
        ]
        if points:
            series.append({"target": target, "points": points})
    return series


def _planes(found: Estimates, x: str, y: str) -> list[dict[str, Any]]:
    series = []
    for target in _targets(found, x):
        points: list[dict[str, Any]] = []
        numbers: list[Given] = [0, CONDITIONAL, *range(1, found.most + 1)]
        for given in numbers:
            up = {e.row: e for e in found.of(y, target, given, also=x)}
            for e in (e for e in found.of(x, target, given, also=y) if e.row in up):
                place = {"row": found.rows.index(e.row), "given": e.given}
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
