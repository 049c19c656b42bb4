"""The pixels of picture files, decoded with every check that their format allows."""

import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile
from torch import Tensor

from mmbench.errors import first_line
from mmbench.files.folder import visible
from mmbench.files.regular import regular

FORMATS = ("PNG", "JPEG", "BMP", "WEBP")
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
"""The endings of files in these formats."""
TOGETHER = 64
"""Pictures of a folder that are in memory at once."""
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
    formats: tuple[str, ...] = FORMATS,
    size: tuple[int, int] | None = None,
    upright: bool = False,
) -> Image.Image:
    """The picture in a file of one of some `formats`, in RGB, or in L where it is grey.

    It must have the width and height `size`, any by default. `upright` turns it as its camera
    says.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no regular file, in none of the formats, damaged, of another size, or
            larger than MOST_PIXELS, or 8-bit RGB cannot hold it: it is transparent, or has more
            bits.
    """
    data, kinds = regular(path).read_bytes(), " or ".join(formats)
    kind = next((_KINDS[f][1] for f in formats if data.startswith(_KINDS[f][0])), None)
    if kind is None:
        raise ValueError(f"{path} cannot be read as a {kinds}: it does not begin like one")
    try:
        with warnings.catch_warnings(action="ignore"):  # of what is beside the pixels
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
    return _plain(path, image, data[_DEPTH] if kind is PngImageFile else 8)


def planes(image: Image.Image) -> NDArray[np.uint8]:
    """The channels of a picture in RGB or grey: (channels, height, width)."""
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def resized(path: Path, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """A photograph, (height, width, 3), squeezed to a size without cropping; None keeps its own.

    As torchvision's `Resize(size)` of Pillow's picture in RGB: bilinear over all the pixels that
    fall into a new one.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: As `decoded`.
    """
    image = decoded(path).convert("RGB")
    if size is not None:
        image = image.resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(image)


def pictures(folder: Path) -> list[Path]:
    """The picture files of a folder, not of those below it, in the order of their names.

    Raises:
        ValueError: One has the ending of a format that Pillow reads and `decoded` does not.
    """
    known = Image.registered_extensions()
    found = sorted(
        folder / entry.name
        for entry in visible(folder)
        if known.get(Path(entry.name).suffix.lower()) in Image.OPEN and not entry.is_dir()
    )
    if other := next((path for path in found if path.suffix.lower() not in ENDINGS), None):
        raise ValueError(f"{other} is a picture of another format, expected {', '.join(ENDINGS)}")
    return found


def photographs(path: Path) -> Iterator[Tensor]:
    """The pictures of a folder as `pictures` lists them; the folder is read at once, they later.

    Returns:
        (B, 3, H, W) uint8, pictures that follow each other and have one size, at most TOGETHER.

    Raises:
        FileNotFoundError: There is no such folder, or it holds no pictures.
        ValueError: As `pictures` and `decoded`.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is not a folder, expected one of pictures")
    if not (files := pictures(path)):
        raise FileNotFoundError(f"{path} holds no pictures, expected files {', '.join(ENDINGS)}")
    return _stacked(files)


def _stacked(files: list[Path]) -> Iterator[Tensor]:
    waiting: list[NDArray[np.uint8]] = []
    for file in files:
        picture = resized(file, None)
        if waiting and (len(waiting) == TOGETHER or picture.shape != waiting[0].shape):
            yield torch.from_numpy(np.stack(waiting)).permute(0, 3, 1, 2)
            waiting = []
        waiting.append(picture)
    yield torch.from_numpy(np.stack(waiting)).permute(0, 3, 1, 2)


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
