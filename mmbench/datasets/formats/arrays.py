"""Arrays in .npy and .npz files, of which nothing is unpacked that nobody asked for."""

import math
import os
import zlib
from collections.abc import Callable, Collection, Iterator
from lzma import LZMAError
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any
from zipfile import BadZipFile, ZipFile, is_zipfile

from numpy.lib import format as npy
from numpy.typing import NDArray

from mmbench.errors import first_line
from mmbench.files.regular import regular
from mmbench.files.transfer import readable

ENDINGS = (".npz", ".npy")

_DAMAGED = (
    *(OSError, ValueError, EOFError, BadZipFile, zlib.error, LZMAError, SyntaxError, TokenError),
    RuntimeError,  # encrypted; a compression that zipfile does not know
)


def load(
    path: Path, choose: Callable[[Collection[str]], Collection[str]]
) -> dict[str, NDArray[Any]]:
    """Some arrays of a .npz file by name, or that of a .npy file by the name "".

    `choose` maps the names of all arrays to those wanted, or raises an error to refuse the file;
    the others are not unpacked.

    Raises:
        ValueError: The file is damaged or no regular file, or an array that is wanted holds
            anything but numbers or is larger than the memory of this machine.
    """
    names = [""]
    regular(path)
    try:
        if is_zipfile(path):
            with ZipFile(path) as archive:
                names = [name.removesuffix(".npy") for name in archive.namelist()]
        else:
            with path.open("rb") as stream:
                _begun(stream)
    except _DAMAGED as error:
        raise _refused(path, error) from None
    wanted = choose(names)
    try:
        return dict(_read(path, wanted))
    except _DAMAGED as error:
        raise _refused(path, error) from None


def _read(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, NDArray[Any]]]:
    if not is_zipfile(path):
        with path.open("rb") as stream:
            yield "", _array(stream, path.stat().st_size)
        return
    with ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        for name in wanted:
            with archive.open(members[name]) as stream:
                yield name, _array(stream, members[name].file_size)


def _array(stream: IO[bytes], size: int) -> NDArray[Any]:
    """The array in a stream of so many bytes, in the byte order of this machine."""
    _begun(stream)
    stream.seek(0)
    headers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if (version := npy.read_magic(stream)) not in headers:  # those of arrays of numbers
        raise ValueError(f"it has version {version} of numpy's format, expected (1, 0) or (2, 0)")
    shape, _, dtype = headers[version](stream)
    if dtype.kind not in "buif":
        raise ValueError("it holds Python objects" if dtype.hasobject else f"it holds {dtype}")
    needed = math.prod(shape) * dtype.itemsize
    if needed > _memory():
        raise ValueError(f"it holds {readable(needed)}, more than the memory of this machine")
    if needed != size - stream.tell():
        raise ValueError(f"its header says {needed:,} bytes, there are {size - stream.tell():,}")
    stream.seek(0)
    found: NDArray[Any] = npy.read_array(stream, allow_pickle=False)
    stream.read(1)  # at the end zipfile compares the checksum
    return found.astype(dtype.newbyteorder("="), copy=False)


def _begun(stream: IO[bytes]) -> None:
    if stream.read(len(npy.MAGIC_PREFIX)) != npy.MAGIC_PREFIX:
        raise ValueError("numpy did not write it")


def _memory() -> float:
    """The bytes of this machine's memory, where the system tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not POSIX
        return math.inf


def _refused(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path} is not a whole file of arrays ({first_line(error)})")
