"""PNG pictures, decoded with every check that the format allows."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from mmbench.media.image import DEPTH

_START = b"\x89PNG\r\n\x1a\n"


def decode_rgb(path: Path, pixels: int) -> NDArray[np.uint8]:
    """The pixels of a square PNG.

    Args:
        path: The file.
        pixels: Its width and height.

    Returns:
        (pixels, pixels, 3).

    Raises:
        ValueError: It is no PNG, damaged, or of a size or colours that RGB cannot hold.
    """
    data = path.read_bytes()
    if not data.startswith(_START):
        raise ValueError(f"{path} is not a PNG, expected a PNG of {pixels} x {pixels} pixels")
    try:
        PngImageFile(io.BytesIO(data)).verify()  # the checksums, which decoding leaves out
        image = PngImageFile(io.BytesIO(data))
        if image.size == (pixels, pixels):
            image.load()
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises on bad content
        raise ValueError(
            f"{path} is damaged ({error}), expected a whole PNG: unpack the archive again"
        ) from None
    if image.size != (pixels, pixels):
        width, height = image.size
        raise ValueError(f"{path} has {width} x {height} pixels, expected {pixels} x {pixels}")
    return np.asarray(_rgb(image, path, depth=data[DEPTH]))


def _rgb(image: Image.Image, path: Path, depth: int) -> Image.Image:
    """The image in RGB, if that loses nothing; `depth` in bits as in the PNG's head."""
    see_through = "transparency" in image.info
    if image.mode == "RGB" and depth == 8 and not see_through:
        return image
    if depth > 8 or image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        raise ValueError(f"{path} has {depth} bits a channel (mode {image.mode}), expected 8-bit "
                         "RGB")  # fmt: skip
    full = image.convert("RGBA")
    if full.getchannel("A").getextrema() != (255, 255):
        raise ValueError(f"{path} has transparent pixels (mode {image.mode}), expected RGB")
    return full.convert("RGB")
