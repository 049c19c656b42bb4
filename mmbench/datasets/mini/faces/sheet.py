"""What faces are drawn on: a canvas in colour beside a sheet of labels.

Everything is placed about the middle of the face, in widths of the picture, y downwards; the pose
then turns, scales and shifts it. Each shape is drawn twice: in colour, and as its part's number
on the sheet of labels, which thus records what is visible where.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmbench.datasets.celebamask_hq import PARTS, SKIN
from mmbench.datasets.mini.drawing import Canvas, Colour, Points, moved
from mmbench.datasets.mini.faces.people import Portrait

LABELS = {name: number for number, name in enumerate(("nothing", SKIN, *PARTS))}
"""The numbers of the parts on the sheet of labels."""
MIDDLE = (0.5, 0.54)
"""The middle of an unmoved face on the picture."""

CROWN = -0.285
"""Height of the top of the bare head."""


class Sheet:
    """A canvas beside a sheet of labels, both drawn on in the coordinates of a face."""

    def __init__(self, portrait: Portrait, pixels: int) -> None:
        finer = 2 if pixels >= 64 else 4  # than it is shown
        self.canvas = Canvas(pixels, portrait.wall[0], finer)
        self._labels = Canvas(pixels * finer, (0, 0, 0), 1)
        self._scale, self._turn = portrait.scale, portrait.turn
        (x, y), (right, down) = MIDDLE, portrait.shift
        self._middle = x + right, y + down

    def fill(
        self, outline: ArrayLike, colour: Colour, part: str = "", within: Points | None = None
    ) -> None:
        """Fills a shape; without a part what is visible there stays what it was."""
        placed = self._placed(outline)
        limits = None if within is None else self._placed(within)
        self.canvas.fill(placed, colour, limits)
        if part:
            self._labels.fill(placed, (LABELS[part],) * 3, limits)

    def stroke(self, path: ArrayLike, width: float, colour: Colour, part: str = "") -> None:
        """Draws a line; without a part what is visible there stays what it was."""
        placed = self._placed(path)
        self.canvas.stroke(placed, width, colour)
        if part:
            self._labels.stroke(placed, width, (LABELS[part],) * 3)

    def labels(self) -> NDArray[np.uint8]:
        """What is visible where: (S, S) numbers of LABELS."""
        return self._labels.picture()[..., 0]

    def _placed(self, points: ArrayLike) -> Points:
        return moved(points, self._scale, self._turn, self._middle)


def between(one: tuple[Points, Points], other: tuple[Points, Points]) -> Points:
    """The outline between two edges that run the same way, each x and y of its points."""
    return np.concatenate([np.column_stack(one), np.column_stack(other)[::-1]])


def mirrored(half: ArrayLike) -> Points:
    """The outline whose right half runs from the top to the bottom of the middle line."""
    right = np.asarray(half, dtype=np.float64)
    inner = right[1:-1] if right[-1, 0] == 0 else right[1:]
    return np.concatenate([right, inner[::-1] * (-1, 1)])
