"""Downloading the published files of a data set: verified, unpacked, and installed at once.

Everything is prepared in a hidden folder beside the data set's own and renamed at the end, so
that a loader finds the whole data set or nothing.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from filecmp import cmp
from pathlib import Path

from mmbench.core.source import Download, Source
from mmbench.datasets import checksums
from mmbench.datasets.checksums import Kept
from mmbench.errors import hint
from mmbench.files.archives import unpack
from mmbench.files.locks import alone
from mmbench.files.transfer import Unfetched, fetch, length, readable, require_space
from mmbench.progress import Progress


def home(name: str, folder: Path) -> Path:
    """Where the files of a data set, or "module:object", are kept below the folder of all data."""
    return (folder / name.rpartition(":")[2]).resolve()


def describe(name: str, source: Source, folder: Path) -> list[str]:
    """What is published, in lines: title, paper, licence, size, and where each file goes.

    Asks the servers for the sizes that are not published.
    """
    sizes = [d.size if d.size is not None else length(d.url) for d in source.files]
    known = [size for size in sizes if size is not None]
    parts = [readable(sum(known))] if known else []
    if unknown := len(sizes) - len(known):
        parts.append(f"{unknown} of {len(sizes)} files of unknown size")
    lines = [
        f"{name}: {source.title}",
        f"paper: {source.paper}",
        f"licence: {source.licence or 'not known, ask the authors'}",
        f"size: {' and '.join(parts)}",
        f"to: {home(name, folder)}",
    ]
    for d, size in zip(source.files, sizes, strict=True):
        what = "unknown size" if size is None else readable(size)
        then = "" if d.unpack is None else ", removed once unpacked"
        lines.append(f"  {d.url} -> {d.file} ({what}{then})")
    return lines


def download(
    name: str, source: Source, folder: Path, cache: Path, progress: Progress, accept: bool = False
) -> Path:
    """Downloads what is missing of a data set; repeated after an interruption, it resumes.

    A file that is already in its place is verified and used instead of being downloaded. The cache
    keeps the user's record of hashes that are not published; `accept` accepts a file that changed
    since it was first fetched. Returns the data set's own folder, below the folder of all data.

    Raises:
        FileNotFoundError: A file cannot be fetched.
        ValueError: A file is not what was published.
        OSError: A folder cannot be written to, or the disk is full.
    """
    place = home(name, folder)
    work = place.with_name(f".{place.name}.part")
    with alone(place.with_name(f".{place.name}.lock"), progress.waiting):
        wanted = [d for d in source.files if not checksums.is_there(place, d)]
        _require_space(place, work, wanted)
        for d in wanted:
            if not checksums.is_there(work / "ready", d):
                try:
                    _make(d, place, work, cache, progress, accept)
                except Unfetched as error:
                    wrong = f"{d.url} cannot be fetched ({error})"
                    raise FileNotFoundError(f"{wrong}: {_advice(wanted, source, place)}") from None
        if wanted:
            _install(work / "ready", place, wanted)
        shutil.rmtree(work, ignore_errors=True)
    progress.say(f"{name} is in {place}{'' if wanted else ' already'}")
    return place


def verify(name: str, source: Source, folder: Path, progress: Progress) -> list[str]:
    """Reads all files again and returns the differences from the record, a sentence each.

    The folder is that of all data or, as loaders take it, the data set's own.

    Raises:
        FileNotFoundError: There is no such folder, or no record in it.
    """
    place, command = home(name, folder), f"run '{hint(f'data download {name}')}'"
    if not place.is_dir():
        if not checksums.read(folder):
            wrong = f"there is no folder {place} of {name}"
            raise FileNotFoundError(f"{wrong}: name the one that holds it by --data, or {command}")
        place = folder
    if not checksums.read(place):
        raise FileNotFoundError(f"{place} has no record of what was fetched: {command}")
    return [line for d in source.files for line in checksums.differences(place, d, progress)]


def _make(
    d: Download, place: Path, work: Path, cache: Path, progress: Progress, accept: bool
) -> None:
    """Fetches, checks and unpacks one file, into the folder "ready" of what is to be renamed."""
    own = place / d.file  # put there by the user: stays there whatever happens
    path = own if own.is_file() else work / "files" / d.file
    first = checksums.first_use(cache, d.url) if d.sha256 is None else None
    if path != own:
        fetch(d.url, path, d.size, bool(d.sha256 or first), progress)
    ready = work / "ready"
    try:
        kept = _check(d, path, None if accept else first)
        if d.unpack is not None:
            held = _unpack(path, work / "unpacking", ready, os.path.normpath(d.unpack), progress)
            kept = replace(kept, members=checksums.write_members(ready, d.file, held))
    except ValueError as error:
        if path == own:
            raise ValueError(f"{error}; remove {own} to have it fetched") from None
        path.unlink()  # or it would be taken for fetched the next time
        raise
    if d.sha256 is None:
        checksums.remember(cache, kept)
    checksums.write(ready, checksums.read(ready) | {d.file: kept})
    if path != own and d.unpack is None:
        _move(path, ready / d.file)
    elif path != own:
        path.unlink()


def _check(d: Download, path: Path, first: str | None) -> Kept:
    """The size and hash of a file, compared with the published ones or with its first use."""
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    kept = Kept(d.url, path.stat().st_size, sha256)
    if d.size not in (None, kept.size):
        raise ValueError(f"{path.name} has {kept.size:,} bytes, expected {d.size:,}")
    if d.sha256 not in (None, sha256):
        raise ValueError(f"{path.name} has sha256 {sha256}, published is {d.sha256}")
    if first not in (None, sha256):
        wrong = f"{d.url} has changed since it was first fetched (sha256 {sha256}, then {first})"
        raise ValueError(f"{wrong}: if its publishers say so, accept it by --accept-changed")
    return kept


def _unpack(
    archive: Path, scratch: Path, ready: Path, into: str, progress: Progress
) -> dict[str, str]:
    """Unpacks by way of a folder of its own; path below `ready` -> sha256."""
    shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed
    try:
        held = unpack(archive, scratch, progress)
        _merge(scratch, ready / into)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return {os.path.normpath(f"{into}/{member}"): sha256 for member, sha256 in held.items()}


def _install(ready: Path, place: Path, wanted: Iterable[Download]) -> None:
    """Renames what is ready into place: in one step, unless there are files already."""
    with suppress(OSError):
        place.rmdir()  # only if it is empty
    if not place.exists():
        os.rename(ready, place)
        return
    before, new = checksums.read(place), checksums.read(ready)
    for d in wanted:
        held = checksums.members(ready, d.file) if new[d.file].members else {}
        for member in () if d.file in before else held:  # what was fetched may be replaced
            there = place / member
            if there.exists() and not cmp(ready / member, there, shallow=False):
                raise ValueError(f"{there} is not the file that {d.file} holds: move it away")
    (ready / checksums.RECORD).unlink()
    _merge(ready, place)
    checksums.write(place, before | new)


def _merge(new: Path, into: Path) -> None:
    """Renames the files below a folder into another, whole folders where it lacks them."""
    if not into.is_dir():
        _move(new, into)
        return
    for path in sorted(new.iterdir()):
        if path.is_dir():
            _merge(path, into / path.name)
        else:
            os.replace(path, into / path.name)


def _move(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    os.replace(path, to)


def _require_space(place: Path, work: Path, wanted: Sequence[Download]) -> None:
    """For all files, and for the largest archive beside what it is unpacked to."""
    sizes = {d: d.size or 0 for d in wanted if not (place / d.file).is_file()}
    archive = max((size for d, size in sizes.items() if d.unpack is not None), default=0)
    have = sum(p.stat().st_size for p in work.rglob("*") if p.is_file())
    require_space(place, sum(sizes.values()) + archive - have)


def _advice(wanted: Iterable[Download], source: Source, place: Path) -> str:
    files = [f"{d.url} as {place / d.file}" for d in wanted if not (place / d.file).is_file()]
    layout = f" (unpacked they are {source.layout})" if source.layout else ""
    return f"get by other means {', '.join(files)}{layout}, then run the same command again"
