"""Digits drawn by pen: writers, their strokes, and the ink that a stroke leaves.

A glyph is a handful of points that one uninterrupted stroke passes through, joined by cubic
splines between its corners. A writer bends every glyph in their own way (points moved, corners
rounded, slanted, widened) and an example adds the unsteadiness of one writing. As in MHD, which
keeps the digits formed in one stroke, the pen is never lifted: a 4, a barred 7 and a 1 on a foot
go back over their own line.

The image of a stroke is that of a soft round tip: the path integral of a Gaussian, saturated by
the paper, so it is anti-aliased at any width.
"""

from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import scipy
from numpy.typing import NDArray

from mmbench.datasets.mini.materials import Bytes, Integers, People, rng_of, table
from mmbench.progress import Bar

Floats = NDArray[np.float32]

POINTS = 100
"""Points on a finished stroke, at equal distances along it."""
PIXELS = 28
_DENSE = 160  # points on a stroke before it is measured out
_KNOTS = 14  # most points of a glyph
_CHUNK = 500  # pictures that `written` makes at a time; the content depends on it


class _Glyph:
    """A way to form a digit, from its points "x,y" in hundredths; a "c" marks a corner."""

    def __init__(self, text: str) -> None:
        words = text.split()
        knots = np.array([[int(v) for v in w.rstrip("c").split(",")] for w in words]) / 100
        inner = (i for i, w in enumerate(words[1:-1], 1) if w[-1] == "c")
        along = np.r_[0, np.cumsum(np.hypot(*np.diff(knots, axis=0).T))]
        at = np.linspace(0, along[-1], _DENSE)
        curve = np.zeros((_DENSE, len(knots)))
        for first, last in pairwise([0, *inner, len(words) - 1]):
            run = slice(first, last + 1)
            inside = (at >= along[first]) & (at <= along[last])
            spline = scipy.interpolate.CubicSpline(
                along[run], np.eye(last + 1 - first), bc_type="natural"
            )
            curve[inside, run] = spline(at[inside])
        self.knots = knots.astype(np.float32)  # (K, 2) in the unit square, y upwards
        # (_DENSE, K): points on the stroke are linear in the knots
        self.curve = curve.astype(np.float32)


@cache
def glyphs() -> tuple[tuple[_Glyph, ...], ...]:
    """For each digit the ways to form it."""
    return tuple(tuple(map(_Glyph, forms)) for forms in table(__file__, "glyphs.json"))


class Writers(People):
    """The habits of some writers (W), drawn at random."""

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        uniform: Callable[[float, float], Floats] = lambda low, high: rng.uniform(
            low, high, count
        ).astype(np.float32)
        # (W, 10) the way in which each forms each digit
        self.form = rng.integers(0, [len(forms) for forms in glyphs()], (count, 10))
        # (W, 10, K, 2) how far each moves the points of a glyph, in glyph heights
        bend = rng.normal(0, 0.03, (count, 10, _KNOTS, 2)).clip(-0.08, 0.08)
        self.bend: Floats = bend.astype(np.float32)
        # (W,) tangent of the slope to the right
        self.slant: Floats = rng.normal(0.16, 0.19, count).clip(-0.3, 0.6).astype(np.float32)
        self.aspect = uniform(0.52, 0.82)  # (W,) width over height
        self.height = uniform(0.6, 0.76)  # (W,) in shares of the sheet
        self.rounding = uniform(0.0, 0.9)  # (W,) of corners, 0 to 1
        # (W,) deviation of a point from the intended path, in glyph heights
        self.tremor = uniform(0.004, 0.016)
        # (W,) of the pen: the standard deviation of its tip, in shares of the sheet
        self.width = uniform(0.020, 0.034)


def write(digits: Integers, hands: Writers, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Writes digits (N,), each with the hand of its row, e.g. of `writers[ids]`.

    The random stream is that of the unsteadiness of each writing.

    Returns:
        The paths (N, POINTS, 2), x to the right and y upwards on a sheet of [0, 1]², and the
        widths of the pen (N,), as `ink` takes them.
    """
    n = len(digits)
    path = np.empty((n, _DENSE, 2), np.float32)
    wobble = hands.bend[np.arange(n), digits]
    wobble += rng.normal(0, 0.018, wobble.shape).astype(np.float32)
    form = hands.form[np.arange(n), digits]
    for digit, forms in enumerate(glyphs()):
        for i, glyph in enumerate(forms):
            rows = np.flatnonzero((digits == digit) & (form == i))
            knots = glyph.knots + wobble[rows, : len(glyph.knots)]
            path[rows] = glyph.curve.astype(float) @ knots

    smooth = scipy.ndimage.gaussian_filter1d(path, 5, axis=1, mode="nearest")
    path += hands.rounding[:, None, None] * (smooth - path)
    shiver = scipy.ndimage.gaussian_filter1d(
        rng.standard_normal(path.shape, np.float32), 6, axis=1
    )
    path += hands.tremor[:, None, None] * shiver / shiver.std()
    normal: Callable[[float], Floats] = lambda d: rng.normal(0, d, (n, 1)).astype(np.float32)

    x, y = path[..., 0], path[..., 1]
    x = (x - 0.5) * (hands.aspect[:, None] * (1 + normal(0.06)))
    y = y - 0.5
    x = x + y * (hands.slant[:, None] + normal(0.04))
    turn = normal(0.04).astype(float)
    c, s = (wave(turn).astype(np.float32) for wave in (np.cos, np.sin))
    path = np.stack([x * c - y * s, x * s + y * c], -1)
    path = path * (hands.height[:, None] * (1 + normal(0.04)))[..., None]
    middle = (path.max(1, keepdims=True) + path.min(1, keepdims=True)) / 2
    place = rng.normal(0, 0.02, (n, 1, 2)).clip(-0.05, 0.05).astype(np.float32)
    path = (path - middle + 0.5 + place).clip(0.02, 0.98)
    width = hands.width * (1 + normal(0.06)[:, 0])
    return _measured(path), width.clip(0.016, 0.04).astype(np.float32)


def _measured(path: Floats) -> Floats:
    """Paths (N, P, 2) as POINTS points at equal distances along them."""
    n, p, _ = path.shape
    length = np.zeros((n, p))
    length[:, 1:] = np.cumsum(np.hypot(*np.moveaxis(np.diff(path, axis=1), -1, 0)), axis=1)
    length *= (POINTS - 1) / length[:, -1:]
    # One search for all paths: path i runs from POINTS * i to POINTS * (i + 1) - 1.
    start = POINTS * np.arange(n)[:, None]
    wanted = (start + np.arange(POINTS)).ravel()
    measured = [np.interp(wanted, (start + length).ravel(), path[..., k].ravel()) for k in (0, 1)]
    return np.stack(measured, -1).reshape(n, POINTS, 2).astype(np.float32)


def ink(path: Floats, width: Floats, pixels: int = PIXELS) -> NDArray[np.float64]:
    """The picture that a pen leaves.

    Paths (N, P, 2) lie on a sheet of [0, 1]², y upwards, and neighbours at most a pixel apart; the
    widths (N,) are the standard deviations of the tips.

    Returns:
        (N, pixels, pixels), 0 is paper and 1 is ink, the top row first.
    """
    centre = ((np.arange(pixels) + 0.5) / pixels).astype(np.float32)

    def tip(z: Floats, at: Floats) -> Floats:  # (N, P), (pixels,) -> (N, P, pixels)
        off = (at - z[..., None]) / width[:, None, None]
        return np.exp(-(off.astype(float) ** 2) / 2).astype(np.float32)

    gap = np.hypot(*np.moveaxis(np.diff(path, axis=1), -1, 0))
    share = np.zeros(path.shape[:2], np.float32)  # the length of path that a point stands for
    share[:, 1:] += gap / 2
    share[:, :-1] += gap / 2
    share /= width[:, None] * np.sqrt(2 * np.pi)
    rows = tip(path[..., 1], centre[::-1]) * share[..., None]
    exposure = rows.transpose(0, 2, 1).astype(float) @ tip(path[..., 0], centre).astype(float)
    return np.asarray(1 - np.exp(-3.5 * exposure))


def written(digits: Integers, writers: int, seed: int, bar: Bar | None = None) -> Bytes:
    """Writes each of the digits (N,) in the hand of one of so many writers.

    Returns:
        (N, PIXELS, PIXELS), 0 is paper and 255 is ink.
    """
    people = Writers(writers, rng_of(seed, "writers"))
    out = np.empty((len(digits), PIXELS, PIXELS), np.uint8)
    for start in range(0, len(digits), _CHUNK):
        some = slice(start, start + _CHUNK)
        rng = rng_of(seed, "writing", start)
        who = people[rng.integers(0, writers, len(digits[some]))]
        paths, widths = write(digits[some], who, rng)
        out[some] = np.rint(255 * ink(paths, widths))
        if bar is not None:
            bar.update(bar.done + len(paths))
    return out
