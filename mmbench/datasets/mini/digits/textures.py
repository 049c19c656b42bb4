"""Five surfaces to lay digits over, from an easy one to a hard one.

A digit inverts the colours below it, so it stands out on what is dark or light and smooth, and
drowns in what is grey or busy: in the joints of bricks it turns from lighter to darker than its
surroundings.
"""

from collections.abc import Callable

import numpy as np
import scipy
from PIL import Image, ImageDraw

from mmbench.datasets.mini.materials import Bytes, Floats

Texture = Callable[[np.random.Generator], Bytes]
"""Draws a surface: (SIZE, SIZE, 3)."""

Thing = Callable[[ImageDraw.ImageDraw, float], None]
"""Draws one of many things; the number says how far up it lies, from 0 to 1."""

SIZE = 512
_BRIGHT = ((129, 33, 38), (138, 113, 33), (33, 88, 129), (38, 105, 60))
_PAPERS = np.array([*_BRIGHT, (132, 132, 135), (82, 41, 105), (16, 16, 25), (135, 77, 33)])


def sky(rng: np.random.Generator) -> Bytes:
    """A sky after sunset, with clouds."""
    down = np.linspace(0, 1, SIZE)[:, None, None]
    blue = (1 - down) * np.array([14, 22, 64]) + down * np.array([96, 46, 78])
    clouds = _noise(rng, (14, 40)) + 0.6 * _noise(rng, (7, 16)) + 0.3 * _noise(rng, 4)
    cover = np.clip(0.5 * clouds, 0, 1)[..., None]
    return _bytes(blue * (1 - cover) + cover * (0.5 * blue + np.array([34, 24, 40])))


def planks(rng: np.random.Generator) -> Bytes:
    """Upright boards of dark wood."""
    width = 30
    board = np.arange(SIZE) // width
    tones = rng.normal(1, 0.16, board[-1] + 1)[board]
    # the grain follows the years' rings, bent a little and moved from board to board
    bent = 3.5 * _noise(rng, (46, 9)) + np.arange(SIZE) / 5 + 9 * rng.random(board[-1] + 1)[board]
    grain = 0.5 + 0.5 * np.sin(2 * np.pi * bent / 2.2)
    fibre = _noise(rng, (16, 0.8))
    light = tones * (0.72 + 0.34 * grain + 0.09 * fibre)
    light[:, np.arange(SIZE) % width < 2] *= 0.25
    return _bytes(light[..., None] * np.array([104, 62, 32]))


def foliage(rng: np.random.Generator) -> Bytes:
    """Leaves over leaves, the upper ones in the sun."""

    def leaf(draw: ImageDraw.ImageDraw, height: float) -> None:
        length, angle = rng.uniform(12, 34), rng.uniform(0, 2 * np.pi)
        along = np.linspace(0, 1, 9)
        bulge = rng.uniform(0.16, 0.28) * length * np.sin(np.pi * along**0.8)
        sides = np.concatenate([bulge, -bulge[::-1]])
        outline = _placed(np.concatenate([along, along[::-1]]) * length, sides, angle, rng)
        light = (0.12 + 0.6 * height**2) * rng.uniform(0.6, 1.15)
        sun = np.array([rng.uniform(110, 205), rng.uniform(170, 235), rng.uniform(40, 100)])
        draw.polygon(outline.ravel().tolist(), fill=_colour(light * sun))
        draw.line(outline[[0, 8]].ravel().tolist(), fill=_colour(1.3 * light * sun + 8), width=2)

    return _scattered(9000, (14, 30, 16), leaf)


def confetti(rng: np.random.Generator) -> Bytes:
    """Discs, squares and strips of paper in all colours, by night."""

    def piece(draw: ImageDraw.ImageDraw, height: float) -> None:
        colour = _colour(_PAPERS[rng.integers(len(_PAPERS))] * rng.uniform(0.7, 1.1))
        size, angle = rng.uniform(6, 13), rng.uniform(0, 2 * np.pi)
        corners = 12 if rng.random() < 0.5 else 4
        turn = np.arange(corners) * 2 * np.pi / corners
        flat = rng.uniform(0.35, 1) if corners == 4 else 1.0
        outline = _placed(size * np.cos(turn), size * flat * np.sin(turn), angle, rng)
        draw.polygon(outline.ravel().tolist(), fill=colour)

    return _scattered(7000, (22, 22, 28), piece)


def bricks(rng: np.random.Generator) -> Bytes:
    """A wall of bricks in light mortar."""
    high, wide, joint = 11, 25, 2
    y, x = np.mgrid[:SIZE, :SIZE]
    row = y // high
    x = x + (row % 2) * (wide // 2) + 2 * (row % 3)
    column = x // wide
    tones = rng.normal(0, 1, (row.max() + 1, column.max() + 1, 2))[row, column]
    clay = np.array([150, 66, 44]) + tones[..., :1] * np.array([30, 20, 15])
    clay = clay + tones[..., 1:] * np.array([6, 12, -6]) + 9 * _noise(rng, 0.8)[..., None]
    mortar = np.array([205, 198, 184]) + 12 * _noise(rng, 1.2)[..., None]
    between = ((y % high < joint) | (x % wide < joint))[..., None]
    soot = 1 + 0.08 * _noise(rng, 30)[..., None]
    return _bytes(np.where(between, mortar, clay) * soot)


TEXTURES: tuple[Texture, ...] = (sky, planks, foliage, confetti, bricks)


def _noise(rng: np.random.Generator, sigma: float | tuple[float, float]) -> Floats:
    """Smooth noise (SIZE, SIZE) of unit deviation."""
    white = scipy.ndimage.gaussian_filter(rng.standard_normal((SIZE, SIZE)), sigma, mode="wrap")
    return np.asarray(white / white.std())


def _bytes(colours: Floats) -> Bytes:
    return np.asarray(np.rint(colours.clip(0, 255)).astype(np.uint8))


def _colour(colour: Floats) -> tuple[int, ...]:
    return tuple(_bytes(colour).tolist())


def _placed(x: Floats, y: Floats, angle: float, rng: np.random.Generator) -> Floats:
    """An outline turned, and moved anywhere on a sheet of twice the SIZE: (P, 2)."""
    turned = [x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)]
    return np.stack(turned, -1) + rng.uniform(0, 2 * SIZE, 2)


def _scattered(count: int, ground: tuple[int, int, int], draw_one: Thing) -> Bytes:
    """Things over things, drawn at twice the size so that their edges are smooth."""
    sheet = Image.new("RGB", (2 * SIZE, 2 * SIZE), ground)
    draw = ImageDraw.Draw(sheet)
    for i in range(count):
        draw_one(draw, i / count)
    return np.array(sheet.reduce(2))
