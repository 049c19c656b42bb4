"""Birds with names for what they look like, and their pictures at any resolution.

A bird is what captions may say of it (`ATTRIBUTES`); its picture adds what they never say: which
way it faces, where it is, the exact shades, the light and the scenery.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmbench.datasets.mini.birds.scenery import backdrop, varied, water
from mmbench.datasets.mini.drawing import (
    Canvas,
    Points,
    Rgb,
    closed,
    curve,
    ellipse,
    moved,
    shaded,
)
from mmbench.datasets.mini.materials import table

_BIRDS = table(__file__, "birds.json")
COLOURS: dict[str, Rgb] = {name: tuple(rgb) for name, rgb in _BIRDS["colours"].items()}
LENGTHS: dict[str, float] = _BIRDS["lengths"]
"""Lengths of the beak, in lengths of the body."""
SIZES: dict[str, float] = _BIRDS["sizes"]
"""Length of the body in widths of the picture."""
_TILT: dict[str, float] = _BIRDS["tilts"]
"""Pose -> slope of the body."""

ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("body", "wing", "breast", "crown"), tuple(COLOURS)),
    "beak": tuple(_BIRDS["beaks"]),
    "beak length": tuple(LENGTHS),
    "size": tuple(SIZES),
    "pose": tuple(_TILT),
}
"""Attribute -> its values."""
Bird = Mapping[str, str]
"""Attribute -> value, of all ATTRIBUTES."""

# The outlines of a bird that faces right, its body on the x-axis from -0.5 to 0.5, y downwards.
_OUTLINES: dict[str, list[list[float]]] = _BIRDS["outlines"]
_BODY, _BREAST, _FOLDED, _SPREAD = (
    closed(_OUTLINES[part]) for part in ("body", "breast", "folded wing", "spread wing")
)
_TAIL = np.array(_OUTLINES["tail"])
_NECK = np.array([(0.31, -0.2)])
_HEAD = 0.25  # its radius

_FEET = ((-0.06, 0.14), (0.08, 0.14))
_LEG = 0.2
_DARK = (52, 42, 38)
_LIGHT = 0.06  # how far the light may take a shade, as a share of it


def draw(bird: Bird, pixels: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture of a bird, (pixels, pixels, 3).

    The generator decides on everything that `bird` leaves open; an equal one gives the same
    picture at any resolution.
    """
    pose = bird["pose"]
    scale = SIZES[bird["size"]] * rng.uniform(0.96, 1.04)
    facing = rng.choice((-1, 1))
    tilt = _TILT[pose] + rng.normal(0, 0.06)
    neck = moved(_NECK, turn=tilt)[0]
    head = neck + np.array((0.1, -0.13))
    length = LENGTHS[bird["beak length"]] * rng.uniform(0.95, 1.05)
    middle = _middle(pose, facing, scale, head[0] + 0.8 * _HEAD + length, rng)
    parts = ("body", "wing", "breast", "crown", "beak")
    shade = {part: varied(COLOURS[bird[part]], 9, rng) for part in parts}
    flap, nod = rng.uniform(-0.25, 0.25), rng.normal(0, 0.1)

    def at(points: ArrayLike, turn: float = tilt) -> Points:
        turned = moved(points, turn=turn)
        return moved(turned, (facing * scale, scale), to=middle)

    canvas = Canvas(pixels)
    feet = float(np.mean(_FEET, axis=0)[1] + _LEG)
    ground = middle[1] + scale * {"perched": feet, "standing": feet + 0.06}.get(pose, 0.06)
    surface = backdrop(canvas, pose, middle[0], ground, rng)

    outline = 0.016 * scale + 0.004
    if pose == "flying":
        far = moved(_SPREAD, (0.9, 1), turn=0.35 + flap, to=(0.1, -0.1))
        _part(canvas, at(far), shaded(shade["wing"], 0.86), outline)
    _part(canvas, at(_TAIL), shaded(shade["body"], 0.9), outline)
    if pose in ("perched", "standing"):
        for x, y in at(_FEET, turn=0):
            canvas.stroke([(x, y), (x, ground)], 0.035 * scale + 0.004, _DARK)
            if pose == "standing":
                toe = (x + facing * 0.1 * scale, ground)
                canvas.stroke([(x, ground), toe], 0.035 * scale + 0.004, _DARK)

    root = _HEAD * 0.8
    beak = moved([(root, -0.105), (root + length, 0.04), (root, 0.135)], turn=nod) + head
    _part(canvas, at(beak, 0), shade["beak"], 0.7 * outline)
    _part(canvas, at(_BODY), shade["body"], outline)
    skull = at(ellipse(head, (_HEAD, _HEAD)), 0)
    _part(canvas, skull, shade["body"], outline)
    canvas.fill(at(_BODY), shade["body"])  # hides the line where the head joins
    canvas.fill(at(_BREAST), shade["breast"], within=at(_BODY))
    cap = moved([(-0.4, -0.4), (0.4, -0.4), (0.4, -0.035), (-0.4, -0.035)], turn=nod) + head
    canvas.fill(at(cap, 0), shade["crown"], within=skull)
    eye = moved([(0.09, 0.025)], turn=nod)[0] + head
    canvas.fill(at(ellipse(eye, (0.052, 0.052)), 0), (250, 250, 246))
    canvas.fill(at(ellipse(eye, (0.036, 0.036)), 0), (14, 14, 16))

    if pose == "flying":
        near = moved(_SPREAD, (1.05, 1), turn=-0.3 + flap)
        feathers = [((-0.02, -0.2), (-0.26, -0.72)), ((-0.1, -0.08), (-0.32, -0.5))]
        lines = [moved(line, turn=-0.3 + flap) for line in feathers]
    else:
        near, lines = _FOLDED, [curve([(0.1, 0.02), (-0.2, 0.02), (-0.5, 0.04)], 5)]
    _part(canvas, at(near), shade["wing"], outline)
    for line in lines:
        canvas.stroke(at(line), outline, shaded(shade["wing"], 0.72))
    if pose == "swimming":
        water(canvas, middle[0], ground + 0.17 * scale, 1.6 * scale, surface)
    light = rng.uniform(1 - _LIGHT, 1 + _LIGHT) + rng.normal(0, _LIGHT / 4, 3)
    return np.rint(canvas.picture() * light).clip(0, 255).astype(np.uint8)


def _middle(
    pose: str, facing: int, scale: float, reach: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Where a bird is, so that its beak (`reach` body lengths before it) is in the picture."""
    room = 0.5 - 0.62 * scale
    x = 0.5 + room * rng.uniform(-0.6, 0.6) * facing
    y = 0.53 + 0.5 * room * rng.uniform(-1, 1)
    if pose == "flying":
        y = 0.56 + 0.3 * room * rng.uniform(-1, 1)
    beyond = max(0.0, facing * (x - 0.5) + reach * scale - 0.47)
    return x - facing * beyond, y


def _part(canvas: Canvas, outline: Points, colour: Rgb, width: float) -> None:
    """A filled part with a line around it, by which it shows on its own colour."""
    canvas.fill(outline, colour)
    edge = shaded(colour, 0.62) if sum(colour) > 150 else (84, 84, 90)
    canvas.stroke(np.vstack([outline, outline[:1]]), width, edge)
