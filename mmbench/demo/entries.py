"""What visitors enter for a modality, as the example that samples are drawn from."""

import base64
import binascii
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import ImageOps

from mmbench.api.given import TEST, Example
from mmbench.core.data import Dataset, Kind, Modality
from mmbench.datasets.formats import examples
from mmbench.files.atomic import write_text
from mmbench.media.image import ENDINGS, decoded

OWN: dict[Kind, str] = {
    "image": "a drawing",
    "mask": "a drawing",
    "sound": "a recording",
    "text": "words",
    "attributes": "ticked boxes",
}
"""Kind -> what visitors make on the page itself; of other kinds they have files."""
FILE, EXAMPLE = "a file", "a test example"
SKETCH = "data:image/png;base64,"
"""Begins the value of a sketchpad."""


@dataclass(frozen=True)
class Entry:
    """What a visitor entered for one modality that is given.

    Attributes:
        source: One of `sources`.
        own: What the kind's own control holds: a sketch as a PNG's data URL, a recording's file, a
            text, the names of the attributes that are there; None or empty for nothing.
        file: A file, as for `mmbench generate --given`.
        swap: Whether light and dark of the file, a picture, are swapped.
        row: The number of a test example.
    """

    source: str
    own: str | Sequence[str] | None = None
    file: str | None = None
    swap: bool = False
    row: int | None = None


def sources(kind: Kind) -> list[str]:
    """What examples of a kind can be, the first by default."""
    return [*([OWN[kind]] if kind in OWN else ()), EXAMPLE, FILE]


def example(entry: Entry, modality: Modality, folder: Path) -> Example:
    """The example that an entry stands for, as `TrainedRun.generate` takes it.

    Args:
        entry: The entry.
        modality: The modality that it is of.
        folder: A folder of its own, which gets a file of what was entered.

    Raises:
        ValueError: Nothing was entered, or a picture is damaged.
    """
    if entry.source == EXAMPLE:
        return f"{TEST}{entry.row}"
    own = entry.file if entry.source == FILE else entry.own
    text = folder / f"{modality.name}.txt"
    if modality.kind == "attributes" and entry.source != FILE:
        return _written(text, ", ".join(own or ()))
    if not own or not isinstance(own, str):
        raise ValueError(f"{modality.name} is given as {entry.source}, but there is none yet")
    if entry.source == FILE or modality.kind == "sound":
        copy = Path(shutil.copy(own, folder))  # Gradio keeps uploads in a place of a long name
        return _negative(copy) if entry.swap and entry.source == FILE else copy
    if modality.kind == "text":
        return _written(text, own)
    return _sketched(own, folder / "drawing.png")


def on_white(modality: Modality, dataset: Dataset) -> bool:
    """Whether most of a data set's pixels are light: ink on paper, not chalk on a board."""
    return bool(examples.usual(dataset, modality.name).median() > 0.5)


def _written(path: Path, text: str) -> Path:
    write_text(path, text)
    return path


def _sketched(value: str, path: Path) -> Path:
    """The file of a sketch."""
    try:
        content = base64.b64decode(value.removeprefix(SKETCH), validate=True)
    except binascii.Error:
        raise ValueError(f"the drawing begins with {value[:20]!r}, expected {SKETCH}") from None
    path.write_bytes(content)
    return path


def _negative(path: Path) -> Path:
    """The file of a picture with light and dark swapped."""
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(f"{path} is no picture, expected {', '.join(ENDINGS)} to swap")
    swapped = path.with_name(f"negative-{path.stem}.png")
    ImageOps.invert(decoded(path, upright=True)).save(swapped)
    return swapped
