"""The course of training: the loss of each stage against its steps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmbench.files.atomic import write_text
from mmbench.leaderboard.figures import style
from mmbench.leaderboard.tables.columns import MEAN
from mmbench.leaderboard.tables.render import comma_separated
from mmbench.progress import clock
from mmbench.records.paths import folder_name, histories
from mmbench.registry import nearest
from mmbench.text import pad, plain
from mmbench.training import history
from mmbench.training.history import History, Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WRITES = "'mmbench run' writes history.csv beside the weights while it trains"

SPREAD = 5
"""The ratio of the largest to the smallest loss from which its axis is logarithmic."""


@dataclass(frozen=True)
class Course:
    """How one run was trained.

    Attributes:
        model: Its name.
        seed: The run's seed.
        key: What its folder is called by beside the seed: a hash of the settings of the training.
        history: The points of each stage.
    """

    model: str
    seed: int
    key: str
    history: History


@dataclass(frozen=True)
class Courses:
    """A figure of the course of training, and what it shows.

    Attributes:
        figure: The figure, to look at or to save.
        shown: The runs in it.
    """

    figure: Figure
    shown: tuple[Course, ...]

    def save(self, path: Path) -> None:
        """Writes the figure as PNG or SVG, and its points beside it as CSV.

        Raises:
            ValueError: The path ends in something else.
            OSError: A file cannot be written.
        """
        style.save(self.figure, path)
        write_text(path.with_suffix(".csv"), self.numbers())

    def numbers(self) -> str:
        """A line for each point, as CSV."""
        return comma_separated(
            [
                {"model": c.model, "seed": c.seed, "key": c.key, "stage": stage, **p._asdict()}
                for c in self.shown
                for stage, points in c.history.items()
                for p in points
            ]
        )

    def table(self) -> str:
        """A row for each stage of each run, as aligned text: where its loss began and ended."""
        lines = [("Model", "Seed", "Stage", "Steps", "First loss", "Last loss", "Time")]
        for c, name in zip(self.shown, _labels(self.shown), strict=True):
            for stage, points in c.history.items():
                first, last = points[0], points[-1]
                losses = (f"{first.loss:.4g}", f"{last.loss:.4g}")
                steps, took = f"{last.step:,}", clock(last.seconds)
                lines.append((plain(name), str(c.seed), plain(stage), steps, *losses, took))
        left = (str.ljust, str.rjust, str.ljust, *[str.rjust] * 4)
        columns = [pad(x, side) for x, side in zip(zip(*lines, strict=True), left, strict=True)]
        head, *rows = ["  ".join(line).rstrip() for line in zip(*columns, strict=True)]
        return "\n".join([head, "─" * max(map(len, (head, *rows))), *rows])


def courses(
    folders: Sequence[Path],
    dataset: str | None = None,
    models: Sequence[str] = (),
    seeds: Sequence[int] = (),
) -> tuple[str, list[Course]]:
    """A data set's name and its runs, finished or in training, that are asked for.

    Args:
        folders: The results folders.
        dataset: None for the only data set with runs.
        models: Their names, or those of their folders; by default all.
        seeds: By default all.

    Raises:
        FileNotFoundError: A folder is missing, or no run in it has a history.
        LookupError: There is no such data set, model or seed.
        ValueError: It is not clear which data set is meant, or a history is damaged.
    """
    found: dict[str, dict[tuple[str, int, str], Path]] = {}
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no folder {folder}")
        for path in histories(folder):
            name, model, run = path.parts[-4:-1]
            if match := re.fullmatch(r"(\d+)-(\w+)", run):
                of = found.setdefault(name, {})
                of.setdefault((model, int(match[1]), match[2]), path)
    where = " and ".join(map(str, folders))
    if not found:
        raise FileNotFoundError(f"no run in {where} has a history of its training: {WRITES}")
    if dataset is None and len(found) > 1:
        known = ", ".join(found)
        raise ValueError(f"in {where} are runs on {known}: name one by --dataset")
    dataset = dataset or next(iter(found))
    if dataset not in found:
        missing = f"no run on {dataset!r} in {where} has a history of its training"
        raise LookupError(missing + nearest(dataset, found))
    chosen = found[dataset]
    models = list(map(folder_name, models))
    for model in models:
        if not any(m == model for m, *_ in chosen):
            missing = f"no run of {model!r} on {dataset} has a history of its training"
            raise LookupError(missing + nearest(model, dict.fromkeys(m for m, *_ in chosen)))
    chosen = {key: path for key, path in chosen.items() if not models or key[0] in models}
    for seed in seeds:
        if not any(s == seed for _, s, _ in chosen):
            known = ", ".join(map(str, sorted({s for _, s, _ in chosen})))
            raise LookupError(f"no run has the seed {seed}, expected one of {known}")
    found_of = {key: path for key, path in chosen.items() if not seeds or key[1] in seeds}
    read = [Course(*key, history.read(path)) for key, path in sorted(found_of.items())]
    return dataset, [c for c in read if any(c.history.values())]


def training(dataset: str, shown: Sequence[Course]) -> Courses:
    """Draws a panel for each stage: its loss against its steps, a line for each run.

    Where the losses of a stage are positive and differ much, their axis is logarithmic.

    Raises:
        ValueError: There is nothing to draw.
    """
    stages = list(dict.fromkeys(s for c in shown for s, points in c.history.items() if points))
    if not stages:
        raise ValueError(f"no run on {dataset} has a point of its training: {WRITES}")
    keys, entries = _keys(shown), []
    looks = style.looks(c.model for c in shown)
    with style.style():
        figure, grid = style.panels(stages, [MEAN], [(stage, MEAN) for stage in stages])
        for (stage, _), axes in grid.items():
            for c, name in zip(shown, _labels(shown), strict=True):
                if points := c.history.get(stage, []):
                    [line] = axes.plot(
                        [p.step for p in points],
                        [p.loss for p in points],
                        color=looks[c.model][0],
                        linestyle=style.DASHES[keys[c.model].index(c.key) % len(style.DASHES)],
                        linewidth=1.0,
                        marker="." if len(points) == 1 else "",
                    )
                    entries.append((line, name))
            axes.set(title=style.short(stage), xlabel="step", ylabel="loss")
            _scale(axes, [c.history[stage] for c in shown if c.history.get(stage)])
        title = f"{style.short(dataset)}: training"
        style.finish(
            figure,
            title,
            entries,
            "Each point is the mean loss over the steps since the one before.",
        )
    return Courses(figure, tuple(shown))


def _labels(shown: Sequence[Course]) -> list[str]:
    """What each run is called: by its model, and its key where the model has several."""
    keys = _keys(shown)
    return [c.model if len(keys[c.model]) == 1 else f"{c.model} {c.key}" for c in shown]


def _keys(shown: Sequence[Course]) -> dict[str, list[str]]:
    """Model -> the keys of its runs, each once."""
    found: dict[str, list[str]] = {}
    for c in shown:
        if c.key not in found.setdefault(c.model, []):
            found[c.model].append(c.key)
    return found


def _scale(axes: Axes, curves: Sequence[Sequence[Point]]) -> None:
    """Makes the axis of a loss logarithmic where that suits it."""
    losses = [p.loss for points in curves for p in points]
    if min(losses) > 0 and max(losses) > SPREAD * min(losses):
        style.logarithmic(axes, "y")
