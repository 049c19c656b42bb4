"""Photographs of any size, decoded and resized."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from torch import Tensor

MOST_PIXELS = 2**26
"""A picture that claims more is refused before it is decoded."""
ENDINGS = (".png", ".jpg", ".jpeg")
TOGETHER = 64
"""Pictures of a folder that are in memory at once."""

# Pillow's own opener would warn of large pictures, and try some forty formats
_FORMATS = {b"\xff\xd8\xff": JpegImageFile, b"\x89PNG\r\n\x1a\n": PngImageFile}


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
        ValueError: It is neither JPEG nor PNG, damaged, or larger than MOST_PIXELS.
    """
    data = path.read_bytes()
    kind = next((f for start, f in _FORMATS.items() if data.startswith(start)), None)
    if kind is None:
        raise ValueError(f"{path} is not a photograph, expected a JPEG or PNG file")
    try:
        image = kind(io.BytesIO(data))
        width, height = image.size
        if width * height <= MOST_PIXELS:
            whole = image.convert("RGB")
            if size is not None:
                whole = whole.resize(size[::-1], Image.Resampling.BILINEAR)
            return np.asarray(whole)
    except (OSError, SyntaxError, ValueError, IndexError, KeyError) as error:
        # what Pillow raises on bad content
        raise ValueError(
            f"{path} is damaged ({error}), expected a whole JPEG or PNG: unpack the archive again"
        ) from None
    raise ValueError(
        f"{path} has {width} x {height} pixels, expected at most {MOST_PIXELS:,} in all"
    )


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
            yield _stack(waiting)
            waiting = []
        waiting.append(picture)
    yield _stack(waiting)


def _stack(pictures: list[NDArray[np.uint8]]) -> Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
