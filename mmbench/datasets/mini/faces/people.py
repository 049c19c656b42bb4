"""People as celebamask-mini draws them: what a person keeps, and what a picture adds.

A `Person` is a face's geometry with what does not change from picture to picture: sex, skin, hair,
brows, moustache. A `Portrait` adds expression, makeup, spectacles, hat, pose and light. They are
drawn so that every attribute is visible where it is true: nobody hides a bald head under a hat.
Both draw from a random stream in the order in which their attributes stand.
"""

from collections.abc import Sequence
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmbench.datasets.celebamask_hq import ATTRIBUTES
from mmbench.datasets.mini.drawing import Rgb, rgb

_T = TypeVar("_T")
Cut = Literal["bald", "cropped", "straight", "wavy"]
Hat = Literal["beanie", "cap", "brimmed"]
Glasses = Literal["round", "square", "sun"]

HAIR: dict[str, Rgb] = {
    "Black_Hair": (30, 26, 30),
    "Brown_Hair": (106, 68, 42),
    "Blond_Hair": (228, 194, 118),
    "Gray_Hair": (172, 174, 180),
    "red": (186, 76, 28),
}
"""Colours; red is none of the attributes."""
_TONES = ((238, 196, 162), (222, 172, 132), (204, 150, 112))
SKINS: tuple[Rgb, ...] = (*_TONES, (172, 120, 86), (136, 92, 66))
PALE: Rgb = (252, 234, 228)


class Dice:
    """Choices drawn from one stream."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def chance(self, odds: float) -> bool:
        """True as often as the odds, from 0 to 1, say."""
        return bool(self._rng.random() < odds)

    def uniform(self, low: float, high: float) -> float:
        """A number from a range."""
        return float(self._rng.uniform(low, high))

    def normal(self, mean: float, deviation: float) -> float:
        """No further than two deviations from the mean."""
        return float(mean + deviation * np.clip(self._rng.standard_normal(), -2, 2))

    def one(self, choices: Sequence[_T], odds: Sequence[float] | None = None) -> _T:
        """One of some choices, equally likely by default."""
        return choices[int(self._rng.choice(len(choices), p=odds))]

    def colour(self, low: int, high: int) -> Rgb:
        """A colour whose channels are in a range."""
        return rgb(self._rng.integers(low, high, 3))

    def vivid(self, low: int, high: int, share: float) -> Rgb:
        """A grey with a share of some colour."""
        return rgb(self.uniform(low, high) + share * self._rng.uniform(-128, 128, 3))

    def near(self, colour: Rgb, spread: float) -> Rgb:
        """A lighter or darker colour, of nearly the same tint."""
        brighter, tint = self._rng.uniform(-1, 1), self._rng.uniform(-1, 1, 3)
        return rgb(np.array(colour) + spread * (brighter + tint / 3))

    def between(self, colours: Sequence[Rgb]) -> Rgb:
        """A blend of two neighbours."""
        at = self.uniform(0, len(colours) - 1)
        low = int(at)
        first, second = np.array(colours[low]), np.array(colours[low + 1])
        return rgb(first + (at - low) * (second - first))


class Person:
    """What all pictures of somebody share, drawn at random; lengths in widths of the picture."""

    def __init__(self, rng: np.random.Generator) -> None:
        dice = Dice(rng)
        self.male = male = dice.chance(0.45)  # as drawn: broad jaw and neck, thin lips
        old = dice.chance(0.25)
        colours = (0.05, 0.1, 0.1, 0.7, 0.05) if old else (0.3, 0.32, 0.24, 0.04, 0.1)
        self.hair = dice.one(list(HAIR), colours)
        worn = (0.3, 0.38, 0.32) if male else (0.04, 0.5, 0.46)
        self.cut: Cut = dice.one(("cropped", "straight", "wavy"), worn)
        if male and dice.chance(0.16):
            self.cut = "bald"
        # whether the hair falls over the ears
        self.long = self.cut in ("straight", "wavy") and dice.chance(0.12 if male else 0.85)
        self.receding = False  # whether the temples are bare
        if male and self.cut != "bald" and not self.long:
            self.receding = dice.chance(0.55 if old else 0.16)
        if self.receding:
            self.cut = "cropped"
        self.pale = dice.chance(0.14)  # whether the skin is paler than any of SKINS
        self.skin = dice.near(PALE if self.pale else dice.between(SKINS), 4)
        self.tint = dice.near(HAIR[self.hair], 9)  # of the hair
        self.bushy = dice.chance(0.45 if male else 0.16)  # whether the brows are thick
        self.moustache = male and dice.chance(0.3)
        self.width = dice.normal(0.193 if male else 0.183, 0.008)  # half that of the face
        self.jaw = dice.normal(0.86 if male else 0.66, 0.03)  # width at the mouth over the face's
        self.chin = dice.normal(0.272 if male else 0.262, 0.008)  # how far below the face's centre
        self.apart = dice.normal(0.084, 0.004)  # from the middle of the face to that of an eye
        self.eye = dice.normal(0.041 if male else 0.046, 0.003)  # half the width of an eye
        self.iris: Rgb = dice.one(((70, 44, 28), (96, 70, 40), (70, 104, 70), (70, 110, 160)))
        self.brow = dice.normal(0.004 if male else 0.012, 0.006)  # how far brows rise outwards
        length, half = dice.normal(0.108, 0.009), dice.normal(0.043 if male else 0.035, 0.004)
        self.nose = (length, half)  # its length and half its width
        self.mouth = dice.normal(0.074 if male else 0.066, 0.005)  # half its width
        self.lips = dice.normal(0.019 if male else 0.028, 0.002)  # the height of the lower lip
        self.ears = dice.normal(1, 0.12)  # their size, 1 on average


class Portrait:
    """One picture of a person, drawn at random."""

    def __init__(self, person: Person, rng: np.random.Generator) -> None:
        dice, self.person, male = Dice(rng), person, person.male
        hats: tuple[Hat, ...] = ("beanie", "cap", "brimmed")
        self.hat = dice.one(hats) if person.cut != "bald" and dice.chance(0.1) else None
        self.smiling = dice.chance(0.48)  # whether the mouth is drawn up at its corners
        opened = dice.chance(0.7 if self.smiling else 0.25)
        kinds: tuple[Glasses, ...] = ("round", "square", "sun")
        self.glasses = dice.one(kinds, (0.4, 0.4, 0.2)) if dice.chance(0.13) else None
        wall = dice.vivid(40, 225, 0.4)
        # by how much the corners of the mouth are drawn up; down below 0
        self.smile = dice.uniform(0.026, 0.042) if self.smiling else dice.uniform(-0.012, 0.002)
        self.opening = dice.uniform(0.026, 0.05) if opened else 0.0  # height of the open mouth
        self.teeth = self.smiling or dice.chance(0.3)  # whether an open mouth shows them
        self.makeup = not male and dice.chance(0.5)  # whether lips, lids and cheeks are painted
        lips: Rgb = dice.one(((190, 20, 40), (160, 16, 60), (206, 30, 92)))
        lids: Rgb = dice.one(((110, 60, 140), (50, 80, 140), (120, 50, 60), (60, 60, 66)))
        self.paint = lips, lids
        styled = person.cut in ("straight", "wavy") and self.hat is None
        self.bangs = styled and dice.chance(0.16 if male else 0.38)  # hair over the forehead
        self.parting = dice.uniform(-0.6, 0.6)  # where the hair parts, -1 (left) to 1
        self.length = dice.uniform(0.2, 0.5)  # how far long hair falls below the face's centre
        self.wave = dice.uniform(0, 2 * np.pi)  # the phase of wavy hair, in radians
        self.earrings = not male and dice.chance(0.4)  # long hair hides them
        self.necklace = not male and dice.chance(0.25)
        # the colours of clothes, hat and spectacles
        self.cloth = dice.colour(20, 236), dice.colour(20, 236), dice.colour(10, 90)
        self.collar = dice.chance(0.7 if male else 0.2)  # whether the clothes have one
        self.turn = dice.uniform(-0.13, 0.13)  # of the head, in radians, clockwise
        self.yaw = dice.uniform(-0.022, 0.022)  # features move sideways as the head turns away
        self.shift = dice.uniform(-0.03, 0.03), dice.uniform(-0.02, 0.025)  # of the face's centre
        self.scale = dice.uniform(1.16, 1.34)  # of the face
        self.wall = wall, dice.near(wall, 50)  # the background's colours, top and bottom
        # (5, 6) x, y, radius and colour, near the wall's, of what stands in the background
        places, radii = rng.random((5, 2)), rng.uniform(0.08, 0.3, 5)
        near = np.clip(np.array(wall) + rng.normal(0, 30, (5, 3)), 0, 255)
        self.blots = np.column_stack([places, radii, near])
        self.light = dice.uniform(0.84, 1.06) * rng.uniform(0.97, 1.03, 3)  # gain of each channel
        self.slope = rng.uniform(-0.16, 0.16, 2)  # how much brighter at the right and lower edge


def attributes(portrait: Portrait) -> NDArray[np.bool_]:
    """(18,) which of ATTRIBUTES are true of a picture."""
    who = portrait.person
    haired = who.cut != "bald"
    shown = haired and not (portrait.hat and not who.long)  # a hat hides how short hair is worn
    true = {name: who.hair == name and haired for name in HAIR} | {
        "Bald": not haired,
        "Bangs": portrait.bangs,
        "Bushy_Eyebrows": who.bushy,
        "Eyeglasses": portrait.glasses is not None,
        "Heavy_Makeup": portrait.makeup,
        "Male": who.male,
        "Mouth_Slightly_Open": portrait.opening > 0,
        "Mustache": who.moustache,
        "Pale_Skin": who.pale,
        "Receding_Hairline": who.receding and portrait.hat is None,
        "Smiling": portrait.smiling,
        "Straight_Hair": who.cut == "straight" and shown,
        "Wavy_Hair": who.cut == "wavy" and shown,
        "Wearing_Hat": portrait.hat is not None,
    }
    return np.array([true[name] for name in ATTRIBUTES])
