"""Typefaces for digits, drawn at random: skeletons of lines and superelliptic arcs, given weight.

A face is a way to form each digit, the roundness of its bowls, the height of its waist, its width,
slant, weight, the contrast of its thick and thin strokes, and the length of its serifs. A digit is
kept as a field of distances, from which it can be drawn at any size, turned, outlined or shaded.
"""

from collections.abc import Callable
from dataclasses import dataclass
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
"""Of a digit, in heights."""
ROWS = round((1 + 2 * REACH) * CELLS)
COLUMNS = round((WIDEST + 2 * REACH) * CELLS)
_ARC = 15  # degrees between two points of a bowl


@dataclass(frozen=True)
class Face:
    """How a typeface forms its digits; lengths in heights of a digit."""

    forms: tuple[float, ...]  # (10,) in [0, 1): which way each digit is formed
    power: float  # of the superellipse of the bowls; 2 is an ellipse, more is squarer
    waist: float  # height at which the bowls of 3, 6, 8 and 9 meet, 0.5 is the middle
    opening: float  # degrees by which the arcs of 2, 3, 5, 6 and 9 end early
    aspect: float  # width over height
    slant: float  # tangent of the slope to the right
    weight: float  # half the width of a thick stroke
    contrast: float  # width of a thin (level) stroke over that of a thick (upright) one
    serif: float  # half the length of serifs; 0 for none


def draw_face(rng: np.random.Generator) -> Face:
    """Draws a typeface."""
    u: Callable[[float, float], float] = lambda low, high: float(rng.uniform(low, high))
    serif = u(0.08, 0.16) if rng.random() < 0.3 else 0.0
    modulated = serif or rng.random() < 0.2  # thick and thin strokes
    return Face(
        forms=tuple(rng.random(10).tolist()),
        power=2 + 2.5 * rng.random() ** 2,
        waist=u(0.47, 0.57),
        opening=u(-12, 32),
        aspect=u(0.44, 0.7),
        slant=float(rng.choice([0.0, 0.0, u(-0.05, 0.28)])),
        weight=u(0.045, 0.105),
        contrast=u(0.4, 0.85) if modulated else u(0.85, 1.0),
        serif=serif,
    )


def fields(faces: list[Face]) -> Floats:
    """The digits of each typeface as fields of distances.

    Returns:
        (F, 10, ROWS, COLUMNS): the distance of the middle of a cell from the edge of the digit,
        in heights, negative inside. The digit's middle is the field's; the top row comes first.
    """
    return np.array([[_field(_FORMS[d](f, f.forms[d]), f) for d in range(10)] for f in faces])


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


def _zero(face: Face, form: float) -> list[Points]:
    return [_arc(face, 0.5, 0.5, 0.5, 0.5, 0, 360)]


def _one(face: Face, form: float) -> list[Points]:
    stem = 0.5 if form < 0.3 else 0.58
    strokes = [_line((stem, 1), (stem, 0))]
    if form >= 0.3:
        strokes.append(_line((stem - 0.46, 0.74), (stem, 1)))
    if form >= 0.75 or face.serif:
        strokes.append(_line((stem - 0.36, 0), (stem + 0.36, 0)))
    return strokes


def _two(face: Face, form: float) -> list[Points]:
    up = 0.26 + 0.06 * form
    top = _arc(face, 0.5, 1 - up, 0.48, up, 170 - face.opening / 2, -25)
    strokes = [np.vstack([top, [(0.02, 0), (1, 0)]])]
    if face.serif:
        strokes.append(_line((1, 0), (1, face.serif)))
    return strokes


def _three(face: Face, form: float) -> list[Points]:
    high, low = (1 - face.waist) / 2, face.waist / 2
    bottom = _arc(face, 0.45, low, 0.53, low, 90, -150 + face.opening)
    if form < 0.2:  # a flat top
        return [np.vstack([_line((0.05, 1), (0.9, 1), (0.42, face.waist)), bottom])]
    top = _arc(face, 0.45, 1 - high, 0.46, high, 150 - face.opening, -90)
    return [np.vstack([top, bottom])]


def _four(face: Face, form: float) -> list[Points]:
    stem, bar = 0.74, 0.24 + 0.1 * form
    if form < 0.25:  # open
        bar += 0.14
        strokes = [_line((0.16, 1), (0, bar), (1, bar)), _line((stem, 0.8), (stem, 0))]
    else:
        strokes = [_line((stem, 0), (stem, 1), (0, bar), (1, bar))]
    if face.serif:
        strokes.append(_line((stem - 0.24, 0), (stem + 0.24, 0)))
    return strokes


def _five(face: Face, form: float) -> list[Points]:
    up = 0.3 + 0.03 * form
    neck = (0.1, 0.53)
    bowl = _arc(face, 0.46, up, 0.53, up, 140, -150 + face.opening)
    strokes = [np.vstack([_line((0.92, 1), (0.16, 1), neck), bowl])]
    if face.serif:
        strokes.append(_line((0.92, 1), (0.92, 1 + face.serif / 2)))
    return strokes


def _six(face: Face, form: float) -> list[Points]:
    up = 0.5 * (face.waist + 0.1)
    bowl = _arc(face, 0.5, up, 0.5, up, 0, 360)
    if form < 0.3:
        return [_line((0.03, up + 0.1), (0.66, 1)), bowl]
    tail = _arc(face, 0.5, 0.56, 0.5, 0.44, 40 + face.opening / 2, 180)
    return [np.vstack([tail, [(0, up)]]), bowl]


def _nine(face: Face, form: float) -> list[Points]:
    return [1 - stroke for stroke in _six(face, face.forms[6])]  # its 6, turned


def _seven(face: Face, form: float) -> list[Points]:
    foot = 0.22 + 0.16 * form
    bend = [(0.58, 0.5)] if form > 0.55 else []
    strokes = [_line((0, 1), (0.98, 1), *bend, (foot, 0))]
    if 0.35 < form < 0.5:  # barred
        strokes.append(_line((0.28, 0.5), (0.88, 0.5)))
    if face.serif:
        strokes.append(_line((0, 1), (0, 1 - face.serif)))
    return strokes


def _eight(face: Face, form: float) -> list[Points]:
    high, low = (1 - face.waist) / 2, face.waist / 2
    top = _arc(face, 0.5, 1 - high, 0.4 + 0.08 * form, high, 0, 360)
    return [top, _arc(face, 0.5, low, 0.5, low, 0, 360)]


# Digit -> its strokes, each (P, 2), x and y in [0, 1], y upwards.
_FORMS = (_zero, _one, _two, _three, _four, _five, _six, _seven, _eight, _nine)


def _field(strokes: list[Points], face: Face) -> Floats:
    y = (np.arange(ROWS)[::-1] + 0.5) / CELLS - REACH - 0.5
    x = (np.arange(COLUMNS) + 0.5) / CELLS - COLUMNS / CELLS / 2
    px = (x - y[:, None] * face.slant).ravel().astype(np.float32)  # upright again
    py = np.repeat(y, COLUMNS).astype(np.float32)
    best = np.full(len(px), np.inf, np.float32)
    # so that the ink, not the skeleton, fills the height of 1
    thin = face.weight * face.contrast
    size = np.array([face.aspect - 2 * face.weight, 1 - 2 * thin])
    for stroke in strokes:
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
