"""File operations that fail at random, as on a disk that is full or broken."""

import builtins
import errno
import io
import os
import sys
from pathlib import Path
from random import Random
from typing import Any

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
FAILS = {
    "open": NO_SPACE,
    "read": (errno.EIO,),
    "os.mkdir": NO_SPACE,
    "os.remove": (errno.EIO,),
    "os.rename": NO_SPACE,
    "fcntl.flock": (errno.ENOLCK, errno.EIO),
    "fsync": NO_SPACE,
}
"""Operation -> the errors that it may meet."""

FULL = "/dev/full"
"""What is written there meets a full disk."""


def inject(home: Path, log: Path, rate: float, seed: int) -> None:
    """Has a share of this process' operations on files below `home` fail from now on.

    Each fault is a line of the file `log`.
    """
    rng, prefix, sync = Random(seed), f"{home}{os.sep}", os.fsync
    faults = os.open(log, os.O_WRONLY | os.O_APPEND)

    def struck(operation: str, path: object) -> None:
        if str(path).startswith(prefix) and rng.random() < rate:
            number = rng.choice(FAILS[operation])
            _note(f"{operation} {errno.errorcode[number]}")
            raise OSError(number, os.strerror(number), str(path))

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and not isinstance(arguments[0], int):
            writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            struck("open" if writes else "read", os.fsdecode(arguments[0]))
        elif event == "fcntl.flock":
            struck(event, os.readlink(f"/proc/self/fd/{arguments[0]}"))
        elif event in FAILS and not isinstance(arguments[0], int):
            struck(event, os.fsdecode(arguments[0]))

    def syncing(descriptor: int) -> None:
        struck("fsync", os.readlink(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    def opening(file: Any, mode: str = "r", *more: Any, **how: Any) -> Any:
        """As `open`, but what is written may meet a full disk."""
        opened = plain(file, mode, *more, **how)
        ours = isinstance(file, str | Path) and str(file).startswith(prefix)
        if ours and set(mode) & set("wax+") and rng.random() < rate:
            _note("write ENOSPC")
            full = os.open(FULL, os.O_RDWR)
            os.dup2(full, opened.fileno())
            os.close(full)
        return opened

    def _note(what: str) -> None:
        os.write(faults, f"{what}\n".encode())

    plain = io.open
    io.open = builtins.open = opening  # type: ignore[assignment]
    os.fsync = syncing  # type: ignore[assignment]
    sys.addaudithook(watch)


def injected(log: Path) -> list[str]:
    """The faults so far, such as "open ENOSPC"."""
    return log.read_text().splitlines()
