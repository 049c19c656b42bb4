"""The hair and the hats of drawn faces.

Hair is drawn in two pieces, behind the bust and over the face; how it is worn shows in its
outline (wavy or smooth) and in its strands.
"""

import numpy as np

from mmbench.datasets.mini.drawing import Points, Rgb, closed, shaded
from mmbench.datasets.mini.faces.people import Portrait
from mmbench.datasets.mini.faces.sheet import CROWN, Sheet, between, mirrored
from mmbench.datasets.mini.materials import table

_WAVE, _CURL = 0.022, 0.13  # of wavy hair: amplitude and length of a wave
_SHAPES: dict[str, list[list[float]]] = table(__file__, "shapes.json")
"""Right halves of outlines; x in half the width of the head or of the hat."""


def back_hair(sheet: Sheet, portrait: Portrait) -> None:
    """Long hair behind the neck."""
    who = portrait.person
    if not who.long:
        return
    y = np.linspace(-0.22, portrait.length, 16)
    outer = who.width + 0.09 * np.minimum(1, (y + 0.22) / 0.2) ** 0.5
    left, right = -outer + _waves(portrait, y), outer + _waves(portrait, y + 0.05)
    sheet.fill(between((right, y), (left, y)), shaded(who.tint, 0.8), "hair")


def front_hair(sheet: Sheet, portrait: Portrait) -> None:
    """The hair over skull and forehead, and the locks beside a face with long hair."""
    who = portrait.person
    if who.cut == "bald":
        return
    sheet.fill(_cap(portrait), who.tint, "hair")
    if who.long:
        _locks(sheet, portrait)
    if portrait.bangs:
        _bangs(sheet, portrait)
    if portrait.hat is None and who.cut != "cropped":
        _strands(sheet, portrait)


def _waves(portrait: Portrait, at: Points) -> Points:
    """How far the outline of hair is off its course at some heights."""
    if portrait.person.cut != "wavy":
        return np.zeros_like(at)
    return np.asarray(_WAVE * np.sin(2 * np.pi * at / _CURL + portrait.wave))


def _cap(portrait: Portrait) -> Points:
    """From temple over the crown to the other temple, and back along the hairline."""
    who = portrait.person
    thick = {"cropped": 0.016, "straight": 0.05, "wavy": 0.06}[who.cut]
    low = 0.04 if who.cut != "cropped" or portrait.hat else -0.03  # the end of the sideburns
    angle = np.linspace(-0.12, np.pi + 0.12, 48)
    curl = 0.7 * _WAVE if who.cut == "wavy" else 0.0
    ripple = curl * np.sin(11 * angle + portrait.wave)
    w = who.width
    wide, tall = w + 0.75 * thick + ripple, -CROWN - 0.06 + thick + ripple
    over = np.column_stack([wide * np.cos(angle), -0.06 - tall * np.sin(angle)])
    half = np.array(_SHAPES["receding hairline" if who.receding else "hairline"]) * (w, 1)
    # a tuft between bare temples, or a parting
    middle = half[-1:] if who.receding else [(0.45 * w * portrait.parting, -0.218)]
    half = half[:-1] if who.receding else half
    burn = np.array([(w + 0.012, low), (0.95 * w, low)])
    right = np.concatenate([burn, half])
    return np.concatenate([over, right * (-1, 1), middle, right[::-1]])


def _locks(sheet: Sheet, portrait: Portrait) -> None:
    who = portrait.person
    y = np.linspace(-0.19, min(portrait.length, 0.36), 14)
    away = np.clip((y + 0.19) / 0.26, 0, 1) ** 0.6
    for side in (-1, 1):
        outer = who.width + 0.012 + 0.07 * away + _waves(portrait, y + 0.05 * (side > 0)) * side
        inner = who.width * (0.86 + 0.05 * away) + 0.5 * _waves(portrait, y)
        sheet.fill(between((side * outer, y), (side * inner, y)), who.tint, "hair")


def _bangs(sheet: Sheet, portrait: Portrait) -> None:
    who = portrait.person
    x = np.linspace(-0.95, 0.95, 15)
    rough = 0.008 if who.cut == "straight" else 0.014
    low = -0.128 + 0.03 * x**2 + rough * np.cos(np.arange(15) * np.pi)
    fringe = between((x * who.width, low), (0.9 * x * who.width, np.full(15, -0.25)))
    sheet.fill(fringe, shaded(who.tint, 1.06), "hair")


def _strands(sheet: Sheet, portrait: Portrait) -> None:
    """Lighter and darker bands along the hair."""
    who = portrait.person
    light, dark = shaded(who.tint, 1.3), shaded(who.tint, 0.68)
    if who.long:
        y = np.linspace(-0.14, min(portrait.length, 0.36) - 0.02, 14)
        for side in (-1, 1):
            for at, colour in ((0.012, dark), (0.04, light), (0.062, dark)):
                x = who.width + at + _waves(portrait, y + 0.05 * (side > 0)) * side
                sheet.stroke(np.column_stack([side * x, y]), 0.009, colour)
    for k, at in enumerate((-0.8, -0.45, -0.1, 0.25, 0.6)):
        t = np.linspace(0, 1, 7)
        start = 0.3 * portrait.parting * who.width
        x = start + (at * who.width - start) * t
        y = CROWN + 0.005 + (0.052 + 0.03 * abs(at)) * t**1.5
        if who.cut == "wavy":
            y = y + 0.007 * np.sin(9 * t + portrait.wave + k)
        sheet.stroke(np.column_stack([x, y]), 0.007, light if k % 2 else dark)


def hat(sheet: Sheet, portrait: Portrait) -> None:
    """A hat, if one is worn, over the hair above the temples."""
    w, (_, cloth, trim) = portrait.person.width + 0.055, portrait.cloth

    def fill(name: str, colour: Rgb, smooth: bool = True) -> None:
        outline = mirrored(np.array(_SHAPES[name]) * (w, 1))
        sheet.fill(closed(outline, 4) if smooth else outline, colour, "hat")

    match portrait.hat:
        case "brimmed":
            fill("brimmed crown", cloth, smooth=False)
            fill("band", trim, smooth=False)
            fill("brim", shaded(cloth, 0.82))
        case "beanie":
            fill("crown", cloth)
            fill("fold", shaded(cloth, 0.7))
        case "cap":
            fill("crown", cloth)
            fill("peak", trim)
