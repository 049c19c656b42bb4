"""Scores against one thing that varies: a value of the protocol, or the cost of a sampler.

Figure 11 of M. Bounoua, G. Franzese, P. Michiardi, "Multi-modal Latent Diffusion", 2023,
https://arxiv.org/abs/2306.04445, is the ablation of `model.d`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmbench.leaderboard.figures.estimates import CONDITIONAL, Estimate, Estimates, Given, Group
from mmbench.leaderboard.figures.estimates import in_words as given_in_words
from mmbench.leaderboard.figures.output import Drawn
from mmbench.leaderboard.figures.style import (
    finish,
    label,
    level,
    logarithmic,
    look,
    panels,
    short,
    style,
)
from mmbench.records.differences import (
    UNSET,
    below,
    differences,
    equal_but_for,
    in_words,
    values,
)
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
    """Groups that a line joins: its name and colour, and where each stands across, by number."""

    name: str
    colour: str
    at: Mapping[Group, float]


def ablation(
    dataset: str,
    records: Sequence[Record],
    parameter: str,
    metrics: Sequence[str],
    targets: Sequence[str] | None = None,
) -> tuple[Drawn, list[str]]:
    """Draws metrics against a value of the protocol: a line jointly and one conditionally.

    Args:
        dataset: The data set's name.
        records: Of it; those of each model must be equal but for the parameter.
        parameter: The value's path in the resolved protocol, e.g. "model.d".
        metrics: What to draw; by default all that have a value.
        targets: A column of panels for each; by default the mean over targets.

    Returns:
        The figure, and sentences about what is not in it.

    Raises:
        LookupError: No protocol has such a value.
        ValueError: It does not vary, or the protocols differ elsewhere too.
    """
    by_model: dict[str, list[Record]] = {}
    for r in records:
        by_model.setdefault(r.model, []).append(r)
    known = dict.fromkeys(path for r in records for path in values(r.protocol))
    if parameter not in known:
        inside = [path for path in known if below(path, parameter)]
        if inside:
            raise LookupError(f"{parameter} is a table, expected one of {', '.join(inside)}")
        raise LookupError(f"no record's protocol has a value {parameter!r}"
                          f"{nearest(parameter, known)}")  # fmt: skip
    varying = {m: of for m, of in by_model.items() if parameter in differences(of)}
    if not varying:
        has = ", ".join(dict.fromkeys(in_words(values(r.protocol).get(parameter, UNSET))
                                      for r in records))  # fmt: skip
        others = ", ".join(dict.fromkeys(path for of in by_model.values()
                                         for path in differences(of)))  # fmt: skip
        raise ValueError(
            f"{parameter} is {has} in all records of "
            f"{'each model' if len(by_model) > 1 else next(iter(by_model))}, expected at least "
            f"two values" + (f"; what differs is {others}" if others else "")
        )
    for of in varying.values():
        equal_but_for(of, parameter)
    found = Estimates(dataset, [r for of in varying.values() for r in of])
    found.remarks += [f"{m} is left out: its records do not differ in {parameter}"
                      for m in by_model if m not in varying]  # fmt: skip
    has_value = {g: values(g.records[0].protocol).get(parameter, UNSET) for g in found.groups}
    places, ticks, is_log = _places(list(has_value.values()))
    series = [
        _Series(m, look(m)[0], {g: places[in_words(v)] for g, v in has_value.items()
                                if g.model == m})
        for m in varying
    ]  # fmt: skip
    named = {g: {parameter: in_words(v)} for g, v in has_value.items()}

    def across(axes: Axes) -> None:
        axes.set_xlabel(short(parameter))
        if is_log:
            logarithmic(axes, "x")
        if ticks:
            axes.set_xticks(list(ticks), list(map(short, ticks.values())))
            axes.margins(x=0.12)

    title = f"{short(dataset)}: ablation of {short(parameter)}"
    return _draw(found, series, metrics, targets or [""], across, title, named), found.remarks


def cost(
    dataset: str,
    records: Sequence[Record],
    metrics: Sequence[str],
    targets: Sequence[str] | None = None,
) -> tuple[Drawn, list[str]]:
    """Draws metrics of one model against the network evaluations of a sample, over samplers.

    Args:
        dataset: The data set's name.
        records: Of it and of one model, equal but for their sampler.
        metrics: What to draw; by default all that have a value.
        targets: A column of panels for each; by default the mean over targets.

    Returns:
        The figure, and sentences about what is not in it.

    Raises:
        ValueError: There are several models, or the protocols differ elsewhere too.
    """
    models = list(dict.fromkeys(r.model for r in records))
    if len(models) != 1:
        raise ValueError(f"the records are of {', '.join(models) or 'no model'}, expected one "
                         "model: choose by --model")  # fmt: skip
    equal_but_for(records, SAMPLER)
    found = Estimates(dataset, records)
    named = {}
    by_sampler: dict[str, dict[Group, float]] = {}
    for g in found.groups:
        one = g.records[0]
        name = in_words(values(one.protocol).get(f"{SAMPLER}.name", UNSET))
        by_sampler.setdefault(name, {})[g] = one.evaluations
        named[g] = {"sampler": name, **{
            path.removeprefix(f"{SAMPLER}."): in_words(v)
            for path, v in values(one.protocol).items()
            if below(path, SAMPLER) and path != f"{SAMPLER}.name"
        }, "evaluations per sample": str(one.evaluations)}  # fmt: skip
    series = [_Series(name, SAMPLERS.get(name, look(name)[0]), at)
              for name, at in sorted(by_sampler.items())]  # fmt: skip

    def across(axes: Axes) -> None:
        axes.set_xlabel("network evaluations per sample")
        if all(x > 0 for s in series for x in s.at.values()):
            logarithmic(axes, "x")

    title = f"{short(models[0])} on {short(dataset)}: what samplers cost"
    return _draw(found, series, metrics, targets or [""], across, title, named), found.remarks


def _draw(
    found: Estimates,
    series: Sequence[_Series],
    metrics: Sequence[str],
    targets: Sequence[str],
    across: Callable[[Axes], None],
    title: str,
    named: Mapping[Group, dict[str, str]],
) -> Drawn:
    """Panels with two lines for each series: joint and conditional."""
    from matplotlib.patches import Patch

    metrics = metrics or found.metrics()
    points = {
        (m, t, given): {e.group: e for e in found.of(m, t, given)}
        for m in metrics
        for t in targets
        for given in KINDS
    }
    filled = [(m, t) for (m, t, _), of in points.items() if of]
    order = [(x, i, g) for i, s in enumerate(series) for g, x in s.at.items()]
    ordered = [g for _, _, g in sorted(order, key=lambda place: (place[1], place[0]))]
    shown = tuple(of[g] for of in points.values() for g in ordered if g in of)
    if not shown:
        raise ValueError(f"no record of {found.dataset} has a value of "
                         f"{', '.join(metrics) or 'any metric'}")  # fmt: skip
    entries: list[tuple[object, str]] = []
    with style():
        figure, grid = panels(metrics, targets, filled)
        for (m, t), axes in grid.items():
            for s in series:
                for given in KINDS:
                    of = points[m, t, given]
                    own = sorted(((s.at[g], of[g]) for g in s.at if g in of), key=lambda p: p[0])
                    if own:
                        _line(axes, own, s.colour, given)
                        if len(series) > 1:
                            entries.append((Patch(color=s.colour), s.name))
            across(axes)
            axes.set_ylabel(label(m))
        level(grid)
        for given, (marker, line) in KINDS.items():
            words = given_in_words(given)
            if any(e.given == words for e in shown):
                colour = series[0].colour if len(series) == 1 else "#444444"
                [sign] = axes.plot([], [], marker=marker, color=colour, linestyle=line)
                entries.append((sign, words))
        finish(figure, title, entries, shown, "Bars")
    return Drawn(figure, shown, tuple(named[e.group] for e in shown))


def _line(axes: Axes, points: Sequence[tuple[float, Estimate]], colour: str, given: Given) -> None:
    """Draws (place across, estimate) of each point, with bars of the deviation over seeds."""
    marker, line = KINDS[given]
    stds = [math.nan if e.std is None else e.std for _, e in points]
    axes.errorbar(
        [x for x, _ in points], [e.mean for _, e in points], stds, color=colour, marker=marker,
        linestyle=line, elinewidth=0.9, label=f"{points[0][1].group.model} {points[0][1].given}",
    )  # fmt: skip


def _places(found: Sequence[object]) -> tuple[dict[str, float], dict[float, str], bool]:
    """(Value in words -> place across, its ticks, whether the axis is logarithmic)."""
    numbers = {in_words(v): float(v) for v in found
               if isinstance(v, (int, float)) and not isinstance(v, bool)
               and abs(v) < LARGEST}  # fmt: skip
    distinct = {in_words(v) for v in found}
    if len(numbers) < len(distinct):
        rank = {v: (v == UNSET, v not in numbers, numbers.get(v, 0.0), v) for v in distinct}
        order = sorted(distinct, key=lambda v: rank[v])
        places = {v: float(i) for i, v in enumerate(order)}
        return places, {x: v for v, x in places.items()}, False
    low, high = min(numbers.values()), max(numbers.values())
    is_log = low > 0 and high / low >= SPREAD
    few = len(numbers) <= 10
    return numbers, dict(sorted((x, v) for v, x in numbers.items())) if few else {}, is_log
