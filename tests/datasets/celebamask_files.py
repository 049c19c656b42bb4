"""A small CelebAMask-HQ on disk, and what loading it gives."""

import numpy as np
from PIL import Image

from mmbench.datasets.celebamask_hq import PARTS, celebamask_hq
from mmbench.progress import Progress

# As published, in order.
NAMES = (
    "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose "
    "Black_Hair Blond_Hair Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee "
    "Gray_Hair Heavy_Makeup High_Cheekbones Male Mouth_Slightly_Open Mustache Narrow_Eyes "
    "No_Beard Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks Sideburns Smiling "
    "Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace "
    "Wearing_Necktie Young"
).split()


FACES = [0, 1, 2, 9, 10, 11, 100, 1999, 2000, 2001, 10000, 29999]


def photograph(face, pixels=200):
    """A smooth picture that differs from face to face."""
    rng = np.random.default_rng(face)
    small = rng.integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(small).resize((pixels, pixels), Image.Resampling.BICUBIC)


def masks(face):
    """Part -> mask: three parts and the skin, which covers nearly all."""
    rng = np.random.default_rng([face, 1])
    out = {"skin": np.ones((512, 512), bool)}
    for part in rng.choice(PARTS, 3, replace=False):
        out[part] = np.zeros((512, 512), bool)
        y, x = rng.integers(0, 400, 2)
        out[part][y : y + 90, x : x + 70] = True
    return out


def values(face):
    """All 40 attributes."""
    return np.random.default_rng([face, 2]).random(40) < 0.5


def row(face):
    return f"{face}.jpg  " + " ".join("1" if v else "-1" for v in values(face))


def table(faces=FACES):
    rows = [row(face) + " \n" for face in sorted(faces)]
    return f"{len(faces)}\n{' '.join(NAMES)} \n" + "".join(rows)


def write(root, faces=FACES):
    (root / "CelebA-HQ-img").mkdir(parents=True)
    for face in faces:
        photograph(face).save(root / "CelebA-HQ-img" / f"{face}.jpg", quality=95)
        folder = root / "CelebAMask-HQ-mask-anno" / str(face // 2000)
        folder.mkdir(parents=True, exist_ok=True)
        for part, mask in masks(face).items():
            Image.fromarray(mask.view(np.uint8) * 255).save(folder / f"{face:05}_{part}.png")
    (root / "CelebAMask-HQ-attribute-anno.txt").write_text(table(faces))
    return root


def load(folder, cache, out=None):
    return celebamask_hq.load(folder, cache, Progress(out))
