"""A small CUB on disk, and what loading it gives."""

from functools import partial

import numpy as np
from PIL import Image

from mmbench.datasets.cub import EACH, cub
from mmbench.progress import Progress
from tests.datasets.refusals import refusal

SPECIES = {
    "001.Black_footed_Albatross": 3,
    "002.Laysan_Albatross": 2,
    "010.Red_winged_Blackbird": 2,
}


HELD_OUT = {"001.Black_footed_Albatross": {1}, "010.Red_winged_Blackbird": {0}}  # of Caltech's


COLOURS = ("red", "green", "blue", "white", "black")


def photograph(species, i):
    """A picture of two colours, unlike any other: (height, width, 3)."""
    rng = np.random.default_rng([int(species[:3]), i])
    x = np.empty((50 + 10 * i, 80, 3), np.uint8)
    x[:, :40], x[:, 40:] = rng.integers(0, 256, (2, 3))
    return x


def lines(species, i):
    colour = COLOURS[(int(species[:3]) + i) % 5]
    return [f"this {colour} bird, it's number {k} of {species[4:].lower()}." for k in range(EACH)]


def name(species, i):
    return f"{species}/{species[4:]}_{i:04d}_{100 - i}"


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)


def write_theirs(root):
    """The layout of Shi et al.: the last species is for testing."""
    for part, kinds in (("train", list(SPECIES)[:2]), ("test", list(SPECIES)[2:])):
        text = []
        for species in kinds:
            for i in range(SPECIES[species]):
                save(root / part / f"{name(species, i)}.jpg", photograph(species, i))
                text += lines(species, i)
        file = {"train": "text_trainvalclasses.txt", "test": "text_testclasses.txt"}[part]
        (root / file).write_text("\n".join(text) + "\n")
    return root


def write_caltechs(root, text="text"):
    base = root / "CUB_200_2011"
    base.mkdir(parents=True)
    images, split, number = [], [], 0
    for species, count in SPECIES.items():
        for i in range(count):
            number += 1
            images.append(f"{number} {name(species, i)}.jpg")
            split.append(f"{number} {int(i not in HELD_OUT.get(species, ()))}")
            save(base / "images" / f"{name(species, i)}.jpg", photograph(species, i))
            path = root / text / f"{name(species, i)}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(lines(species, i)))
    (base / "images.txt").write_text("\n".join(images) + "\n")
    (base / "train_test_split.txt").write_text("\n".join(split) + "\n")
    return root


def load(folder, cache):
    return cub.load(folder, cache, Progress(None))


refused = partial(refusal, load)
