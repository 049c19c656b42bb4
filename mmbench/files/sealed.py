"""Files that carry a hash of themselves, so that nobody takes flipped bits for numbers.

The seal is the sha256 of the names of the file and of its folder, and of every byte but its own:
a file that lies in another's place does not match either. It stands in the metadata of a
safetensors file, which stays one for other readers, beside the content of a JSON file, and at the
end of any other.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from mmbench.errors import first_line
from mmbench.files.atomic import replacing
from mmbench.files.regular import regular

T = TypeVar("T")

_MARK = b"mmbench-seal:"
BLANK = _MARK + b"0" * 64
"""Where the seal will stand in what is written."""


class Damaged(ValueError):
    """A file does not match its seal, or does not hold what it should; the text names it."""


def write(path: Path, content: bytes) -> None:
    """Writes content that holds `BLANK`, whole or not at all, its seal in that place."""
    place, view = content.index(BLANK) + len(_MARK), memoryview(content)
    seal = _seal(path, content, place)
    with replacing(path) as part, part.open("wb") as file:
        file.writelines([view[:place], seal, view[place + len(seal) :]])


def read(path: Path, older: bool = False) -> bytes:
    """What `write` wrote; with `older` also a file without a seal, from before there were any.

    Raises:
        OSError: The file cannot be read.
        Damaged: It does not match its seal, has none, or is no regular file.
    """
    try:
        content = regular(path).read_bytes()
    except ValueError as error:
        raise Damaged(str(error)) from None
    found = content.find(_MARK)
    if found < 0 and older:
        return content
    place = found + len(_MARK)
    if found < 0 or content[place : place + 64] != _seal(path, content, place):
        raise Damaged(f"{path} does not match its seal: it is damaged, or another file")
    return content


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes a sealed safetensors file; no two tensors may share memory."""
    write(path, save(tensors, {"seal": BLANK.decode(), **metadata}))


def read_tensors(path: Path, older: bool = False) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata that `write_tensors` wrote.

    Raises:
        OSError, Damaged: As `read`.
    """
    content = read(path, older)
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise Damaged(f"{path} is damaged ({first_line(error)})") from None
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return tensors, header.get("__metadata__", {})


def write_json(path: Path, content: object) -> None:
    """Writes a value as sealed JSON."""
    write(path, json.dumps({"seal": BLANK.decode(), "content": content}).encode())


def read_json(path: Path) -> Any:
    """The value that `write_json` wrote.

    Raises:
        OSError, Damaged: As `read`.
    """
    content = read(path)
    try:
        return json.loads(content)["content"]
    except (LookupError, TypeError, ValueError, RecursionError):
        raise Damaged(f"{path} is not JSON with a content beside its seal") from None


def recalled(
    path: Path,
    read: Callable[[Path], T],
    make: Callable[[], T],
    write: Callable[[Path, T], None],
    say: Callable[[str], None],
) -> T:
    """What a file of a cache holds, or else what `make` makes and `write` keeps there.

    Where the file is damaged, a line says so. Where it cannot be read or written, what it would
    hold is made all the same: a cache is no reason to fail.
    """
    try:
        return read(path)
    except OSError:
        pass
    except Damaged as error:
        say(f"{error}; what it held is made again")
    made = make()
    with suppress(OSError):
        write(path, made)
    return made


def _seal(path: Path, content: bytes, place: int) -> bytes:
    """The 64 digits that belong to a file whose seal stands at `place`."""
    digest = hashlib.sha256(os.fsencode(f"{path.absolute().parent.name}/{path.name}\n"))
    digest.update(memoryview(content)[:place])
    digest.update(memoryview(content)[place + 64 :])
    return digest.hexdigest().encode()
