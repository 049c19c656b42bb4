"""Drawn faces with the masks of their parts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmbench.datasets.celebamask_hq import SKIN
from mmbench.datasets.mini.drawing import closed, ellipse, rgb, shaded
from mmbench.datasets.mini.faces.hair import back_hair, front_hair, hat
from mmbench.datasets.mini.faces.people import Portrait
from mmbench.datasets.mini.faces.sheet import CROWN, LABELS, Sheet, between, mirrored

BROWS, EYES, MOUTH = -0.088, -0.028, 0.15
"""Heights of the brows, the eyes and the mouth in a face."""


@dataclass(frozen=True)
class Drawing:
    """A finished picture."""

    picture: NDArray[np.uint8]  # (pixels, pixels, 3)
    labels: NDArray[np.uint8]  # (S, S) numbers of what is visible, at a finer resolution

    def union(self) -> NDArray[np.bool_]:
        """(S, S) where any part but the skin is visible."""
        return np.asarray(self.labels > LABELS[SKIN])


def draw(portrait: Portrait, pixels: int) -> Drawing:
    """Draws a portrait; it is the same face at any number of pixels.

    Raises:
        ValueError: The picture has no pixels.
    """
    sheet = Sheet(portrait, pixels)
    behind = (_wall, back_hair, _bust, _ears, _head)
    for layer in (*behind, _nose, _mouth, _eyes, _brows, front_hair, _glasses, hat):
        layer(sheet, portrait)
    return Drawing(_lit(sheet.canvas.picture(), portrait), sheet.labels())


def _lit(picture: NDArray[np.uint8], portrait: Portrait) -> NDArray[np.uint8]:
    along = np.linspace(-1, 1, len(picture), dtype=np.float32)
    x, y = portrait.slope.astype(np.float32)
    gain = (1 + x * along[None, :, None] + y * along[:, None, None]) * portrait.light
    return np.asarray(np.minimum(picture * gain.astype(np.float32), 255).astype(np.uint8))


def _wall(sheet: Sheet, portrait: Portrait) -> None:
    sheet.canvas.shade(*portrait.wall)
    for x, y, radius, *colour in portrait.blots.tolist():
        sheet.canvas.fill(ellipse((x, y), (radius, radius)), (*rgb(colour), 110))


def _bust(sheet: Sheet, portrait: Portrait) -> None:
    who, cloth = portrait.person, portrait.cloth[0]
    neck, wide, deep = (0.128, 0.42, 0.4) if who.male else (0.088, 0.33, 0.46)
    body = [(0.7 * neck, 0.3), (neck, 0.36), (wide, 0.42), (wide + 0.08, 0.54), (wide + 0.1, 0.9)]
    sheet.fill([(x, y) for x, y in body] + [(-x, y) for x, y in body[::-1]], cloth, "cloth")
    throat = mirrored([(neck, 0.1), (neck, 0.33), (1.12 * neck, 0.365), (0, deep)])
    sheet.fill(throat, shaded(who.skin, 0.86), "neck")
    under = [(0, 0.16), (neck, 0.2), (0.6 * neck, who.chin + 0.04), (0, who.chin + 0.05)]
    sheet.fill(closed(mirrored(under), 4), shaded(who.skin, 0.72), within=throat)
    if portrait.collar:
        for side in (-1, 1):
            flap = [(1.05 * neck, 0.32), (1.5 * neck, 0.38), (0.8 * neck, 0.47), (0, deep)]
            sheet.fill(np.array(flap) * (side, 1), portrait.cloth[1], "cloth")
    if portrait.necklace:
        t = np.linspace(-1, 1, 9)
        chain = np.column_stack([t * 0.98 * neck, 0.41 - 0.07 * t**2])
        sheet.stroke(chain, 0.011, (226, 190, 80), "neck_l")


def _ears(sheet: Sheet, portrait: Portrait) -> None:
    who = portrait.person
    for side, name in ((-1, "l_ear"), (1, "r_ear")):
        middle = (side * (who.width + 0.004) + 0.4 * portrait.yaw, 0.005)
        outer = ellipse(middle, (0.026 * who.ears, 0.052 * who.ears), side * 0.2, 20)
        sheet.fill(outer, shaded(who.skin, 0.9), name)
        inner = ellipse(middle, (0.012 * who.ears, 0.03 * who.ears), side * 0.2, 12)
        sheet.fill(inner, shaded(who.skin, 0.76))
        if portrait.earrings and not who.long:
            drop = ellipse((middle[0], 0.078), (0.013, 0.022), corners=12)
            sheet.fill(drop, (240, 214, 120), "ear_r")


def _head(sheet: Sheet, portrait: Portrait) -> None:
    who = portrait.person
    w, jaw = who.width, who.jaw * who.width
    square = 0.6 if who.male else 0.4  # the width of the chin
    upper = [(0, CROWN), (0.62 * w, CROWN + 0.03), (0.95 * w, -0.14), (w, -0.02)]
    cheek, chin = 0.5 * (w + jaw) + 0.012, who.chin
    lower = [(cheek, 0.1), (jaw, 0.185), (square * jaw, chin - 0.018), (0, chin)]
    face = closed(mirrored([*upper, *lower]), 4)
    sheet.fill(face, who.skin, SKIN)
    for side in (-1, 1):
        hollow = ellipse((side * w, 0.13), (0.35 * w, 0.17), corners=24)
        sheet.fill(hollow, (*shaded(who.skin, 0.8), 110), within=face)
        if portrait.makeup:
            blush = ellipse((side * 0.58 * w + portrait.yaw, 0.06), (0.042, 0.03), corners=20)
            sheet.fill(blush, (222, 84, 96, 105))
    if who.cut == "bald":
        shine = ellipse((-0.3 * w, -0.21), (0.05, 0.024), -0.4, 20)
        sheet.fill(shine, (*shaded(who.skin, 1.25), 150))


def _nose(sheet: Sheet, portrait: Portrait) -> None:
    who, x = portrait.person, portrait.yaw * 1.3
    length, half = who.nose
    tip = EYES + length
    bridge, end = (0.3 * half, EYES + 0.3 * length), (0, tip + 0.012)
    outline = [(0, EYES - 0.01), bridge, (half, tip - 0.018), (0.86 * half, tip), end]
    nose = closed(np.add(mirrored(outline), (x, 0)), 4)
    sheet.fill(nose, shaded(who.skin, 0.92), "nose")
    ridge = [(0, EYES), (0.22 * half, tip - 0.03), (0.3 * half, tip - 0.012), (0, tip - 0.004)]
    sheet.fill(np.add(mirrored(ridge), (x, 0)), (*shaded(who.skin, 1.12), 150))
    for side in (-1, 1):
        hole = (side * 0.45 * half + x, tip + 0.001)
        sheet.fill(ellipse(hole, (0.2 * half, 0.006), corners=10), shaded(who.skin, 0.45))


def _mouth(sheet: Sheet, portrait: Portrait) -> None:
    who, opening = portrait.person, portrait.opening
    t = np.linspace(-1, 1, 17)
    arch = 1 - t**2
    middle = portrait.yaw * 1.1
    x = t * (who.mouth * (1.24 if portrait.smiling else 1.0)) + middle
    line = MOUTH + portrait.smile * (0.45 - t**2)
    above = line - 0.3 * opening * arch
    below = line + 0.7 * opening * arch
    bow = 1 - 0.3 * np.exp(-((t / 0.18) ** 2))
    top = above - 0.62 * who.lips * arch**0.7 * bow
    bottom = below + who.lips * arch**0.6
    bare = rgb(who.skin * np.array([0.9, 0.72, 0.72]))
    lips = portrait.paint[0] if portrait.makeup else bare

    if who.moustache:
        thick = 0.012 + 0.03 * (1 - np.abs(t) ** 1.6)
        wide = 1.12 * (x - middle) + middle
        sheet.fill(between((wide, top - thick), (wide, top)), shaded(who.tint, 0.8))
    sheet.fill(between((x, top), (x, above)), shaded(lips, 0.9), "u_lip")
    if opening:
        sheet.fill(between((x, above), (x, below)), (74, 18, 26), "mouth")
        if portrait.teeth:
            edge = above + 0.5 * (below - above)
            sheet.fill(between((x, above), (x, edge)), (246, 242, 234))
    sheet.fill(between((x, below), (x, bottom)), lips, "l_lip")
    if not opening:
        sheet.stroke(np.column_stack([x, line]), 0.007, shaded(lips, 0.55))
    if portrait.smiling:
        for side in (-1, 1):
            fold = [(side * 0.056, 0.082), (side * 0.088, 0.108), (side * 0.1, 0.14)]
            sheet.stroke(np.add(fold, (portrait.yaw, 0)), 0.007, shaded(who.skin, 0.74))


def _eyes(sheet: Sheet, portrait: Portrait) -> None:
    who = portrait.person
    high = 0.4 * who.eye * (0.8 if portrait.smiling else 1.0)
    for side, name in ((-1, "l_eye"), (1, "r_eye")):
        x, r = side * who.apart + portrait.yaw, who.eye
        if portrait.makeup:
            lid = ellipse((x, EYES - 0.014), (1.2 * r, 0.036), corners=20)
            sheet.fill(lid, (*portrait.paint[1], 190))
        t = np.linspace(-1, 1, 9)
        lids = np.column_stack([x + r * t, EYES - 0.1 * side * t * r - high * 1.2 * (1 - t**2)])
        lower = np.column_stack([x + r * t, EYES - 0.1 * side * t * r + 0.9 * high * (1 - t**2)])
        eye = np.concatenate([lids, lower[-2:0:-1]])
        sheet.fill(eye, (244, 242, 240), name)
        iris = (x + 0.3 * portrait.yaw, EYES - 0.002)
        sheet.fill(ellipse(iris, (0.0165, 0.0165), corners=14), who.iris, within=eye)
        sheet.fill(ellipse(iris, (0.008, 0.008), corners=8), (14, 12, 14), within=eye)
        dark = (24, 16, 20) if portrait.makeup else shaded(who.skin, 0.36)
        sheet.stroke(lids, 0.014 if portrait.makeup else 0.008, dark, name)


def _brows(sheet: Sheet, portrait: Portrait) -> None:
    who = portrait.person
    tone, thick, length = (0.5, 0.034, 0.114) if who.bushy else (0.62, 0.011, 0.104)
    colour = shaded(who.tint, tone)
    t = np.linspace(0, 1, 7)
    for side, name in ((-1, "l_brow"), (1, "r_brow")):
        x = side * (who.apart - 0.052 + length * t) + portrait.yaw
        y = BROWS - who.brow * t - 0.014 * np.sin(np.pi * np.minimum(1, 1.2 * t))
        half = 0.5 * thick * (1 - 0.65 * t**2)
        sheet.fill(between((x, y - half), (x, y + half)), colour, name)


def _glasses(sheet: Sheet, portrait: Portrait) -> None:
    who, frame = portrait.person, portrait.cloth[2]
    if portrait.glasses is None:
        return
    middle = EYES + 0.006
    for side in (-1, 1):
        x = side * (who.apart + 0.003) + portrait.yaw
        if portrait.glasses == "round":
            lens = ellipse((x, middle), (0.064, 0.056), corners=28)
        else:
            half = [(0, -0.048), (0.058, -0.046), (0.066, 0.0), (0.052, 0.044), (0, 0.052)]
            lens = closed(np.add(mirrored(half), (x, middle)), 3)
        glass = (26, 26, 34) if portrait.glasses == "sun" else (226, 240, 255, 40)
        sheet.fill(lens, glass, "eye_g")
        sheet.stroke(np.concatenate([lens, lens[:1]]), 0.013, frame, "eye_g")
        temple = [(x + side * 0.062, middle - 0.014), (side * (who.width + 0.004), middle - 0.026)]
        sheet.stroke(temple, 0.013, frame, "eye_g")
    across = np.array([-0.024, 0, 0.024]) + portrait.yaw
    bridge = np.column_stack([across, middle - np.array([0.008, 0.018, 0.008])])
    sheet.stroke(bridge, 0.013, frame, "eye_g")
