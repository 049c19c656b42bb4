"""Unpacking untrusted zip and tar archives.

Only plain files and folders are written, and only below the folder named; an archive that holds
anything else is refused as a whole. That leaves nothing for `tarfile`'s own filters to do.
"""

import errno
import hashlib
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, NamedTuple

from mmbench.errors import first_line
from mmbench.files.atomic import naming
from mmbench.files.transfer import MB, require_space
from mmbench.progress import Progress

SPARE = 2**26
"""Bytes of the disk that unpacking leaves free."""

_CHUNK = 2**20
_DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError),
    *(RuntimeError, NotImplementedError),  # encrypted; a compression that zipfile does not know
    *(FileExistsError, NotADirectoryError, IsADirectoryError),  # a file that is also a folder
)


def unpack(archive: Path, folder: Path, progress: Progress) -> dict[str, str]:
    """Unpacks a zip file or a tar file of any compression into an empty folder.

    The folder is made if missing; after an error the caller removes what it holds.

    Returns:
        Path below `folder`, with slashes -> sha256 of each file, sorted.

    Raises:
        ValueError: The archive is damaged, or holds what would lie outside the folder, a link, a
            device, or a name that cannot be printed.
        OSError: Its content would not fit on the disk.
    """
    hashes: dict[str, str] = {}
    total = archive.stat().st_size
    folder.mkdir(parents=True, exist_ok=True)
    with (
        progress.stage(f"unpacking {archive.name}", -(-total // MB), unit="MB") as bar,
        open(archive, "rb") as file,
    ):
        try:
            zipped = file.read(2) == b"PK"
            file.seek(0)
            for member in _zipped(file, folder) if zipped else _tarred(file):
                path = _inside(member.name, archive)
                if member.what not in ("file", "folder"):
                    wrong = f"{member.what}, {member.name!r}"
                    raise ValueError(f"{archive.name} holds {wrong}: expected plain files only")
                target = folder / path
                if member.what == "folder":
                    target.mkdir(parents=True, exist_ok=True)
                else:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    require_space(folder, member.size + SPARE)
                    hashes[str(path)] = _write(member, target)
                bar.update(file.tell() // MB)
        except (*_DAMAGED, OSError) as error:
            number = getattr(error, "errno", None)  # None in those of gzip and bz2
            if number not in (None, errno.EINVAL) and not isinstance(error, _DAMAGED):
                raise  # of the disk; EINVAL is a place before the archive's beginning
            why = first_line(error) if str(error) else "it ends early"
            wrong = f"{archive.name} is damaged, or neither a zip nor a tar archive"
            raise ValueError(f"{wrong} ({why})") from None
    return dict(sorted(hashes.items()))


class _Member(NamedTuple):
    """An entry of an archive."""

    name: str  # as it stands there
    what: str  # "file", "folder", or in words what else it is
    size: int  # in bytes, once unpacked
    open: Callable[[], IO[bytes] | None]  # its content


def _zipped(file: BinaryIO, folder: Path) -> Iterator[_Member]:
    kinds = {0: "file", stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "a link"}
    with zipfile.ZipFile(file) as archive:
        require_space(folder, sum(i.file_size for i in archive.infolist()) + SPARE)
        for info in archive.infolist():
            what = kinds.get(stat.S_IFMT(info.external_attr >> 16), "a device")
            if info.is_dir() and what == "file":
                what = "folder"
            yield _Member(info.filename, what, info.file_size, partial(archive.open, info))


def _tarred(file: BinaryIO) -> Iterator[_Member]:
    with tarfile.open(fileobj=file, mode="r:*") as archive:
        for info in archive:
            link = "a link" if info.issym() or info.islnk() else "a device"
            what = "file" if info.isreg() else "folder" if info.isdir() else link
            yield _Member(info.name, what, info.size, partial(archive.extractfile, info))
        # tarfile takes any header that it cannot read for the end, and stops short of the checksum
        if stream := archive.fileobj:
            stream.seek(archive.offset)
            if stream.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
                raise EOFError
            while stream.read(_CHUNK):
                pass


def _inside(name: str, archive: Path) -> PurePosixPath:
    out = name.startswith("/") or ".." in name.split("/") or "\\" in name
    if out or re.match("[A-Za-z]:", name) or not name.isprintable():
        raise ValueError(f"{archive.name} holds {name!r}, which could lie outside its folder")
    return PurePosixPath(name)


def _write(member: _Member, path: Path) -> str:
    digest, size = hashlib.sha256(), 0
    source = member.open()
    if source is None:
        raise EOFError
    with naming(path), source, open(path, "wb") as file:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
            size += len(chunk)
    if size != member.size:
        raise EOFError(f"{member.name} ends early")
    return digest.hexdigest()
