"""The numbers of the page's charts: scores by number of given modalities, and in planes."""

from __future__ import annotations

from typing import Any

from mmbench.leaderboard.figures.estimates import (
    COHERENCE,
    CONDITIONAL,
    MEAN,
    Estimate,
    Estimates,
    Given,
)
from mmbench.leaderboard.tables.table import registered


def charts(found: Estimates) -> dict[str, Any]:
    """What can be drawn of a data set.

    Returns:
        "curves", one for each metric with a value: of the mean over targets, then of each target,
        the points of every row. "planes": the same for each metric (x) beside the usual one of
        coherence (y), of subsets for which both were scored. "remarks": why a row has no point.
    """
    metrics = found.metrics()
    up = found.usual(COHERENCE)
    return {
        "curves": [{"y": axis(m), "series": _curves(found, m)} for m in metrics],
        "planes": [{"x": axis(m), "y": axis(up), "series": series} for m in metrics
                   if up and m != up and (series := _planes(found, m, up))],
        "remarks": found.remarks,
    }  # fmt: skip


def axis(metric: str) -> dict[str, str | None]:
    """What an axis says of a metric."""
    known = registered(metric)
    return {
        "metric": metric,
        "title": known.title if known else metric,
        "unit": known.unit if known else "",
        "better": known.better if known else None,
    }


def _curves(found: Estimates, metric: str) -> list[dict[str, Any]]:
    series = []
    for target in _targets(found, metric):
        points = [{"row": found.groups.index(e.group), "given": k, "y": _value(e)}
                  for k in range(found.most + 1) for e in found.of(metric, target, k)]  # fmt: skip
        if points:
            series.append({"target": target, "points": points})
    return series


def _planes(found: Estimates, x: str, y: str) -> list[dict[str, Any]]:
    series = []
    for target in _targets(found, x):
        points: list[dict[str, Any]] = []
        numbers: list[Given] = [0, CONDITIONAL, *range(1, found.most + 1)]
        for given in numbers:
            up = {e.group: e for e in found.of(y, target, given, also=x)}
            points += [{"row": found.groups.index(e.group), "given": e.given, "x": _value(e),
                        "y": _value(up[e.group])}
                       for e in found.of(x, target, given, also=y) if e.group in up]  # fmt: skip
        if points:
            series.append({"target": target, "points": points})
    return series


def _targets(found: Estimates, metric: str) -> list[str]:
    """The mean over targets, and each; of a metric of one target, that."""
    targets = found.targets(metric)
    return targets if len(targets) == 1 else [MEAN, *targets]


def _value(e: Estimate) -> dict[str, Any]:
    return {"mean": e.mean, "std": e.std, "seeds": e.seeds}
