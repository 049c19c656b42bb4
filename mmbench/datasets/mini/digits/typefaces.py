"""Typefaces for digits, drawn at random: skeletons of lines and superelliptic arcs, given weight.

A face is a way to form each digit, the roundness of its bowls, the height of its waist, its width,
slant, weight, the contrast of its thick and thin strokes, and the length of its serifs. A digit is
kept as a field of distances, from which it can be drawn at any size, turned, outlined or shaded.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Points = NDArray[np.float64]

CELLS = 40
"""Cells of a field per height of a digit."""
REACH = 0.3
"""How far a field goes beyond the digit, in heights."""
WIDEST = 0.85
"""The largest width of a digit, in heights."""
ROWS = round((1 + 2 * REACH) * CELLS)
COLUMNS = round((WIDEST + 2 * REACH) * CELLS)
_ARC = 15  # degrees between two points of a bowl


class Face:
    """How a typeface forms its digits, drawn at random; lengths in heights of a digit."""

    def __init__(self, rng: np.random.Generator) -> None:
        uniform: Callable[[float, float], float] = lambda low, high: float(rng.uniform(low, high))
        self.serif = uniform(0.08, 0.16) if rng.random() < 0.3 else 0.0  # half their length, or 0
        modulated = self.serif or rng.random() < 0.2  # thick and thin strokes
        self.forms: list[float] = rng.random(10).tolist()  # in [0, 1): how each digit is formed
        # of the superellipse of the bowls; 2 is an ellipse, more is squarer
        self.power: float = 2 + 2.5 * rng.random() ** 2
        # height at which the bowls of 3, 6, 8 and 9 meet, 0.5 is the middle
        self.waist = uniform(0.47, 0.57)
        self.opening = uniform(-12, 32)  # degrees by which the arcs of 2, 3, 5, 6 and 9 end early
        self.aspect = uniform(0.44, 0.7)  # width over height
        # tangent of the slope to the right
        self.slant = float(rng.choice([0.0, 0.0, uniform(-0.05, 0.28)]))
        self.weight = uniform(0.045, 0.105)  # half the width of a thick stroke
        # width of a thin (level) stroke over that of a thick (upright) one
        self.contrast = uniform(0.4, 0.85) if modulated else uniform(0.85, 1.0)


def fields(faces: list[Face]) -> Floats:
    """The digits of each typeface as fields of distances.

    Returns:
        (F, 10, ROWS, COLUMNS): the distance of the middle of a cell from the edge of the digit,
        in heights, negative inside. The digit's middle is the field's; the top row comes first.
    """
    return np.array([[_field(face, digit) for digit in range(10)] for face in faces])


def _arc(
    face: Face, x: float, y: float, across: float, up: float, start: float, end: float
) -> Points:
    """A bowl's part from one angle to another, in degrees against the clock."""
    count = 1 + max(2, round(abs(end - start) / _ARC))
    angle = np.deg2rad(np.linspace(start, end, count))
    turn = np.stack([np.cos(angle), np.sin(angle)], -1)
    round_ = np.sign(turn) * np.abs(turn) ** (2 / face.power)
    return np.asarray((x, y) + np.array([across, up]) * round_)


def _line(*points: tuple[float, float]) -> Points:
    return np.array(points, float)


def _strokes(face: Face, digit: int) -> list[Points]:
    """The strokes of a digit, each (P, 2), x and y in [0, 1], y upwards."""
    form, serif, waist, opening = face.forms[digit], face.serif, face.waist, face.opening
    high, low = (1 - waist) / 2, waist / 2  # half the heights of the bowls of a 3 and an 8
    match digit:
        case 0:
            return [_arc(face, 0.5, 0.5, 0.5, 0.5, 0, 360)]
        case 1:
            stem = 0.5 if form < 0.3 else 0.58
            flag = [_line((stem - 0.46, 0.74), (stem, 1))] if form >= 0.3 else []
            foot = [_line((stem - 0.36, 0), (stem + 0.36, 0))] if form >= 0.75 or serif else []
            return [_line((stem, 1), (stem, 0)), *flag, *foot]
        case 2:
            up = 0.26 + 0.06 * form
            top = _arc(face, 0.5, 1 - up, 0.48, up, 170 - opening / 2, -25)
            strokes, end = [np.vstack([top, [(0.02, 0), (1, 0)]])], _line((1, 0), (1, serif))
        case 3:
            bottom = _arc(face, 0.45, low, 0.53, low, 90, -150 + opening)
            top = _arc(face, 0.45, 1 - high, 0.46, high, 150 - opening, -90)
            flat = _line((0.05, 1), (0.9, 1), (0.42, waist))
            return [np.vstack([flat if form < 0.2 else top, bottom])]
        case 4:
            stem, bar = 0.74, 0.24 + 0.1 * form
            strokes = [_line((stem, 0), (stem, 1), (0, bar), (1, bar))]
            if form < 0.25:  # open
                bar += 0.14
                strokes = [_line((0.16, 1), (0, bar), (1, bar)), _line((stem, 0.8), (stem, 0))]
            end = _line((stem - 0.24, 0), (stem + 0.24, 0))
        case 5:
            up = 0.3 + 0.03 * form
            bowl = _arc(face, 0.46, up, 0.53, up, 140, -150 + opening)
            strokes = [np.vstack([_line((0.92, 1), (0.16, 1), (0.1, 0.53)), bowl])]
            end = _line((0.92, 1), (0.92, 1 + serif / 2))
        case 6:
            up = 0.5 * (waist + 0.1)
            tail = _arc(face, 0.5, 0.56, 0.5, 0.44, 40 + opening / 2, 180)
            straight, bent = _line((0.03, up + 0.1), (0.66, 1)), np.vstack([tail, [(0, up)]])
            return [straight if form < 0.3 else bent, _arc(face, 0.5, up, 0.5, up, 0, 360)]
        case 7:
            bend = [(0.58, 0.5)] if form > 0.55 else []
            crossed = [_line((0.28, 0.5), (0.88, 0.5))] if 0.35 < form < 0.5 else []
            strokes = [_line((0, 1), (0.98, 1), *bend, (0.22 + 0.16 * form, 0)), *crossed]
            end = _line((0, 1), (0, 1 - serif))
        case 8:
            top = _arc(face, 0.5, 1 - high, 0.4 + 0.08 * form, high, 0, 360)
            return [top, _arc(face, 0.5, low, 0.5, low, 0, 360)]
        case _:
            return [1 - stroke for stroke in _strokes(face, 6)]  # a 9 is a 6, turned
    return [*strokes, end] if serif else strokes


def _field(face: Face, digit: int) -> Floats:
    y = (np.arange(ROWS)[::-1] + 0.5) / CELLS - REACH - 0.5
    x = (np.arange(COLUMNS) + 0.5) / CELLS - COLUMNS / CELLS / 2
    px = (x - y[:, None] * face.slant).ravel().astype(np.float32)  # upright again
    py = np.repeat(y, COLUMNS).astype(np.float32)
    best = np.full(len(px), np.inf, np.float32)
    # so that the ink, not the skeleton, fills the height of 1
    thin = face.weight * face.contrast
    size = np.array([face.aspect - 2 * face.weight, 1 - 2 * thin])
    for stroke in _strokes(face, digit):
        points = ((stroke - 0.5) * size).astype(np.float32)
        for a, b in pairwise(points):
            dx, dy = b - a
            length2 = dx * dx + dy * dy
            if length2 < 1e-8:
                continue
            upright = dy * dy / length2
            half = thin + (face.weight - thin) * upright
            qx, qy = px - a[0], py - a[1]
            t = ((qx * dx + qy * dy) / length2).clip(0, 1)
            qx -= t * dx
            qy -= t * dy
            np.minimum(best, np.sqrt(qx * qx + qy * qy) - half, out=best)
    return best.reshape(ROWS, COLUMNS)
