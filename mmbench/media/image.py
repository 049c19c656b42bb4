"""The pixels of a picture file, decoded with every check that its format allows."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from mmbench.errors import first_line

MOST_PIXELS = 2**30 // 12
"""A picture that claims more, 256 MB in RGB, is refused before it is decoded."""

# Pillow's own opener would warn of large pictures, and try some forty formats.
_KINDS: dict[str, tuple[bytes, type[ImageFile]]] = {
    "PNG": (b"\x89PNG\r\n\x1a\n", PngImageFile),
    "JPEG": (b"\xff\xd8\xff", JpegImageFile),
    "BMP": (b"BM", BmpImageFile),
    "WEBP": (b"RIFF", WebPImageFile),
}
_DEPTH = 24  # where a PNG's header gives the bits of a channel: Pillow silently halves 16
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")


def decoded(
    path: Path,
    formats: tuple[str, ...] = ("JPEG", "PNG"),
    size: tuple[int, int] | None = None,
    upright: bool = False,
    plain: bool = False,
) -> Image.Image:
    """The picture in a file.

    Args:
        path: The file.
        formats: What it may be: "PNG", "JPEG", "BMP" or "WEBP".
        size: The width and height that it must have; any by default.
        upright: Whether to turn it as its camera says.
        plain: Whether to refuse what 8-bit RGB cannot hold, and to return the mode RGB or L;
            by default any mode is returned as it is stored.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is in none of the formats, damaged, of another size, or larger than
            MOST_PIXELS; if plain, it is transparent or has more than 8 bits a channel.
    """
    data, kinds = path.read_bytes(), " or ".join(formats)
    kind = next((_KINDS[f][1] for f in formats if data.startswith(_KINDS[f][0])), None)
    if kind is None:
        raise ValueError(f"{path} cannot be read as a {kinds}: it does not begin like one")
    try:
        kind(io.BytesIO(data)).verify()  # the checksums of a PNG, which decoding leaves out
        image: Image.Image = kind(io.BytesIO(data))
        width, height = image.size
        fits = size in (None, image.size) and width * height <= MOST_PIXELS
        if fits:
            image.load()
            image = ImageOps.exif_transpose(image) if upright else image
    except (OSError, SyntaxError, ValueError, LookupError) as error:  # Pillow's on bad content
        raise ValueError(f"{path} cannot be read as a {kinds} ({first_line(error)})") from None
    if not fits:
        wanted = f"{size[0]} x {size[1]}" if size else f"at most {MOST_PIXELS:,} in all"
        raise ValueError(f"{path} has {width} x {height} pixels, expected {wanted}")
    return _plain(path, image, data[_DEPTH] if kind is PngImageFile else 8) if plain else image


def planes(image: Image.Image) -> NDArray[np.uint8]:
    """The channels of a picture in RGB or grey: (channels, height, width)."""
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _plain(path: Path, image: Image.Image, depth: int) -> Image.Image:
    """The picture in RGB or L, where that loses nothing; `depth` in bits a channel."""
    if depth > 8 or image.mode not in _MODES:
        stored = f"{depth} bits a channel ({image.mode})"
        raise ValueError(f"{path} has {stored}, expected 8 bits a channel")
    if "A" in image.mode or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            raise ValueError(f"{path} has transparent pixels, expected an opaque picture")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")
