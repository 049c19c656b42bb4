"""Pictures of samples that lie beside records, as a page shows them.

They may be untrusted: only a whole PNG of a bounded size is shown, unchanged. Where each panel of
it lies is read from its text "mmbench:panels", a JSON list of
{"given": [modality, ...], "box": [left, top, width, height]}; a picture without it is shown whole.
"""

import hashlib
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL.ImageFile import ImageFile
from PIL.PngImagePlugin import PngImageFile

from mmbench.files.atomic import replacing
from mmbench.media import PANELS
from mmbench.records.shapes import built
from mmbench.records.strict import parsed

LARGEST = 32 * 2**20
"""Bytes of a picture that is shown."""

PIXELS = 64_000_000
"""The most pixels that a picture may have to be shown."""


@dataclass(frozen=True)
class Panel:
    """Where a picture shows one subset of given modalities: left, top, width, height in pixels."""

    given: tuple[str, ...]
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Grid:
    """A picture of samples.

    Attributes:
        content: The PNG.
        width, height: In pixels.
        panels: Empty where the picture does not name them.
    """

    content: bytes
    width: int
    height: int
    panels: tuple[Panel, ...]

    @property
    def name(self) -> str:
        """The name of its file: the hash of its content."""
        return f"{hashlib.sha256(self.content).hexdigest()[:16]}.png"


def read(path: Path) -> Grid:
    """Reads a picture.

    Raises:
        ValueError: It is no whole PNG, or too large; the sentence names the file.
        OSError: It cannot be read.
    """
    if path.is_symlink() or not path.is_file():
        raise ValueError(f"{path} is a link or a folder, expected a file")
    if (size := path.stat().st_size) > LARGEST:
        raise ValueError(f"{path} has {size:,} bytes, expected at most {LARGEST:,}")
    content = path.read_bytes()
    try:
        # Pillow's own opener would warn of large pictures; it warns of damaged animations, too.
        with warnings.catch_warnings(action="ignore"), PngImageFile(BytesIO(content)) as picture:
            width, height = picture.size
            panels = _panels(picture)
            if width * height <= PIXELS:
                picture.verify()
    except (OSError, SyntaxError, ValueError, LookupError) as error:  # Pillow's on bad content
        raise ValueError(f"{path} is not a whole PNG: {error}") from None
    if width * height > PIXELS:
        raise ValueError(f"{path} has {width:,} x {height:,} pixels, expected at most {PIXELS:,}")
    return Grid(content, width, height, panels)


def write(grid: Grid, folder: Path) -> Path:
    """Writes a picture into a folder, under its name."""
    path = folder / grid.name
    with replacing(path) as part:
        part.write_bytes(grid.content)
    return path


def _panels(picture: ImageFile) -> tuple[Panel, ...]:
    """Those that a picture names; none if one is impossible."""
    try:
        named = parsed(str(picture.info.get(PANELS, "[]")).encode(errors="replace"))
        found: tuple[Panel, ...] = built(named, tuple[Panel, ...], "panels")
    except ValueError:
        return ()
    return found if all(_inside(panel, picture.size) for panel in found) else ()


def _inside(panel: Panel, size: tuple[int, int]) -> bool:
    left, top, width, height = panel.box
    ends = left + width <= size[0] and top + height <= size[1]
    return left >= 0 and top >= 0 and width > 0 and height > 0 and ends
