"""Writing files so that a reader sees the old content or the new, never a part."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a path beside `path` to write to; renamed to `path` if the block succeeds.

    Raises:
        OSError: The folder cannot be written to, or the disk is full; `path` is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    except Exception as error:
        # torch and safetensors report a full disk by errors of their own
        full = "No space left" in str(error) or shutil.disk_usage(path.parent).free < 2**16
        if full and not isinstance(error, OSError):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file, whole or not at all."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def keep_text(path: Path, text: str) -> None:
    """Writes what can be computed again: a folder that cannot be written to only costs time."""
    try:
        write_text(path, text)
    except OSError:
        pass
