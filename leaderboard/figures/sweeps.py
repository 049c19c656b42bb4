"""Scores against one thing that varies: a value of the protocol, or the cost of a sampler.

Figure 11 of M. Bounoua, G. Franzese, P. Michiardi, "Multi-modal Latent Diffusion", 2023,
https://arxiv.org/abs/2306.04445, is the ablation of `model.d`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mmbench.leaderboard.figures import style
from mmbench.leaderboard.figures.estimates import Estimate, Estimates, fresh
from mmbench.leaderboard.figures.output import Drawn
from mmbench.leaderboard.rows import Row
from mmbench.leaderboard.tables.columns import CONDITIONAL, MEAN, Given
from mmbench.leaderboard.tables.columns import in_words as number_in_words
from mmbench.records.differences import UNSET, below, differences, equal_but_for, in_words, values
from mmbench.records.record import Record
from mmbench.registry import nearest
from mmbench.runs.ablations import SAMPLER

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SAMPLERS = {
    "repaint": "#0072B2",
    "euler": "#D55E00",
    "ancestral": "#009E73",
    "exponential": "#CC79A7",
    "predictor-corrector": "#E69F00",
}
"""Sampler -> colour."""

LARGEST = 1e15
"""A number from this on is shown as a word: an axis could not tell it from its neighbours."""

SPREAD = 20
"""The ratio of the largest to the smallest value from which an axis is logarithmic."""

KINDS: dict[Given, tuple[str, object]] = {0: ("o", (0, (5, 1.5))), CONDITIONAL: ("s", "-")}
"""How many modalities are given -> marker and line."""


@dataclass(frozen=True)
class _Series:
    """Rows that a line joins: its name and colour, and where each row stands across."""

    name: str
    colour: str
    at: Mapping[Row, float]


@dataclass(frozen=True)
class _Across:
    """The axis across: its label, whether it is logarithmic, and its ticks if not the usual."""

    label: str
    log: bool
    ticks: Mapping[float, str] = field(default_factory=dict)


def ablation(
    dataset: str,
    records: Sequence[Record],
    parameter: str,
    metrics: Sequence[str] = (),
    targets: Sequence[str] = (MEAN,),
) -> tuple[Drawn, list[str]]:
    """Draws metrics against a setting, such as "model.d": one line jointly, one conditionally.

    The records are all of this data set; those of one model differ in the setting alone. Stale
    ones are left out.

    Returns:
        The figure, and sentences about what it leaves out.

    Raises:
        LookupError: No protocol has such a setting.
        ValueError: The setting does not vary, the protocols differ elsewhere too, or every record
            is stale.
    """
    counted = fresh(dataset, records)
    by_model: dict[str, list[Record]] = {}
    for r in counted:
        by_model.setdefault(r.model, []).append(r)
    known = dict.fromkeys(path for r in counted for path in values(r.protocol))
    if parameter not in known:
        inside = [path for path in known if below(path, parameter)]
        if inside:
            raise LookupError(f"{parameter} is a table, expected one of {', '.join(inside)}")
        missing = f"no record's protocol has a value {parameter!r}"
        raise LookupError(missing + nearest(parameter, known))
    varying = {m: of for m, of in by_model.items() if parameter in differences(of)}
    if not varying:
        has = [in_words(values(r.protocol).get(parameter, UNSET)) for r in counted]
        others = [path for of in by_model.values() for path in differences(of)]
        whose = "each model" if len(by_model) > 1 else next(iter(by_model))
        raise ValueError(
            f"{parameter} is {', '.join(dict.fromkeys(has))} in all records of {whose}, expected "
            "at least two values"
            + (f"; what differs is {', '.join(dict.fromkeys(others))}" if others else "")
        )
    for of in varying.values():
        equal_but_for(of, parameter)
    same = [m for m in by_model if m not in varying]
    found = Estimates(dataset, [r for r in records if r.model not in same])
    found.remarks += [f"{m} is left out: its records do not differ in {parameter}" for m in same]
    set_to = {row: values(row.records[0].protocol).get(parameter, UNSET) for row in found.rows}
    places, across = _places(parameter, list(set_to.values()))
    named = {row: {parameter: in_words(v)} for row, v in set_to.items()}
    at = {row: places[words] for row, of in named.items() for words in of.values()}
    looks = style.looks(varying)
    series = [
        _Series(m, looks[m][0], {row: x for row, x in at.items() if row.model == m})
        for m in varying
    ]
    title = f"{style.short(dataset)}: ablation of {style.short(parameter)}"
    return _draw(found, series, metrics, targets, across, title, named), found.remarks


def cost(
    dataset: str,
    records: Sequence[Record],
    metrics: Sequence[str] = (),
    targets: Sequence[str] = (MEAN,),
) -> tuple[Drawn, list[str]]:
    """Draws metrics of one model against the network evaluations a sample, over samplers.

    The records are all of this data set and of one model; they differ in the sampler alone. Stale
    ones are left out, and so are those of another program's samples, whose cost is not known.

    Returns:
        The figure, and sentences about what it leaves out.

    Raises:
        ValueError: There are several models, the protocols differ elsewhere too, or every record
            is stale or of another program's samples.
    """
    unknown = "what another program's samples cost is not known"
    ours = [r for r in records if r.samples is None]
    if records and not ours:
        raise ValueError(f"no record of {dataset} is of a run, expected one: {unknown}")
    counted = fresh(dataset, ours)
    models = list(dict.fromkeys(r.model for r in counted))
    if len(models) != 1:
        whose = ", ".join(models) or "no model"
        raise ValueError(f"the records are of {whose}, expected one model: choose by --model")
    equal_but_for(counted, SAMPLER)
    found = Estimates(dataset, ours)
    if left := len(records) - len(ours):
        found.remarks.append(f"{left} of {len(records)} records are left out: {unknown}")
    named = {}
    by_sampler: dict[str, dict[Row, float]] = {}
    for row in found.rows:
        evaluations = row.records[0].evaluations
        paths = values(row.records[0].protocol)
        sampler = {
            p.removeprefix(f"{SAMPLER}."): in_words(paths[p]) for p in paths if below(p, SAMPLER)
        }
        name = sampler.pop("name", UNSET)
        by_sampler.setdefault(name, {})[row] = evaluations
        named[row] = {"sampler": name, **sampler, "evaluations per sample": str(evaluations)}
    looks = style.looks(by_sampler)
    series = [
        _Series(name, SAMPLERS.get(name, looks[name][0]), at)
        for name, at in sorted(by_sampler.items())
    ]
    log = all(x > 0 for s in series for x in s.at.values())
    across = _Across("network evaluations per sample", log)
    title = f"{style.short(models[0])} on {style.short(dataset)}: what samplers cost"
    return _draw(found, series, metrics, targets, across, title, named), found.remarks


def _draw(
    found: Estimates,
    series: Sequence[_Series],
    metrics: Sequence[str],
    targets: Sequence[str],
    across: _Across,
    title: str,
    named: Mapping[Row, dict[str, str]],
) -> Drawn:
    """Panels with two lines for each series: joint and conditional."""
    from matplotlib.patches import Patch

    metrics = metrics or found.metrics()
    points = {
        (m, t, given): {e.row: e for e in found.of(m, t, given)}
        for m in metrics
        for t in targets
        for given in KINDS
    }
    filled = [(m, t) for (m, t, _), of in points.items() if of]
    ordered = [row for s in series for row in sorted(s.at, key=lambda row: s.at[row])]
    shown = tuple(of[row] for of in points.values() for row in ordered if row in of)
    if not shown:
        what = ", ".join(metrics) or "any metric"
        raise ValueError(f"no record of {found.dataset} has a value of {what}")
    entries: list[tuple[object, str]] = []
    with style.style():
        figure, grid = style.panels(metrics, targets, filled)
        for (m, t), axes in grid.items():
            for s in series:
                for given in KINDS:
                    of = points[m, t, given]
                    own = [(s.at[row], of[row]) for row in s.at if row in of]
                    if own:
                        _line(axes, sorted(own, key=lambda p: p[0]), s.colour, given)
                        if len(series) > 1:
                            entries.append((Patch(color=s.colour), s.name))
            axes.set(xlabel=across.label, ylabel=style.label(m, shown))
            if across.log:
                style.logarithmic(axes, "x")
            if across.ticks:
                axes.set_xticks(list(across.ticks), list(map(style.short, across.ticks.values())))
                axes.margins(x=0.12)
        style.level(grid, shown)
        for given, (marker, line) in KINDS.items():
            words = number_in_words(given)
            if any(e.given == words for e in shown):
                colour = series[0].colour if len(series) == 1 else "#444444"
                [sign] = axes.plot([], [], marker=marker, color=colour, linestyle=line)
                entries.append((sign, words))
        style.finish(figure, title, entries, style.note(shown, "Bars"))
    return Drawn(figure, shown, tuple(named[e.row] for e in shown))


def _line(axes: Axes, points: Sequence[tuple[float, Estimate]], colour: str, given: Given) -> None:
    """Draws (place across, estimate) of each point, with bars of the deviation over seeds."""
    marker, line = KINDS[given]
    first = points[0][1]
    axes.errorbar(
        [x for x, _ in points],
        [e.value for _, e in points],
        [math.nan if e.std is None else e.std for _, e in points],
        label=f"{first.row.model} {first.given}",
        color=colour,
        marker=marker,
        linestyle=line,
        elinewidth=0.9,
    )


def _places(parameter: str, found: Sequence[object]) -> tuple[dict[str, float], _Across]:
    """The place across of each value in words, and the axis."""
    plain = [v for v in found if isinstance(v, int | float) and not isinstance(v, bool)]
    numbers = {in_words(v): float(v) for v in plain if abs(v) < LARGEST}
    distinct = {in_words(v) for v in found}
    label = style.short(parameter)
    # Words stand at equal distances, behind the numbers.
    if not numbers or len(numbers) < len(distinct):
        rank = {v: (v == UNSET, v not in numbers, numbers.get(v, 0.0), v) for v in distinct}
        order = sorted(distinct, key=lambda v: rank[v])
        return {v: float(i) for i, v in enumerate(order)}, _Across(
            label, False, dict(enumerate(order))
        )
    low, high = min(numbers.values()), max(numbers.values())
    ticks = {x: v for v, x in sorted(numbers.items(), key=lambda item: item[1])}
    log = low > 0 and high / low >= SPREAD
    return numbers, _Across(label, log, ticks if len(ticks) <= 10 else {})
