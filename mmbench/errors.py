"""Why and where something failed, in the words of a message."""

import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from linecache import getline
from pathlib import Path

NO_MEMORY = (
    "out of memory",
    "not enough memory",
    "allocate memory",
    "size calculation overflowed",
    "Overflow when unpacking",
)

ALLOCATED = re.compile(r"allocate ([\d.]+ \w+)")
"""Where PyTorch and numpy say how much memory they asked for."""

LONGEST = 60
"""Characters of a value that a sentence shows."""


def in_python(name: str, value: object = None) -> str:
    """An argument of a function, with its value if one is named."""
    return name if value is None else f"{name}={value!r}"


spelling: Callable[[str, object], str] = in_python
"""How arguments are spelt to who reads the messages. The command line sets it to its options."""


def argument(name: str, value: object = None) -> str:
    """An argument of the Python interface as the user of this process writes it.

    Args:
        name: Its name there, such as "keep_weights".
        value: The value to give, if one is named; a dictionary of one entry for {key: value}.

    Returns:
        "keep_weights=True", or on the command line "--keep-weights".
    """
    return spelling(name, value)


def bare(command: str) -> str:
    """A command of mmbench as it is."""
    return f"mmbench {command}"


repeating: Callable[[str], str] = bare
"""How a command is named to who reads the messages. The command line repeats its folders."""


def hint(command: str) -> str:
    """A command of mmbench as a message names it, with the folders that the user has named.

    Args:
        command: Its words, such as "records stale" or "data download mhd".

    Returns:
        "mmbench records stale", or on the command line "mmbench records stale --results records".
    """
    return repeating(command)


def seen(value: object) -> str:
    """A wrong value as a sentence shows it; one that is long, by its type."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"of type {type(value).__name__}"


FRAMES = 3
"""Lines of the user's own code that a message shows."""


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its class."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def last_line(error: BaseException) -> str:
    """The last line of what an error says: of PyTorch's, the first mismatch."""
    return str(error).splitlines()[-1].strip()


@contextmanager
def concerning(path: Path) -> Iterator[None]:
    """Has what is wrong with the content of a file or folder name it."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def in_own_code(error: BaseException) -> str:
    """The place "FILE, line N" in the user's own code where an error arose, or "".

    The user's own code is neither mmbench's nor installed.
    """
    return next((f"{file}, line {line}" for file, line, _ in _own_frames(error)), "")


def _own_frames(error: BaseException) -> Iterator[tuple[Path, int, str]]:
    """File, line and function of the user's own code in which an error arose, innermost first."""
    if error.__cause__ is not None:
        yield from _own_frames(error.__cause__)
    installed = {Path(p).resolve() for p in (sys.prefix, sys.base_prefix)}
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        file = Path(frame.f_code.co_filename)
        names = (frame.f_globals.get(key) or "" for key in ("__name__", "__package__"))
        ours = "mmbench" in [name.partition(".")[0] for name in names]  # or "__main__" of ours
        packages = {"site-packages", "dist-packages"} & set(file.parts)
        if file.is_file() and not (ours or packages or installed & set(file.resolve().parents)):
            yield file, line, frame.f_code.co_name


def _of_own_code(error: Exception) -> str:
    """The lines of the user's own code in which an error arose, then the error; "" for others."""
    lines = [
        f"{file}, line {line}, in {name}: {getline(str(file), line).strip()}"
        for file, line, name in islice(_own_frames(error), FRAMES)
    ]
    if not lines:
        return ""
    more = "MMBENCH_DEBUG=1 shows the whole traceback"
    return "\n".join([*reversed(lines), f"{type(error).__name__}: {error} ({more})"])


def _size(amount: str) -> str:
    """How much memory was asked for, as in " for 372.5 GiB", from "400000000000 bytes" or so."""
    number, unit = amount.split()
    return f" for {float(number) / 2**30:,.1f} GiB" if unit == "bytes" else f" for {amount}"


def sentence(error: Exception) -> str:
    """What a user reads about an error that users can cause; "" for others."""
    if isinstance(error, KeyError | IndexError):
        return _of_own_code(error)  # or else a mistake of ours
    if isinstance(error, ValueError | LookupError | ImportError | FloatingPointError):
        place = in_own_code(error)
        return f"{error} ({place}; MMBENCH_DEBUG=1 shows the traceback)" if place else str(error)
    if isinstance(error, OSError):
        file = f": {error.filename}" if error.filename and error.strerror else ""
        return f"{error.strerror or error}{file}"
    sizes = isinstance(error, RuntimeError | TypeError)  # beyond 64 bits, a wrong type to torch
    memory = sizes and any(w in str(error) for w in NO_MEMORY)
    if memory or isinstance(error, MemoryError):  # torch has no class of its own on CPUs
        expected = "expected a smaller network, batch or data set"
        amount = ALLOCATED.search(str(error))
        return f"there is not enough memory{_size(amount[1]) if amount else ''}: {expected}"
    return _of_own_code(error)
