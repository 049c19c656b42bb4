"""What a folder holds, without what file managers and archives leave in it."""

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from mmbench.files.regular import regular

LITTER = ("thumbs.db", "desktop.ini", "__macosx")
"""What Windows and macOS leave beside people's files, in lower case; hidden files are others."""


def visible(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder, in any order, without hidden ones and litter.

    A name that is not UTF-8 keeps its bytes as lone surrogates (PEP 383).
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.name.lower() not in LITTER:
                yield entry


def files(folder: Path) -> list[str]:
    """The names of the visible files of a folder that holds nothing else, sorted.

    Raises:
        ValueError: It holds a folder, or what cannot be read to its end.
    """
    found = sorted(visible(folder), key=lambda entry: entry.name)
    for entry in found:
        if not entry.is_file():
            regular(folder / entry.name)
    return [entry.name for entry in found]


def composed(name: str) -> str:
    """A name in Unicode's composed form, NFC, in which names are compared.

    An é may be one character or, as macOS stores it, an e and an accent.
    """
    return unicodedata.normalize("NFC", name)


def within(folder: Path, name: str) -> Path:
    """What a folder holds by a name in any form of Unicode; `folder / name` if there is nothing.

    Raises:
        ValueError: Two of its entries have that name.
    """
    entries = visible(folder) if folder.is_dir() else ()
    found = [entry.name for entry in entries if composed(entry.name) == composed(name)]
    if len(found) > 1:
        raise ValueError(f"{folder} holds {name!r} twice, in two forms of Unicode")
    return folder / (found or [name])[0]
