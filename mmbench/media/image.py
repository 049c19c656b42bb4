"""The pixels of a picture file, where 8 bits of a colour or a grey hold them."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from mmbench.errors import first_line

DEPTH = 24
"""Where the head of a PNG tells the bits of a channel: Pillow halves 16 in silence."""


def opened(path: Path, formats: tuple[str, ...]) -> Image.Image:
    """A picture, upright, in the mode RGB or L.

    Args:
        path: The file.
        formats: What it may be, in Pillow's words: "PNG", "JPEG", ...

    Raises:
        ValueError: It is none of them, damaged, transparent, or has more than 8 bits a channel.
    """
    data, kinds = path.read_bytes(), " or ".join(formats)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            stored = Image.open(io.BytesIO(data), formats=formats)
            stored.load()
            image = ImageOps.exif_transpose(stored)
    except UnidentifiedImageError:
        raise ValueError(f"{path} cannot be read as a {kinds}") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Warning) as error:
        raise ValueError(f"{path} cannot be read as a {kinds} ({first_line(error)})") from None
    if stored.format == "PNG" and data[DEPTH] > 8:
        raise ValueError(f"{path} has channels of {data[DEPTH]} bits, expected 8 bits a channel")
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"):
        raise ValueError(f"{path} has pixels of mode {image.mode}, expected 8 bits a channel")
    if "A" in image.mode or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            raise ValueError(f"{path} has transparent pixels, expected a ground of some colour")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")
