"""Drawing at any resolution: smooth filled shapes and strokes on a square RGB canvas.

Shapes are given in unit coordinates, x to the right and y downwards, (0, 0) the upper left corner
and (1, 1) the lower right, so the same calls draw the same picture at 32 or 512 pixels. Edges are
anti-aliased by drawing larger and averaging.

    canvas = Canvas(64, sky)
    body = closed([(0.2, 0.5), (0.5, 0.3), (0.8, 0.5), (0.5, 0.7)])
    canvas.fill(body, (200, 30, 30))
    canvas.fill(ellipse((0.5, 0.7), (0.3, 0.1)), (250, 240, 220), within=body)
    canvas.stroke(curve([(0.1, 0.9), (0.5, 0.8), (0.9, 0.9)]), 0.02, (90, 60, 30))
    picture = canvas.picture()
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageChops, ImageDraw

Points = NDArray[np.float64]
"""(K, 2) x and y in unit coordinates."""
Rgb = tuple[int, int, int]
"""Red, green and blue from 0 to 255."""
Colour = Sequence[int]
"""Red, green, blue and, optionally, opacity, each from 0 to 255."""


class Canvas:
    """A square picture to draw on, each direction so many times finer than it is shown."""

    def __init__(self, pixels: int, colour: Colour = (255, 255, 255), finer: int = 4) -> None:
        self._pixels, self._size = pixels, pixels * finer
        self._image = Image.new("RGB", (self._size, self._size), tuple(colour))
        self._pen = ImageDraw.Draw(self._image, "RGBA")  # this mode blends by opacity

    def shade(self, top: Colour, bottom: Colour, start: float = 0, end: float = 1) -> None:
        """Fills the canvas from y = start to y = end, from one opaque colour to another."""
        first, last = round(start * self._size), round(end * self._size)
        if last <= first:
            return
        share = np.linspace(0, 1, last - first)[:, None, None]
        column = np.asarray(top) + share * (np.asarray(bottom) - np.asarray(top))
        image = Image.fromarray(np.rint(column).astype(np.uint8))
        wide = image.resize((self._size, last - first), Image.Resampling.NEAREST)
        self._image.paste(wide, (0, first))

    def fill(self, outline: ArrayLike, colour: Colour, within: ArrayLike | None = None) -> None:
        """Fills a shape of the given corners (K, 2); a smooth shape is one of many corners.

        What lies outside another outline, `within` (L, 2), is not drawn.
        """
        if within is None:
            self._pen.polygon(self._at(outline), fill=tuple(colour))
            return
        opacity = colour[3] if len(colour) > 3 else 255
        both = ImageChops.darker(self._mask(outline, opacity), self._mask(within))
        box = both.getbbox()
        if box:
            self._image.paste(tuple(colour[:3]), box, both.crop(box))

    def stroke(self, path: ArrayLike, width: float, colour: Colour) -> None:
        """Draws a line with round ends through points (K, 2), its width in canvas widths.

        It is true to half a pixel of the finer picture that is averaged.
        """
        thick = max(1, round(width * self._size))
        at = self._at(path)
        self._pen.line(at, fill=tuple(colour), width=thick, joint="curve")
        if thick > 2 and (len(colour) < 4 or colour[3] == 255):
            r = thick / 2 - 0.5
            for x, y in (at[0], at[-1]):
                self._pen.ellipse((x - r, y - r, x + r, y + r), fill=tuple(colour))

    def picture(self) -> NDArray[np.uint8]:
        """What was drawn so far: (pixels, pixels, 3)."""
        return np.asarray(self._image.reduce(self._size // self._pixels))

    def _mask(self, outline: ArrayLike, level: int = 255) -> Image.Image:
        mask = Image.new("L", (self._size, self._size))
        ImageDraw.Draw(mask).polygon(self._at(outline), fill=level)
        return mask

    def _at(self, points: ArrayLike) -> list[tuple[float, float]]:
        scaled = np.asarray(points, dtype=np.float64) * self._size
        return [(x, y) for x, y in scaled.tolist()]


def ellipse(
    centre: Sequence[float], radii: Sequence[float], turn: float = 0, corners: int = 40
) -> Points:
    """The outline of an ellipse, turned in radians clockwise as seen.

    The radii are half its width and half its height before it is turned.
    """
    around = np.arange(corners) * (2 * np.pi / corners)
    outline = np.stack([radii[0] * np.cos(around), radii[1] * np.sin(around)], 1)
    return moved(outline, turn=turn, to=centre)


def closed(points: ArrayLike, steps: int = 10) -> Points:
    """A smooth closed outline through points (K, 2), with `steps` corners for each of them."""
    knots = np.asarray(points, dtype=np.float64)
    return _spline(len(knots), steps, periodic=True) @ knots


def curve(points: ArrayLike, steps: int = 10) -> Points:
    """A smooth open path through points (K, 2), with `steps` points between neighbours."""
    knots = np.asarray(points, dtype=np.float64)
    return _spline(len(knots), steps, periodic=False) @ knots


def moved(
    points: ArrayLike, scale: ArrayLike = 1, turn: float = 0, to: ArrayLike = (0, 0)
) -> Points:
    """Points (K, 2) scaled (in x and y), then turned about (0, 0) clockwise, then shifted."""
    placed: Points = np.asarray(points, dtype=np.float64) * np.asarray(scale)
    if turn:
        c, s = np.cos(turn), np.sin(turn)
        placed = placed @ np.array([[c, s], [-s, c]])
    placed += np.asarray(to)
    return placed


def rgb(colour: ArrayLike) -> Rgb:
    """The nearest colour that there is."""
    red, green, blue = np.rint(np.clip(colour, 0, 255)).astype(int).tolist()
    return red, green, blue


def shaded(colour: Sequence[float], gain: float) -> Rgb:
    """A colour made darker or, with a gain over 1, lighter."""
    return rgb(np.asarray(colour) * gain)


@cache
def _spline(knots: int, steps: int, periodic: bool) -> Points:
    """(points, knots): what each knot adds to each point; cubic splines are linear in them."""
    unit = np.eye(knots)
    if periodic:
        spline = scipy.interpolate.CubicSpline(
            np.arange(knots + 1), np.vstack([unit, unit[:1]]), bc_type="periodic"
        )
        return np.asarray(spline(np.arange(knots * steps) / steps))
    at = np.arange((knots - 1) * steps + 1) / steps
    return np.asarray(scipy.interpolate.CubicSpline(np.arange(knots), unit, bc_type="natural")(at))
