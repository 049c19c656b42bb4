"""Photographs of any size, decoded and resized."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from mmbench.media.image import decoded

ENDINGS = (".png", ".jpg", ".jpeg")
TOGETHER = 64
"""Pictures of a folder that are in memory at once."""


def resized(path: Path, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """A photograph squeezed to a size, without cropping.

    As torchvision's `Resize(size)` of Pillow's picture in RGB: bilinear over all the pixels that
    fall into a new one.

    Args:
        path: A JPEG or PNG file, in colour or grey.
        size: Height and width wanted; None for those that it has.

    Returns:
        (height, width, 3).

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is neither JPEG nor PNG, damaged, or too large.
    """
    image = decoded(path).convert("RGB")
    if size is not None:
        image = image.resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(image)


def folder(path: Path) -> Iterator[Tensor]:
    """The JPEG and PNG files of a folder, not of those below it, in the order of their names.

    Yields:
        (B, 3, H, W) uint8, pictures that follow each other and have one size, at most TOGETHER.

    Raises:
        FileNotFoundError: There is no such folder, or it holds no pictures.
        ValueError: As `resized`.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is not a folder, expected one of pictures")
    files = sorted(p for p in path.iterdir() if p.suffix.lower() in ENDINGS)
    if not files:
        raise FileNotFoundError(f"{path} holds no pictures, expected files {', '.join(ENDINGS)}")
    waiting: list[NDArray[np.uint8]] = []
    for file in files:
        picture = resized(file, None)
        if waiting and (len(waiting) == TOGETHER or picture.shape != waiting[0].shape):
            yield torch.from_numpy(np.stack(waiting)).permute(0, 3, 1, 2)
            waiting = []
        waiting.append(picture)
    yield torch.from_numpy(np.stack(waiting)).permute(0, 3, 1, 2)
