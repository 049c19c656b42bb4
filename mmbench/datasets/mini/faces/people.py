"""People as celebamask-mini draws them: what a person keeps, and what a picture adds.

A `Person` is a face's geometry with what does not change from picture to picture: sex, skin, hair,
brows, moustache. A `Portrait` adds expression, makeup, spectacles, hat, pose and light, all drawn
so that every attribute is visible where it is true: nobody hides a bald head under a hat.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmbench.datasets.celebamask_hq import ATTRIBUTES
from mmbench.datasets.mini.dice import Dice, Rgb

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


@dataclass(frozen=True)
class Person:
    """What all pictures of somebody share; lengths in widths of the picture."""

    male: bool  # as drawn: broad jaw and neck, thin lips
    pale: bool  # whether the skin is paler than any of SKINS
    skin: Rgb  # its colour
    hair: str  # a key of HAIR
    tint: Rgb  # the colour of the hair
    cut: Cut  # how the hair is worn; bald is without any
    long: bool  # whether the hair falls over the ears
    receding: bool  # whether the temples are bare
    bushy: bool  # whether the brows are thick
    moustache: bool  # whether there is one
    width: float  # half that of the face
    jaw: float  # half its width at the mouth, in shares of `width`
    chin: float  # the height of the chin below the face's centre
    apart: float  # from the middle of the face to that of an eye
    eye: float  # half the width of an eye
    iris: Rgb  # its colour
    brow: float  # how far the brows rise outwards
    nose: tuple[float, float]  # its length and half its width
    mouth: float  # half its width
    lips: float  # the height of the lower lip
    ears: float  # their size, 1 on average


@dataclass(frozen=True)
class Portrait:
    """One picture of a person."""

    person: Person  # who
    smiling: bool  # whether the mouth is drawn up at its corners
    smile: float  # by how much; below 0 it is drawn down
    opening: float  # height of the open mouth; 0 if it is shut
    teeth: bool  # whether an open mouth shows them
    makeup: bool  # whether lips, lids and cheeks are painted
    paint: tuple[Rgb, Rgb]  # the colours of lips and lids
    bangs: bool  # whether hair covers the forehead
    parting: float  # where the hair parts, -1 (left) to 1
    length: float  # how far long hair falls below the face's centre
    wave: float  # the phase of wavy hair, in radians
    glasses: Glasses | None  # their kind, or none
    hat: Hat | None  # its kind, or none
    earrings: bool  # whether they are worn; long hair hides them
    necklace: bool  # whether one is worn
    cloth: tuple[Rgb, Rgb, Rgb]  # the colours of clothes, hat and spectacles
    collar: bool  # whether the clothes have one
    turn: float  # of the head, in radians, clockwise
    yaw: float  # how far the features move to the side as the head turns away
    shift: tuple[float, float]  # of the face's centre
    scale: float  # of the face
    wall: tuple[Rgb, Rgb]  # the background's colours, top and bottom
    blots: NDArray[np.float64]  # (K, 6) x, y, radius and colour of what stands in the background
    light: NDArray[np.float64]  # (3,) the gain of each channel
    slope: NDArray[np.float64]  # (2,) how much brighter it is at the right and lower edge


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


def draw_person(rng: np.random.Generator) -> Person:
    """Draws somebody with a face of their own."""
    dice = Dice(rng)
    male = dice.chance(0.45)
    old = dice.chance(0.25)
    colours = (0.05, 0.1, 0.1, 0.7, 0.05) if old else (0.3, 0.32, 0.24, 0.04, 0.1)
    hair = dice.one(list(HAIR), colours)
    worn = (0.3, 0.38, 0.32) if male else (0.04, 0.5, 0.46)
    cut: Cut = dice.one(("cropped", "straight", "wavy"), worn)
    if male and dice.chance(0.16):
        cut = "bald"
    long = cut in ("straight", "wavy") and dice.chance(0.12 if male else 0.85)
    receding = male and cut != "bald" and not long and dice.chance(0.55 if old else 0.16)
    if receding:
        cut = "cropped"
    pale = dice.chance(0.14)
    skin = PALE if pale else dice.between(SKINS)
    return Person(
        male=male,
        pale=pale,
        skin=dice.near(skin, 4),
        hair=hair,
        tint=dice.near(HAIR[hair], 9),
        cut=cut,
        long=long,
        receding=receding,
        bushy=dice.chance(0.45 if male else 0.16),
        moustache=male and dice.chance(0.3),
        width=dice.normal(0.193 if male else 0.183, 0.008),
        jaw=dice.normal(0.86 if male else 0.66, 0.03),
        chin=dice.normal(0.272 if male else 0.262, 0.008),
        apart=dice.normal(0.084, 0.004),
        eye=dice.normal(0.041 if male else 0.046, 0.003),
        iris=dice.one(((70, 44, 28), (96, 70, 40), (70, 104, 70), (70, 110, 160))),
        brow=dice.normal(0.004 if male else 0.012, 0.006),
        nose=(dice.normal(0.108, 0.009), dice.normal(0.043 if male else 0.035, 0.004)),
        mouth=dice.normal(0.074 if male else 0.066, 0.005),
        lips=dice.normal(0.019 if male else 0.028, 0.002),
        ears=dice.normal(1, 0.12),
    )


def draw_portrait(person: Person, rng: np.random.Generator) -> Portrait:
    """Draws a picture of somebody."""
    dice = Dice(rng)
    who = person
    hatted = who.cut != "bald" and dice.chance(0.1)
    hat: Hat | None = dice.one(("beanie", "cap", "brimmed")) if hatted else None
    smiling = dice.chance(0.48)
    opened = dice.chance(0.7 if smiling else 0.25)
    kinds: tuple[Glasses, ...] = ("round", "square", "sun")
    glasses = dice.one(kinds, (0.4, 0.4, 0.2)) if dice.chance(0.13) else None
    styled = who.cut in ("straight", "wavy") and hat is None
    wall = dice.vivid(40, 225, 0.4)
    return Portrait(
        person=person,
        smiling=smiling,
        smile=dice.uniform(0.026, 0.042) if smiling else dice.uniform(-0.012, 0.002),
        opening=dice.uniform(0.026, 0.05) if opened else 0.0,
        teeth=smiling or dice.chance(0.3),
        makeup=not who.male and dice.chance(0.5),
        paint=(
            dice.one(((190, 20, 40), (160, 16, 60), (206, 30, 92))),
            dice.one(((110, 60, 140), (50, 80, 140), (120, 50, 60), (60, 60, 66))),
        ),
        bangs=styled and dice.chance(0.16 if who.male else 0.38),
        parting=dice.uniform(-0.6, 0.6),
        length=dice.uniform(0.2, 0.5),
        wave=dice.uniform(0, 2 * np.pi),
        glasses=glasses,
        hat=hat,
        earrings=not who.male and dice.chance(0.4),
        necklace=not who.male and dice.chance(0.25),
        cloth=(dice.colour(20, 236), dice.colour(20, 236), dice.colour(10, 90)),
        collar=dice.chance(0.7 if who.male else 0.2),
        turn=dice.uniform(-0.13, 0.13),
        yaw=dice.uniform(-0.022, 0.022),
        shift=(dice.uniform(-0.03, 0.03), dice.uniform(-0.02, 0.025)),
        scale=dice.uniform(1.16, 1.34),
        wall=(wall, dice.near(wall, 50)),
        blots=np.column_stack([rng.random((5, 2)), rng.uniform(0.08, 0.3, 5), _near(wall, rng)]),
        light=dice.uniform(0.84, 1.06) * rng.uniform(0.97, 1.03, 3),
        slope=rng.uniform(-0.16, 0.16, 2),
    )


def _near(wall: Rgb, rng: np.random.Generator) -> NDArray[np.float64]:
    """Five colours near that of a wall."""
    return np.clip(np.array(wall) + rng.normal(0, 30, (5, 3)), 0, 255)
