"""The course of training: what is seen of a stage while it lasts, and the file that keeps it.

Nothing here imports torch, so that a figure of it is drawn without.
"""

import csv
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mmbench.files.atomic import write_text
from mmbench.files.text import read_text

LOOK = 20
"""Steps between two looks at the loss, for which a GPU has to be waited for."""

MOST = 500
"""The most points of a stage."""


class Point(NamedTuple):
    """A moment of a stage.

    Attributes:
        step: How many steps are done.
        loss: Its mean over the steps since the point before.
        rate: The learning rate of the last of them.
        seconds: How long the stage has trained, interruptions left out.
    """

    step: int
    loss: float
    rate: float
    seconds: float


Watch = Callable[[str, Point], None]
"""Called with the title of a stage and each new point of it, at most `MOST` times a stage.

A stage that is loaded has none. One that is resumed goes on after its last checkpoint, so that
points which a killed process has passed on may come again.
"""


def unwatched(stage: str, point: Point) -> None:
    """Watches nothing."""


History = dict[str, list[Point]]
"""The title of each stage, in the order of training -> its points."""

_HEADER = ["stage", *Point._fields]


def spacing(steps: int) -> int:
    """Steps between two points of a stage of so many: a multiple of `LOOK`."""
    return LOOK * max(1, math.ceil(steps / (LOOK * MOST)))


def write(path: Path, history: History) -> None:
    """Writes a history as CSV, whole or not at all: a line for each point."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_HEADER)
    for stage, points in history.items():
        for p in points:
            numbers = (f"{p.loss:.9g}", f"{p.rate:.9g}", f"{p.seconds:.3f}")
            writer.writerow([stage, p.step, *numbers])
    write_text(path, out.getvalue())


def read(path: Path) -> History:
    """What `write` wrote; nothing if there is no such file.

    Raises:
        ValueError: It holds something else.
    """
    if not path.exists():
        return {}
    try:
        header, *lines = list(csv.reader(io.StringIO(read_text(path)))) or [[]]
    except csv.Error as error:
        raise ValueError(f"{path} is not CSV: {error}") from None
    if header != _HEADER:
        raise ValueError(f"{path} begins with {header}, expected {','.join(_HEADER)}")
    found: History = {}
    for line in lines:
        try:
            stage, step, *numbers = line
            point = Point(int(step), *map(float, numbers))
        except (TypeError, ValueError):
            raise ValueError(f"{path} holds {line}, expected {','.join(_HEADER)}") from None
        points = found.setdefault(stage, [])
        if not all(map(math.isfinite, point)) or point.step <= (points[-1].step if points else 0):
            raise ValueError(f"{path} holds {line}, expected finite numbers and rising steps")
        points.append(point)
    return found
