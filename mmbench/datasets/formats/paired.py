"""A folder of examples: {train,test}/<modality>/<example>.<ending>, paired by name."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from mmbench.core.data import Kind
from mmbench.datasets.formats.arrays import load
from mmbench.datasets.formats.captions import SPECIALS, Vocabulary, tokenise
from mmbench.files.folder import composed, files, within
from mmbench.files.regular import regular
from mmbench.files.text import read_text
from mmbench.media.image import ENDINGS as PICTURES
from mmbench.media.image import decoded, planes
from mmbench.protocols.arguments import at_least
from mmbench.registry import meant, nearest

PARTS = ("train", "test")
HALF = 128
"""What is white in a mask, in pixels of 0 to 255."""
LOSSY = (".jpg", ".jpeg", ".webp")
"""Endings of pictures whose black may be read as 1 or 2."""

_TINT = 32  # by which JPEG moves the channels of a grey pixel apart, at the most
ENDINGS = (*PICTURES, ".npy", ".txt")
ENDINGS_OF = {"image": PICTURES, "mask": PICTURES, "text": (".txt",)}
"""Kind -> endings of the files that hold an example, beside .npy."""
OF_KINDS = {
    "size": ("image", "mask"),
    "channels": ("image",),
    "length": ("text",),
    "least": ("text",),
    "words": ("text", "attributes"),
}
"""Setting of a modality -> the kinds that it means anything for."""

LABELS = "labels.csv"
LABEL = re.compile("[0-9]{1,9}")


@dataclass(frozen=True)
class View:
    """One modality, as described.

    Attributes:
        kind: What sort of signal it is.
        size: Height and width to which pictures are resized; they must be equal without it.
            Arrays are not resized, so theirs must be these.
        channels: Channels of pictures: 3 for colour, 1 for grey.
        length: Tokens of a text.
        least: How often a word must occur in the training texts to have a token of its own.
        words: The words of texts that are given as tokens, or the names of attributes.
    """

    kind: Kind
    size: list[int] | None = None
    channels: int = 3
    length: int = 32
    least: int = 1
    words: list[str] | None = None

    def __post_init__(self) -> None:
        for name, kinds in OF_KINDS.items():
            if self.kind not in kinds and getattr(self, name) != getattr(View, name):
                concerned = " and ".join(kinds)
                raise ValueError(f"{name} is a setting of {concerned}, and this is {self.kind}")
        if self.size is not None and (len(self.size) != 2 or min(self.size) < 1):
            raise ValueError(f"size is {self.size}, expected [height, width]")
        if self.channels not in (1, 3):
            raise ValueError(f"channels is {self.channels}, expected 1 or 3")
        at_least(2, length=self.length)
        if self.least < 1:
            raise ValueError(f"least is {self.least}, expected at least 1 occurrence of a word")


@dataclass(frozen=True)
class Files:
    """What a folder holds."""

    root: Path  # the folder
    # Part -> modality -> example -> its file, examples in the order of their names, which are
    # those of the files in Unicode's composed form.
    found: dict[str, dict[str, dict[str, Path]]]
    # Part -> all examples of any modality, in the order of their names.
    examples: dict[str, list[str]]

    @staticmethod
    def find(root: Path, modalities: list[str]) -> Files:
        """Lists the files of a folder.

        Raises:
            FileNotFoundError: A split or a modality has no folder, or no files.
            ValueError: Two files are one example, or a file's ending is unknown.
        """
        found: dict[str, dict[str, dict[str, Path]]] = {}
        examples = {}
        for part in PARTS:
            found[part] = {m: _list(within(root / part, m)) for m in modalities}
            examples[part] = sorted({e for there in found[part].values() for e in there})
        for m, there in found["test"].items():
            if missing := [e for e in examples["test"] if e not in there]:
                wrong = f"{root / 'test' / m} has no example {missing[0]!r}"
                raise ValueError(f"{wrong}: only training examples may lack a modality")
        return Files(root, found, examples)

    def names(self) -> Iterator[str]:
        """All files, relative to the root."""
        for part in PARTS:
            for there in self.found[part].values():
                yield from (str(path.relative_to(self.root)) for path in there.values())
            if (self.root / part / LABELS).is_file():
                yield f"{part}/{LABELS}"

    def index(self, part: str) -> dict[str, Tensor]:
        """Modality -> (N,) row of each example, -1 where it lacks the modality."""
        out = {}
        for m, there in self.found[part].items():
            if len(there) < len(self.examples[part]):
                row = {e: i for i, e in enumerate(there)}
                out[m] = torch.tensor([row.get(e, -1) for e in self.examples[part]])
        return out

    def labels(self, part: str) -> Tensor | None:
        """(N,) labels, where the split has them.

        Raises:
            ValueError: An example has no label or two, or it is not a number from 0, or the file
                is none that can be read to its end.
        """
        path = self.root / part / LABELS
        if not os.path.lexists(path):
            return None
        regular(path)
        known = self.examples[part]
        # the first line may be a heading
        labels = {e: int(label) for e, label in _labels(path).items() if LABEL.fullmatch(label)}
        if missing := [e for e in known if e not in labels]:
            raise ValueError(f"{path} gives example {missing[0]!r} no label 0, 1, 2, ...")
        if surplus := sorted(labels.keys() - set(known)):
            near = nearest(surplus[0], known)
            raise ValueError(f"{path} gives a label to {surplus[0]!r}, which is no example{near}")
        return torch.tensor([labels[e] for e in known])

    def vocabulary(self, modality: str, least: int) -> tuple[str, ...]:
        """The words that occur at least so often in the training texts.

        Raises:
            ValueError: There are none.
        """
        texts = map(read_text, self.found["train"][modality].values())
        words = Vocabulary.of(map(tokenise, texts), least - 1).words
        if words == SPECIALS:
            often = f" that occurs {least} times" if least > 1 else ""
            raise ValueError(f"{self.root / 'train' / modality} holds texts without a word{often}")
        return words

    def read(self, part: str, modality: str, view: View) -> Tensor:
        """The examples of a modality, (K, *shape).

        Raises:
            ValueError: A file is damaged, of another kind, or of another shape than the first; or
                a text's vocabulary does not begin with the specials.
        """
        rows: list[NDArray[Any]] = []
        highest: dict[Path, int] = {}  # the largest value of each mask of bytes, else 0
        kind, words = view.kind, tuple(view.words or ())
        vocabulary = Vocabulary(words) if kind == "text" else None
        for path in self.found[part][modality].values():
            ending = path.suffix.lower()
            if vocabulary is not None and ending == ".txt":
                vocabulary.expect_specials(path, modality)
                text = tokenise(read_text(path))
                row = vocabulary.tokens([text], view.length)[0].numpy()
            elif kind in ("image", "mask") and ending in PICTURES:
                row, highest[path] = _picture(path, view)
            elif ending == ".npy":
                (row,) = load(path, partial(_alone, path)).values()
                highest[path] = _largest(row, view)
            else:
                wanted = ", ".join((*ENDINGS_OF.get(kind, ()), ".npy"))
                raise ValueError(f"{path} cannot be read as {kind}, expected {wanted}")
            if rows and row.shape != rows[0].shape:
                raise ValueError(f"{path} has shape {row.shape}, the others have {rows[0].shape}")
            rows.append(row)
        if kind == "mask":
            # each file tells whether its white is 1, but of lossy ones all files do
            lossy = [path for path in highest if path.suffix.lower() in LOSSY]
            highest |= dict.fromkeys(lossy, max(highest.values()))
            rows = [_white(row, *file) for row, file in zip(rows, highest.items(), strict=True)]
        return torch.from_numpy(np.stack(rows))


def _alone(path: Path, names: Collection[str]) -> Collection[str]:
    if list(names) != [""]:
        raise ValueError(f"{path} is a .npz file, expected one array")
    return names


def _list(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        beside = [p.name for p in folder.parent.iterdir()] if folder.parent.is_dir() else []
        hint = meant(folder.name, beside)
        raise FileNotFoundError(f"{folder} does not exist: expected a folder of examples{hint}")
    found: dict[str, Path] = {}
    for path in (folder / name for name in files(folder)):
        if path.suffix.lower() not in ENDINGS:
            raise ValueError(f"{path} has an unknown ending; known are {', '.join(ENDINGS)}")
        if (example := composed(path.stem)) in found:
            raise ValueError(f"{found[example]} and {path} are one example")
        found[example] = path
    if not found:
        raise FileNotFoundError(f"{folder} is empty: expected a file for each example")
    return dict(sorted(found.items()))


def _labels(path: Path) -> dict[str, str]:
    """Example -> its label, as written: lines of both, separated by a comma or a semicolon.

    An example may be called by the name of a file.
    """
    text = read_text(path)
    separator = ";" if ";" in text and "," not in text else ","
    found: dict[str, str] = {}
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        raise ValueError(f"{path} is not made of lines example,label ({error})") from None
    for row in rows:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) < 2:
            raise ValueError(f"{path} has the line {cells[0]!r}, expected example,label")
        name = Path(cells[0])
        example = composed(name.stem if name.suffix.lower() in ENDINGS else cells[0])
        if found.setdefault(example, cells[-1]) != cells[-1]:
            both = f"the labels {found[example]!r} and {cells[-1]!r}"
            raise ValueError(f"{path} gives example {example!r} {both}")
    return found


def _white(x: NDArray[Any], path: Path, highest: int) -> NDArray[Any]:
    """Where a mask of bytes is white: where it has 255 or, if it holds nothing above 1, 1."""
    if x.dtype != np.uint8:
        return x
    if 1 < highest < HALF:
        wrong = f"{path} is a mask with values up to {highest}"
        raise ValueError(f"{wrong}, expected 0 and 255, or 0 and 1")
    return x >= (HALF if highest > 1 else 1)


def _largest(x: NDArray[Any], view: View) -> int:
    """The largest value of a mask of bytes; 0 for what has no black and white to tell."""
    return int(x.max(initial=0)) if view.kind == "mask" and x.dtype == np.uint8 else 0


def _picture(path: Path, view: View) -> tuple[NDArray[Any], int]:
    """(channels, height, width) uint8, of a mask (1, height, width), and its largest value.

    That is of the file: resizing makes small white spots grey.
    """
    image = decoded(path, upright=True)
    if view.kind == "mask" and image.mode == "RGB":
        if np.ptp(np.asarray(image).astype(int), axis=2).max() > _TINT:
            raise ValueError(f"{path} is in colours, expected a mask in black and white")
    image = image.convert("RGB" if view.kind == "image" and view.channels == 3 else "L")
    highest = _largest(np.asarray(image), view)
    if view.size is not None:
        image = image.resize((view.size[1], view.size[0]), Image.Resampling.BILINEAR)
    return planes(image), highest
