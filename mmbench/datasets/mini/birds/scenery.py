"""Where drawn birds are: branches, meadows, water and sky, none like another."""

import numpy as np

from mmbench.datasets.mini.drawing import Canvas, Rgb, curve, ellipse, moved, rgb

_SKIES = ((150, 196, 240), (186, 214, 236), (206, 212, 218), (120, 172, 232), (236, 214, 196))
_LEAVES = ((96, 138, 78), (128, 158, 92), (74, 112, 72), (152, 168, 110), (110, 130, 104))
_GROUNDS = ((138, 164, 92), (170, 176, 112), (200, 184, 142), (172, 152, 116), (112, 146, 84))
_WATERS = ((92, 140, 172), (112, 156, 160), (140, 164, 180), (76, 122, 150), (128, 148, 150))
_BARK = ((104, 82, 62), (128, 108, 88), (84, 70, 60))


def varied(colour: Rgb, spread: float, rng: np.random.Generator) -> Rgb:
    """A colour with each channel moved by at most `spread`."""
    return rgb(np.asarray(colour) + rng.uniform(-spread, spread, 3))


def backdrop(canvas: Canvas, pose: str, x: float, ground: float, rng: np.random.Generator) -> Rgb:
    """Draws what is behind a bird at x, over all of the canvas.

    Returns the colour of the ground or water around the bird; `ground` is the height of what it
    perches, stands or swims on.
    """
    sky = _one(_SKIES, rng)
    canvas.shade(sky, _pale(sky))
    if pose == "flying":
        _clouds(canvas, rng)
        if rng.random() < 0.4:
            _hills(canvas, rng)
        return sky
    if rng.random() < 0.6:
        _foliage(canvas, rng)
    if pose == "perched":
        return _branch(canvas, x, ground, rng)
    colour = _one(_WATERS if pose == "swimming" else _GROUNDS, rng)
    horizon = ground - rng.uniform(0.04, 0.3)
    canvas.shade(_pale(colour), colour, horizon)
    for y in np.sort(rng.uniform(horizon, 1, 16)):
        if pose == "swimming":
            _ripple(canvas, rng.random(), y, rng.uniform(0.1, 0.3), _pale(colour))
        else:
            _tuft(canvas, rng.random(), y, rng.uniform(0.02, 0.05), _deep(colour))
    return _mixed(_pale(colour), colour, (ground - horizon) / (1 - horizon))


def water(canvas: Canvas, x: float, y: float, length: float, colour: Rgb) -> None:
    """Draws the water that hides a swimming bird from (x, y) downwards."""
    along = np.linspace(-0.66, 0.66, 14)
    surface = np.stack([x + length * along, y + 0.012 * length * np.sin(9 * along)], 1)
    below = ellipse((x, y), (0.66 * length, 0.3 * length))
    canvas.fill(np.vstack([surface, below[: len(below) // 2]]), colour)
    canvas.stroke(surface, 0.012, _pale(_pale(colour)))
    _ripple(canvas, x, y + 0.1 * length, 0.8 * length, _pale(colour))


def _clouds(canvas: Canvas, rng: np.random.Generator) -> None:
    for x, y in rng.uniform(0, 1, (rng.integers(0, 4), 2)):
        for _ in range(4):
            at = (x + rng.normal(0, 0.07), y + rng.normal(0, 0.02))
            radii = (rng.uniform(0.06, 0.14), rng.uniform(0.03, 0.05))
            canvas.fill(ellipse(at, radii), (255, 255, 255, 70))


def _hills(canvas: Canvas, rng: np.random.Generator) -> None:
    heights = rng.uniform(0.88, 0.98, 5)
    ridge = curve(np.stack([np.linspace(-0.1, 1.1, 5), heights], 1))
    canvas.fill([*ridge, (1.1, 1.1), (-0.1, 1.1)], _one(_LEAVES, rng))


def _foliage(canvas: Canvas, rng: np.random.Generator) -> None:
    canvas.shade(_one(_LEAVES, rng), _one(_LEAVES, rng))
    for at in rng.uniform(-0.1, 1.1, (14, 2)):
        radius = rng.uniform(0.06, 0.2)
        canvas.fill(ellipse(at, (radius, radius), corners=24), (*_one(_LEAVES, rng), 120))


def _branch(canvas: Canvas, x: float, y: float, rng: np.random.Generator) -> Rgb:
    bark, slope = _one(_BARK, rng), rng.normal(0, 0.06)
    ends = (-0.05 - x, 1.05 - x)
    along = np.array([ends[0], ends[0] / 2, 0, ends[1] / 2, ends[1]])
    bends = rng.normal(0, 0.015, 5) * (along != 0)  # it runs below the feet
    path = np.stack([x + along, y + slope * along + bends], 1)
    thick = rng.uniform(0.03, 0.055)
    for t in rng.uniform(*ends, 3):
        beside = x + t + rng.normal(0, 0.1)
        tip = beside, y + slope * t + rng.choice((-1, 1)) * rng.uniform(0.1, 0.2)
        canvas.stroke([(x + t, y + slope * t), tip], 0.4 * thick, bark)
        leaf = _one(_LEAVES, rng)
        canvas.fill(ellipse(tip, (0.06, 0.028), rng.uniform(0, np.pi)), _deep(leaf))
    centre = moved(curve(path, 6), to=(0, thick / 2))
    canvas.stroke(centre, thick, bark)
    canvas.stroke(moved(centre, to=(0, thick / 4)), thick / 3, _deep(bark))
    return bark


def _ripple(canvas: Canvas, x: float, y: float, length: float, colour: Rgb) -> None:
    t = np.linspace(-0.5, 0.5, 9)
    canvas.stroke(np.stack([x + length * t, y + 0.006 * np.sin(12 * t)], 1), 0.01, colour)


def _tuft(canvas: Canvas, x: float, y: float, height: float, colour: Rgb) -> None:
    tips = ((-0.5, 1), (-0.1, 0), (0.05, 1), (0.1, 0), (0.6, 1))
    canvas.stroke([(x + height * a, y - height * b) for a, b in tips], 0.008, colour)


def _one(colours: tuple[Rgb, ...], rng: np.random.Generator) -> Rgb:
    return varied(colours[rng.integers(len(colours))], 10, rng)


def _pale(colour: Rgb) -> Rgb:
    return _mixed(colour, (255, 255, 255), 0.35)


def _deep(colour: Rgb) -> Rgb:
    return _mixed(colour, (0, 0, 0), 0.25)


def _mixed(one: Rgb, other: Rgb, share: float) -> Rgb:
    return rgb(one + share * np.subtract(other, one))
