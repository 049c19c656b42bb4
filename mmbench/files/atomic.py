"""Writing files so that a reader sees the old content or the new, never a part.

This holds on file systems that several hosts and containers share: a file is written under a name
that no other process has, whatever its host and process id, and renamed when it is on the disk.
"""

import errno
import os
import platform
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from glob import escape
from hashlib import sha256
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""No space on the disk, in a quota, or for a file of this size."""

LIFETIME = 24 * 3600.0
"""Seconds after which a process elsewhere has surely ended that began to write a file."""

_PART = re.compile(r"\..+\.([0-9a-f]{12})-([0-9]+)-[0-9a-f]{12}\.part")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a path beside `path` to write to; renamed to `path` if the block succeeds.

    The file has the mode of any new file, whatever wrote it. What a process left behind that was
    killed while it wrote the same file is removed.

    Raises:
        OSError: The folder cannot be written to, there is a folder at `path`, or the disk is
            full; `path` is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    discard(path.parent, f".{escape(path.name)}.*.part")
    part = path.with_name(f".{path.name}.{_here()}-{os.getpid()}-{uuid.uuid4().hex[:12]}.part")
    try:
        with naming(path, part):
            with open(part, "xb") as file:
                mode = os.fstat(file.fileno()).st_mode & 0o777
            yield part
            if part.stat().st_mode & 0o777 != mode:
                part.chmod(mode)
            _sync(part)
            os.replace(part, path)
            _sync(path.parent)
    finally:
        with suppress(OSError):  # a file system that is read-only refuses before it looks
            part.unlink()


@contextmanager
def naming(path: Path, part: Path | None = None) -> Iterator[None]:
    """Lets errors name the file or folder that is written as users know it.

    A failed write to a full disk names none, and others name `part`, if it is to become `path`.

    Raises:
        OSError: The disk is full, or `part` or what is in it cannot be written.
    """
    try:
        yield
    except Exception as error:
        number = _full(error)
        if isinstance(error, OSError) and part in (p := Path(str(error.filename)), *p.parents):
            number = error.errno
        if number is not None:
            raise OSError(number, os.strerror(number), str(path)) from error
        raise


def discard(folder: Path, pattern: str = ".*.part") -> None:
    """Removes what killed processes left in a folder, not what others are writing.

    Whether a process on another host or in another container still runs cannot be known, so its
    file is removed after `LIFETIME`.
    """
    for left in folder.glob(pattern):
        found = _PART.fullmatch(left.name)
        try:
            if found and found[1] == _here():
                dead = not _runs(int(found[2]))
            else:
                dead = time.time() - left.stat().st_mtime > LIFETIME
            if dead:
                left.unlink(missing_ok=True)
        except OSError:  # it belongs to somebody else, or is gone
            continue


def write_text(path: Path, text: str) -> None:
    """Writes a text file, whole or not at all."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


@cache
def _here() -> str:
    """Where process ids are those of this process: a host since its start, or a container."""
    parts = [platform.node()]
    for place in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(os.readlink(place) if "ns" in place else Path(place).read_text())
        except OSError:  # not Linux
            continue
    return sha256(" ".join(parts).encode()).hexdigest()[:12]


def _runs(process: int) -> bool:
    """Whether there is a process of this id here."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    return True


def _sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:  # a folder on Windows, or one that may not be read
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno in FULL or error.errno == errno.EIO:
            raise
    finally:
        os.close(descriptor)


def _full(error: Exception) -> int | None:
    """The number of an error that says that there is no space, also where it is only in words.

    torch, safetensors and Pillow report a full disk by errors of their own.
    """
    if isinstance(error, OSError) and error.errno in FULL:
        return error.errno
    return next((n for n in FULL if os.strerror(n) in str(error)), None)
