"""What is known of downloaded files, so that they can be verified at any time.

A data set's folder keeps `.mmbench.json`, and for each archive `.mmbench-{archive}.sha256` with
the hash of every file that it held, in the format of `sha256sum`. The user's cache folder keeps,
in `downloads.json`, the hash that a file without a published one had when it was first fetched.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmbench.core.source import Download
from mmbench.files.atomic import write_text
from mmbench.files.locks import alone
from mmbench.files.regular import regular
from mmbench.progress import Progress
from mmbench.protocols.arguments import construct

RECORD = ".mmbench.json"
FIRST_USE = "downloads.json"
_DAMAGED = "{} is damaged: remove it, it will be made again"
SHOWN = 10
"""Files of an archive whose differences are listed; the others are counted."""


@dataclass(frozen=True)
class Kept:
    """What the record says of a file."""

    url: str  # where it came from
    size: int  # in bytes
    sha256: str  # of the file, or of an archive that is removed once unpacked
    # Sha256 of the list of an archive's files; None for a file that is used as it is.
    members: str | None = None


def read(place: Path) -> dict[str, Kept]:
    """The record in a data set's folder: `Download.file` -> what is known of it."""
    try:
        return {file: construct(Kept, kept, file) for file, kept in _json(place / RECORD).items()}
    except ValueError:
        raise ValueError(_DAMAGED.format(place / RECORD)) from None


def write(place: Path, record: Mapping[str, Kept]) -> None:
    """Replaces the record in a data set's folder."""
    content = {file: asdict(kept) for file, kept in record.items()}
    write_text(place / RECORD, f"{json.dumps(content, indent=1)}\n")


def members(place: Path, file: str) -> dict[str, str]:
    """What an archive held: path below the data set's folder -> sha256."""
    path = _list(place, file)
    try:
        lines = regular(path).read_text(encoding="utf-8").splitlines()
    except ValueError:
        raise ValueError(_DAMAGED.format(path)) from None
    return {member: sha256 for sha256, _, member in (line.partition("  ") for line in lines)}


def write_members(place: Path, file: str, hashes: Mapping[str, str]) -> str:
    """Writes what an archive held; returns the sha256 of that list."""
    text = "".join(f"{sha256}  {member}\n" for member, sha256 in hashes.items())
    write_text(_list(place, file), text)
    return hashlib.sha256(text.encode()).hexdigest()


def is_there(place: Path, d: Download) -> bool:
    """Whether a folder holds a file, or all that it was unpacked to; no content is read."""
    kept = read(place).get(d.file)
    if kept is None or d.sha256 not in (None, kept.sha256):
        return False
    if kept.members is None:
        path = place / d.file
        return path.is_file() and path.stat().st_size == kept.size
    if not _list(place, d.file).is_file():
        return False
    return all(os.path.lexists(place / member) for member in members(place, d.file))


def differences(place: Path, d: Download, progress: Progress) -> list[str]:
    """The differences from the record of a file, a sentence each; reads all of its content."""
    kept = read(place).get(d.file)
    if kept is None:
        return [f"{place / d.file} was never fetched"]
    if d.sha256 not in (None, kept.sha256):
        return [f"{place / d.file} has sha256 {kept.sha256}, published is {d.sha256}"]
    if kept.members is None:
        return _differs(place / d.file, kept.sha256, kept.size)
    wrong = _differs(_list(place, d.file), kept.members)
    if wrong:
        return wrong
    held = members(place, d.file)
    with progress.stage(f"verifying {d.file}", len(held), unit="file") as bar:
        for done, (member, sha256) in enumerate(held.items(), 1):
            wrong += _differs(place / member, sha256)
            bar.update(done)
    more = len(wrong) - SHOWN
    return wrong[:SHOWN] + ([f"{more:,} more files of {d.file} differ"] if more > 0 else [])


def first_use(cache: Path, url: str) -> str | None:
    """Sha256 of an address's content when it was first fetched; None if it never was."""
    return _json(cache / FIRST_USE).get(url, {}).get("sha256")


def remember(cache: Path, kept: Kept) -> None:
    """Records the content of an address."""
    with alone(cache / f"{FIRST_USE}.lock"):
        every = _json(cache / FIRST_USE)
        every[kept.url] = {"size": kept.size, "sha256": kept.sha256}
        write_text(cache / FIRST_USE, f"{json.dumps(every, indent=1)}\n")


def _differs(path: Path, sha256: str, size: int | None = None) -> list[str]:
    try:
        found = regular(path).stat().st_size
        if size not in (None, found):
            return [f"{path} has {found:,} bytes, expected {size:,}"]
        with open(path, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                return [f"{path} has changed since it was fetched"]
    except FileNotFoundError:
        return [f"{path} is missing"]
    except OSError as error:
        return [f"{path} cannot be read ({error.strerror})"]
    except ValueError as error:
        return [str(error)]
    return []


def _list(place: Path, file: str) -> Path:
    return place / f".mmbench-{Path(file).name}.sha256"


def _json(path: Path) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(regular(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(kept, dict) for kept in found.values()):
        raise ValueError(_DAMAGED.format(path))
    return found
