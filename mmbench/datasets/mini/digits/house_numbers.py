"""Crops of street numbers: a digit in some typeface on some wall, its neighbours, light and dirt.

As in SVHN (Netzer et al., "Reading digits in natural images with unsupervised feature learning",
2011, http://ufldl.stanford.edu/housenumbers) the digit is the middle of a 32 x 32 crop that often
shows parts of the numbers beside it, in any colours, out of focus, under uneven light.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mmbench.datasets.mini.digits.typefaces import CELLS, COLUMNS, ROWS, Face, fields
from mmbench.datasets.mini.materials import Floats, Integers

PIXELS = 32
Bools = NDArray[np.bool_]
Uniform = Callable[[float, float], Floats]

_HUES = (0.6, 0.25, 0.15)
_CENTRE = (np.arange(PIXELS) + 0.5) - PIXELS / 2
_X, _Y = np.meshgrid(_CENTRE, _CENTRE)  # in pixels from the middle, y downwards


class Numerals:
    """Digits of several typefaces (F), ready to be drawn."""

    def __init__(self, faces: list[Face]) -> None:
        self.fields = fields(faces)  # (F, 10, ROWS, COLUMNS)
        # (F,) from one digit to the next, in heights
        self.advance = np.array([max(f.aspect, 0.5) + f.weight + 0.04 for f in faces])

    def distance(self, face: Integers, digit: Integers, x: Floats, y: Floats) -> Floats:
        """Distance (N, H, W) from the edges of digits (N,) of faces (N,), negative inside.

        It is measured at x, to the right, and y, downwards, (N, H, W) from the digit's middle; all
        in heights of a digit.
        """
        column = x * CELLS + (COLUMNS - 1) / 2
        row = y * CELLS + (ROWS - 1) / 2
        inside_c, inside_r = column.clip(0, COLUMNS - 1.001), row.clip(0, ROWS - 1.001)
        beyond = np.hypot(column - inside_c, row - inside_r) / CELLS
        c, r = inside_c.astype(np.int32), inside_r.astype(np.int32)
        right, down = inside_c - c, inside_r - r
        flat = self.fields.reshape(-1)
        start = ((face * 10 + digit) * (ROWS * COLUMNS)).astype(np.int32)[:, None, None]
        at = start + r * COLUMNS + c
        top = flat[at] * (1 - right) + flat[at + 1] * right
        bottom = flat[at + COLUMNS] * (1 - right) + flat[at + COLUMNS + 1] * right
        return np.asarray(top * (1 - down) + bottom * down + beyond)


def photograph(
    digits: Integers, faces: Integers, numerals: Numerals, rng: np.random.Generator
) -> Floats:
    """Takes a picture of each digit (N,), in its typeface (N,), on a wall.

    The random stream decides on wall, colours, place, light, dirt and focus.

    Returns:
        (N, 3, PIXELS, PIXELS), RGB in [0, 1].
    """
    n = len(digits)
    uniform: Uniform = lambda low, high: rng.uniform(low, high, (n, 1, 1))
    chance: Callable[[float], Bools] = lambda p: rng.random((n, 1, 1)) < p
    height = uniform(17.5, 26)
    distance = _number(digits, faces, height, numerals, rng) * height  # now in pixels
    paint, wall = _colours(n, rng)
    picture = wall[:, :, None, None] * _surface(n, uniform, chance)[:, None]
    wide, high = uniform(12, 26), uniform(12, 17)  # a plate under the number
    edge = np.maximum(np.abs(_X - uniform(-4, 4)) - wide, np.abs(_Y - uniform(-2, 2)) - high)
    board = ((0.5 - edge).clip(0, 1) * chance(0.3))[:, None]
    tone = _tone(wall, rng)[:, :, None, None]
    picture += board * (tone - picture)

    ink = (0.5 - distance).clip(0, 1)
    shadow = _shifted(ink, rng) * (chance(0.3) * uniform(0.2, 0.6))
    picture *= 1 - shadow[:, None]
    rim = (0.5 + uniform(0.8, 1.8) - distance).clip(0, 1) * chance(0.14)  # an outline
    picture += rim[:, None] * (_tone(wall, rng)[:, :, None, None] - picture)
    edge = _shifted(ink, rng) - ink  # raised or carved: lit on one side
    picture += ink[:, None] * (paint[:, :, None, None] - picture)
    picture += (edge * (chance(0.25) * uniform(-0.3, 0.3)))[:, None]

    picture = _dirt(picture, uniform, chance)
    turn = uniform(-np.pi, np.pi)
    light = (_X * np.cos(turn) + _Y * np.sin(turn)) / PIXELS
    picture *= (1 + uniform(0, 0.5) * light)[:, None] * (uniform(0.55, 1.08)[:, None])
    picture += uniform(0.0, 0.14)[:, None]  # haze
    picture = _blurred(picture, uniform(0.3, 1.4)[:, 0, 0])
    picture += rng.standard_normal(picture.shape) * uniform(0.0, 0.035)[:, None]
    return picture.clip(0, 1)


def _number(
    digits: Integers, faces: Integers, height: Floats, numerals: Numerals, rng: np.random.Generator
) -> Floats:
    """Distance from the ink of the digit and of those beside it (N, PIXELS, PIXELS), in heights.

    The middle digit is whole; a neighbour is cut by the border of the crop.
    """
    n = len(digits)
    normal: Callable[[float], Floats] = lambda deviation: rng.normal(0, deviation, (n, 1, 1))
    turn, lean = normal(0.07), normal(0.08)
    x, y = _X - normal(1.0).clip(-2, 2), _Y - normal(0.9).clip(-2, 2)
    x, y = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    y = y / height
    x = x / height * np.exp(normal(0.1)).clip(0.8, 1.25) + y * lean
    bold = normal(0.01).clip(-0.015, 0.03)
    best: Floats = numerals.distance(faces, digits, x, y) - bold
    space = numerals.advance[faces][:, None, None] + rng.uniform(-0.06, 0.12, (n, 1, 1))
    for side in (-1, 1):
        there = np.flatnonzero(rng.random(n) < 0.55)
        step = side * space[there]
        other = rng.integers(0, 10, len(there))
        jump = normal(0.02)[there]
        found = numerals.distance(faces[there], other, x[there] - step, y[there] - jump)
        best[there] = np.minimum(best[there], found - bold[there])
    return best


def _colours(n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Colours of the digits and of the walls, (N, 3) each, which differ in lightness."""
    wall = _palette(n, rng)
    paint = _palette(n, rng)
    light = rng.uniform(0.12, 0.9, (n, 1))
    gap = rng.uniform(0.24, 0.75, (n, 1))
    up = np.where(rng.random((n, 1)) < 0.5, 1, -1)
    up = np.where(light + gap > 0.98, -1, np.where(light - gap < 0.02, 1, up))
    other = (light + up * gap).clip(0.02, 0.98)
    paint, wall = ((x + hue * (0.4 + x)).clip(0, 1) for hue, x in ((paint, other), (wall, light)))
    return paint, wall


def _palette(n: int, rng: np.random.Generator) -> Floats:
    """Hues (N, 3), mostly dull: what to add to a grey."""
    # paint and stone are red to yellow, or blue, seldom green, hardly ever purple
    middle, spread = np.array([(0.4, 0.35), (3.9, 0.35), (2.3, 0.6)])[rng.choice(3, n, p=_HUES)].T
    angle = rng.normal(middle, spread)[:, None] - np.array([0, 2, 4]) * np.pi / 3
    strength = 0.3 * rng.beta(1, 2, (n, 1))
    return np.asarray(np.cos(angle) * strength)


def _tone(wall: Floats, rng: np.random.Generator) -> Floats:
    """Colours near those of the walls (N, 3)."""
    near: Floats = wall * rng.uniform(0.7, 1.25, (len(wall), 1))
    return (near + rng.normal(0, 0.02, wall.shape)).clip(0, 1)


def _surface(n: int, uniform: Uniform, chance: Callable[[float], Bools]) -> Floats:
    """How light a wall is at each pixel (N, PIXELS, PIXELS), 1 on average.

    Plaster waves; boards and bricks have dark joints.
    """
    out = np.ones((n, PIXELS, PIXELS))
    for longest in (20, 12, 7):
        turn, length, phase = uniform(-np.pi, np.pi), uniform(5, longest), uniform(0, 6.28)
        wave = np.sin((_X * np.cos(turn) + _Y * np.sin(turn)) * (6.28 / length) + phase)
        out += uniform(0, 0.06) * wave
    boards, bricks, upright = chance(0.22), chance(0.14), chance(0.3)
    period, phase = uniform(5, 12), uniform(0, 12)
    across = np.where(upright, _X, _Y) + phase
    joint = _joint(across, period)
    row = np.floor(across / period)
    along = np.where(upright, _Y, _X) + row * period
    wall = np.maximum(joint, _joint(along, 2 * period))
    out *= 1 - uniform(0.1, 0.4) * np.where(boards, joint, np.where(bricks, wall, 0))
    return out


def _joint(at: Floats, period: Floats) -> Floats:
    """1 in the joints between boards, 0 on them."""
    off = np.abs((at / period) % 1 - 0.5) * period  # half a period in the joint
    return np.asarray((off - period / 2 + 1.2).clip(0, 1))


def _shifted(ink: Floats, rng: np.random.Generator) -> Floats:
    """Each picture moved by a pixel or two to one side and downwards."""
    n = len(ink)
    padded = np.pad(ink, ((0, 0), (2, 0), (2, 2)), mode="edge")
    right, down = rng.integers(-2, 3, n), rng.integers(1, 3, n)
    rows = (2 - down)[:, None] + np.arange(PIXELS)
    columns = (2 - right)[:, None] + np.arange(PIXELS)
    return np.asarray(padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None]])


def _dirt(picture: Floats, uniform: Uniform, chance: Callable[[float], Bools]) -> Floats:
    """Streaks and stains: light or dark, over wall and digit alike."""
    for _ in range(2):
        turn, at = uniform(-np.pi, np.pi), uniform(-16, 16)
        off = np.abs(_X * np.cos(turn) + _Y * np.sin(turn) - at)
        streak = (uniform(0.3, 1.3) + 0.5 - off).clip(0, 1) * chance(0.18)
        picture = picture * (1 - (streak * uniform(-0.35, 0.5))[:, None])
    far = np.hypot(_X - uniform(-16, 16), _Y - uniform(-16, 16))
    stain = ((uniform(3, 8) - far) / 3).clip(0, 1) * chance(0.3)
    picture = picture * (1 - (stain * uniform(-0.3, 0.45))[:, None])
    return picture


def _blurred(picture: Floats, sigma: Floats) -> Floats:
    """Pictures (N, 3, PIXELS, PIXELS) blurred, each by a Gaussian of its own width in pixels."""
    off = _CENTRE[:, None] - _CENTRE
    lens = np.exp(-((off / sigma[:, None, None]) ** 2) / 2)
    lens /= lens.sum(2, keepdims=True)
    return lens[:, None] @ picture @ lens[:, None].transpose(0, 1, 3, 2)
