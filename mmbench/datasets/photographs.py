"""Photographs of any size, decoded and resized."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

MOST_PIXELS = 2**26
"""A picture that claims more is refused before it is decoded."""

# Pillow's own opener would warn of large pictures, and try some forty formats
_FORMATS = {b"\xff\xd8\xff": JpegImageFile, b"\x89PNG\r\n\x1a\n": PngImageFile}


def resized(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A photograph squeezed to a size, without cropping.

    As torchvision's `Resize(size)` of Pillow's picture in RGB: bilinear over all the pixels that
    fall into a new one.

    Args:
        path: A JPEG or PNG file, in colour or grey.
        size: Height and width wanted.

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
            return np.asarray(whole.resize(size[::-1], Image.Resampling.BILINEAR))
    except (OSError, SyntaxError, ValueError, IndexError, KeyError) as error:
        # what Pillow raises on bad content
        raise ValueError(
            f"{path} is damaged ({error}), expected a whole JPEG or PNG: unpack the archive again"
        ) from None
    raise ValueError(
        f"{path} has {width} x {height} pixels, expected at most {MOST_PIXELS:,} in all"
    )
