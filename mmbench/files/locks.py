"""Locks between processes, also on file systems that have none of their own."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import ClassVar

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS)
"""What a file system without locks answers."""

HELD = ".held"
"""Ends the name of a file that exists as long as a lock is held, where there are no others."""


class Busy(ValueError):
    """Another process is doing what was asked for."""

    exit_code: ClassVar[int] = 75
    """Of a command that fails for it: EX_TEMPFAIL of sysexits.h."""


@contextmanager
def alone(path: Path, busy: Callable[[Path], None] | None = None) -> Iterator[None]:
    """Lets one process at a time run the block.

    The lock ends with the process that holds it, however it ends; an old file is no lock. On a
    file system without locks the existence of a second file stands for it, which a killed process
    leaves behind.

    Args:
        path: The lock's file. It is made, with its folder, and removed at the end.
        busy: Called with the file to name if another process holds the lock, before waiting for
            it. It may raise an error to refuse.

    Raises:
        OSError: The folder cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if fcntl is None or not supported(path.parent):
        from filelock import FileLock, SoftFileLock, Timeout

        lock = SoftFileLock(f"{path}{HELD}") if fcntl else FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if busy is not None:
                busy(Path(lock.lock_file))
            lock.acquire()
        try:
            yield
        finally:
            lock.release()
        return
    held = _hold(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if held is None:
        if busy is not None:
            busy(path)
        held = _hold(path, fcntl.LOCK_EX)
    assert held is not None  # for the type checker: the second call waits
    try:
        yield
    finally:
        try:
            path.unlink(missing_ok=True)
        finally:  # an interrupt meanwhile leaves a file, which is no lock
            os.close(held)


def supported(folder: Path) -> bool:
    """Whether the file system of a folder has locks.

    Raises:
        OSError: The folder cannot be written to.
    """
    if fcntl is None:
        return True
    try:
        with TemporaryFile(prefix=".", suffix=".part", dir=folder) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return False
        number = error.errno or errno.EIO  # the file has a name that users do not know
        raise OSError(number, error.strerror or str(error), str(folder)) from error
    return True


def _hold(path: Path, how: int) -> int | None:
    """The descriptor of a file while it is locked; None if another process holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, how)
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:  # who held it has removed it
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
