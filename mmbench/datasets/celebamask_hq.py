"""CelebAMask-HQ: a face, the mask of its parts, and 18 attributes of it.

Lee, Liu, Wu & Luo, "MaskGAN: Towards Diverse and Interactive Facial Image Manipulation",
CVPR 2020, https://arxiv.org/abs/1907.11922: 30,000 photographs of 1024 x 1024 pixels; for each
the masks of up to 18 parts, 512 x 512, and the 40 attributes of CelebA.

How they become three modalities follows Wesego & Rooshenas, "Multimodal ELBO with Diffusion
Decoders", 2024, https://arxiv.org/abs/2408.16883, section 4.2, and their "Score-Based Multimodal
Autoencoder", 2024, https://openreview.net/forum?id=JbuP6UV3Fk, with what is left open from the
published code of Bounoua, Franzese & Michiardi, "Multi-modal Latent Diffusion", 2023,
https://arxiv.org/abs/2306.04445:

- Image and mask have 128 x 128 pixels (paper); Pillow's antialiased bilinear filter (code).
- The mask is 1 wherever any part but the skin is (paper: "drawn on top of each other"). The code
  takes the union at 512 pixels and resizes it with the same filter to shades of grey; the paper
  calls the mask 0/1 and its F1 rounds at 1/2, so here it is rounded at 1/2 once and for all.
- The paper says "18 attributes" without a list and refers to Wu & Goodman, "Multimodal Generative
  Models for Scalable Weakly-Supervised Learning", 2018, https://arxiv.org/abs/1802.05335, whose
  list (IcGAN's) is that of the code.
- The paper does not specify the split. The code: the file names sorted as strings ("9.jpg" after
  "10.jpg"), the first 25,000 to train, the last 5,000 to test. The published repository of the
  second paper has another split, by folders of prepared files.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from mmbench.core.data import Dataset, Modality, Split
from mmbench.datasets.formats.cache import cached, fingerprint, place
from mmbench.datasets.formats.folders import Published, in_threads
from mmbench.errors import concerning
from mmbench.files.folder import files
from mmbench.files.text import read_text
from mmbench.media.image import decoded, planes
from mmbench.progress import Progress

NAME = "celebamask-hq"
PUBLISHED = Published.of(NAME)
VERSION = 1
PIXELS = 128
MASK_PIXELS = 512
"""Height and width of a published mask."""
TRAIN_SHARE = (5, 6)
"""The share of the sorted file names that is trained on: 25,000 of 30,000."""

ATTRIBUTES = tuple(
    "Bald Bangs Black_Hair Blond_Hair Brown_Hair Bushy_Eyebrows Eyeglasses Gray_Hair Heavy_Makeup "
    "Male Mouth_Slightly_Open Mustache Pale_Skin Receding_Hairline Smiling Straight_Hair "
    "Wavy_Hair Wearing_Hat".split()
)
"""Numbers 4, 5, 8, 9, 11, 12, 15, 17, 18, 20, 21, 22, 26, 28, 31, 32, 33, 35 of the 40."""

SKIN = "skin"
PARTS = tuple(
    "hair hat l_brow r_brow l_eye r_eye eye_g l_ear r_ear ear_r nose mouth u_lip l_lip neck "
    "neck_l cloth".split()
)
"""The parts that the mask unites; eye_g are eyeglasses, ear_r an earring, neck_l a necklace."""

IMAGES, MASKS = "CelebA-HQ-img", "CelebAMask-HQ-mask-anno"
TABLE = "CelebAMask-HQ-attribute-anno.txt"

_KNOWN = (SKIN, *PARTS)
_PER_FOLDER = 2000  # faces in a folder of masks
_IMAGE_NAME = re.compile(r"(0|[1-9][0-9]{0,8})\.jpg")
_MASK_NAME = re.compile(r"([0-9]{5,9})_(.+)\.png")


def modalities(pixels: int = PIXELS) -> tuple[Modality, ...]:
    """Image, mask and attributes, in the order in which the papers concatenate them."""
    return (
        Modality("image", "image", (3, pixels, pixels)),
        Modality("mask", "mask", (1, pixels, pixels)),
        Modality("attributes", "attributes", (len(ATTRIBUTES),), words=ATTRIBUTES),
    )


def load(folder: Path | None, cache: Path, progress: Progress) -> Dataset:
    """Reads CelebAMask-HQ as published.

    The folder holds CelebA-HQ-img, CelebAMask-HQ-mask-anno and CelebAMask-HQ-attribute-anno.txt,
    or holds them in folders called CelebAMask-HQ or celebamask-hq. Of other than 30,000
    faces the first 5/6 of the file names, sorted as strings, train. The decoded tensors of the
    whole data set take 2 GB of the cache.

    Returns:
        image (3, 128, 128) as uint8, mask (1, 128, 128) and attributes (18,) as bool; no labels.

    Raises:
        FileNotFoundError: The files are not there.
        ValueError: A file is damaged, or a face lacks its masks or its attributes.
    """
    root = PUBLISHED.find(folder, lambda at: (at / IMAGES).is_dir() or (at / TABLE).is_file())
    PUBLISHED.require(root / IMAGES, root / MASKS, root / TABLE)
    faces = _faces(root)
    names = (name for face in faces for name in (face.image, *face.masks))
    source = fingerprint(root, [TABLE, *names], f"{NAME} {VERSION}")

    def read() -> Dataset:
        attributes = _attributes(root / TABLE, faces)  # the quickest to fail
        images, masks = _decode(root, faces, progress)
        tensors = {"image": images, "mask": masks, "attributes": attributes}
        count = len(faces) * TRAIN_SHARE[0] // TRAIN_SHARE[1]
        train, test = (
            Split({m: torch.from_numpy(x[rows]) for m, x in tensors.items()})
            for rows in (slice(count), slice(count, None))
        )
        with concerning(root):
            return Dataset(NAME, modalities(), train, test, version=VERSION)

    return cached(place(cache, NAME, root), source, read, progress)


@dataclass(frozen=True)
class Face:
    """The files of an example, relative to the data set's folder."""

    image: str  # the photograph
    masks: tuple[str, ...]  # of the parts that the mask unites


def _faces(root: Path) -> list[Face]:
    """All faces, their file names sorted as strings."""
    images = {}
    for name in files(root / IMAGES):
        match = _IMAGE_NAME.fullmatch(name)
        if not match:
            path = root / IMAGES / name
            raise ValueError(f"{path} is not named like a face, expected {{i}}.jpg, e.g. 0.jpg")
        images[name] = int(match[1])
    if len(images) < 2:
        raise ValueError(f"{root / IMAGES} holds {len(images)} faces, expected at least 2")
    masks: dict[int, list[str]] = {i: [] for i in images.values()}
    seen = set()
    for number in sorted({i // _PER_FOLDER for i in masks}):
        folder = root / MASKS / str(number)
        PUBLISHED.require(folder)
        for name in files(folder):
            path, match = folder / name, _MASK_NAME.fullmatch(name)
            if not match or match[2] not in _KNOWN:
                wanted = f"expected {{i:05}}_{{part}}.png with a part of {', '.join(_KNOWN)}"
                raise ValueError(f"{path} is not named like a mask, {wanted}")
            face, home = int(match[1]), root / MASKS / str(int(match[1]) // _PER_FOLDER)
            if face not in masks:
                image = root / IMAGES / f"{face}.jpg"
                raise ValueError(f"{path} is the mask of a missing face, expected {image}")
            if home != folder:
                raise ValueError(f"{path} is in the wrong folder, expected it in {home}")
            seen.add(face)
            if match[2] != SKIN:
                masks[face].append(f"{MASKS}/{number}/{name}")
    if bare := sorted(set(masks) - seen):
        first = root / MASKS / str(bare[0] // _PER_FOLDER) / f"{bare[0]:05}_nose.png"
        raise ValueError(f"{root / IMAGES / f'{bare[0]}.jpg'} has no masks, expected e.g. {first}")
    return [
        Face(f"{IMAGES}/{name}", tuple(sorted(masks[images[name]]))) for name in sorted(images)
    ]


def _attributes(path: Path, faces: list[Face]) -> NDArray[np.bool_]:
    """(N, 18) the attributes of the faces."""
    lines = read_text(path).splitlines()
    if len(lines) < 2 or not lines[0].strip().isdecimal():
        raise ValueError(f"{path} does not begin with the number of faces and a line of names")
    names = lines[1].split()
    if lacking := [name for name in ATTRIBUTES if name not in names]:
        raise ValueError(f"{path} has no attribute {lacking[0]}, expected the 40 of CelebA")
    chosen = [names.index(name) for name in ATTRIBUTES]
    rows = {name: values for name, *values in map(str.split, filter(str.strip, lines[2:]))}
    if len(rows) != int(lines[0]):
        raise ValueError(f"{path} has rows for {len(rows)} faces, expected {int(lines[0])}")
    out = np.empty((len(faces), len(ATTRIBUTES)), bool)
    for i, face in enumerate(faces):
        name = face.image.rpartition("/")[2]
        if name not in rows:
            raise ValueError(f"{path} has no row for {name}, which is in {IMAGES}")
        values = rows[name]
        if len(values) != len(names) or set(values) - {"1", "-1"}:
            raise ValueError(f"{path}: in the row for {name} expected {len(names)} times 1 or -1")
        out[i] = [values[k] == "1" for k in chosen]
    return out


def _decode(
    root: Path, faces: list[Face], progress: Progress
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The images (N, 3, 128, 128) and masks (N, 1, 128, 128) of all faces."""
    images = np.empty((len(faces), 3, PIXELS, PIXELS), np.uint8)
    masks = np.empty((len(faces), 1, PIXELS, PIXELS), bool)

    def decode(i: int) -> int:
        path = root / faces[i].image
        image = decoded(path)
        if image.width != image.height:
            size = f"{image.width} x {image.height} pixels"
            raise ValueError(f"{path} has {size}, expected a square")
        small = image.convert("RGB").resize((PIXELS, PIXELS), Image.Resampling.BILINEAR)
        images[i] = planes(small)
        union = np.zeros((MASK_PIXELS, MASK_PIXELS), bool)
        for name in faces[i].masks:
            part = decoded(root / name, ("PNG",), union.shape)
            union |= np.asarray(part.convert("L")) != 0
        masks[i, 0] = shrunk(union, PIXELS)
        return 1

    in_threads(decode, range(len(faces)), "decoding CelebAMask-HQ", "face", progress)
    return images, masks


def shrunk(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    """A square mask at another size: where the antialiased bilinear filter gives over 1/2."""
    grey = Image.fromarray(mask.view(np.uint8) * np.uint8(255))
    small = grey.resize((pixels, pixels), Image.Resampling.BILINEAR)
    return np.asarray(small) >= 128


celebamask_hq = PUBLISHED.source(
    title="a face, the mask of its parts and 18 attributes, 128 x 128 (30,000 examples)",
    paper="Lee, Liu, Wu, Luo: MaskGAN: Towards Diverse and Interactive Facial Image Manipulation, "
    "2020, https://arxiv.org/abs/1907.11922",
    download="https://drive.usercontent.google.com/download"
    "?id=1badu11NqxGf6qM3PTTooQDJvQbejgbTv&export=download&confirm=t",
    load=load,
    version=VERSION,
)
