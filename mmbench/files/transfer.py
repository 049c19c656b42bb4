"""Fetching a file over HTTP; a broken transfer is resumed where it stopped.

What has arrived lies in `{file}.part`; beside it `{file}.part.json` identifies the version that
it belongs to. The file takes its own name when its last byte has arrived.
"""

import errno
import json
import os
import re
import shutil
import socket
import ssl
import time
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from mmbench import __version__
from mmbench.files.atomic import naming, write_text
from mmbench.progress import Progress

TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as cut."""
TRIES = 5
"""Failures in a row, none of which brought the file further, after which fetching gives up."""
PAUSE = 1.0
"""Seconds before the first new try; they double with each."""
MB = 10**6

_CHUNK = 2**18
_BROKEN = (URLError, HTTPException, ConnectionError, TimeoutError, ssl.SSLError)
_BUSY = (408, 416, 425, 429, 500, 502, 503, 504)
_OFFLINE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)


class Unfetched(OSError):
    """A file cannot be fetched; the text is the reason, e.g. "the server answers 404 ..."."""


def fetch(url: str, path: Path, size: int | None, proven: bool, progress: Progress) -> None:
    """Fetches a file, or the rest of what an earlier call left; nothing if the file is there.

    The size is in bytes, where known. Unless it is `proven`, as the caller knows its hash, a
    transfer is resumed only where the server names the version of what it sends, and accepted only
    where it states or marks the end.

    Raises:
        Unfetched: There is no connection, or the server does not give the file.
        ValueError: The server gives something else.
        OSError: The file would not fit on the disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    first = best = _size(part)
    failures = 0
    while not path.exists():
        try:
            _go_on(url, part, size, proven, progress)
            os.replace(part, path)
        except _BROKEN as error:
            have = _size(part)
            failures = 1 if have > best else failures + 1
            best = max(best, have)
            if failures == TRIES or _final(error, have > first):
                raise Unfetched(_words(error)) from None
            wait = max(PAUSE * 2 ** (failures - 1), _wish(error))
            progress.say(f"{path.name}: {_words(error)}; trying again in {wait:.0f} s")
            time.sleep(wait)
    _note(part).unlink(missing_ok=True)


def length(url: str) -> int | None:
    """The size of a file in bytes as its server states it; None if it does not."""
    try:
        with _open(url, {}, method="HEAD") as response:
            return None if _is_page(response, url) else _length(response)
    except (*_BROKEN, OSError):
        return None


def require_space(folder: Path, needed: int) -> None:
    """Refuses what would not fit.

    Raises:
        OSError: Fewer than `needed` bytes are free on the disk of `folder`.
    """
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        needs = f"{readable(needed)} are needed on the disk of {folder}"
        raise OSError(errno.ENOSPC, f"{needs}, {readable(free)} are free")


def readable(size: int) -> str:
    """A number of bytes in words, e.g. "12.3 MB"."""
    if size < MB:
        return f"{size:,} bytes"
    return f"{size / MB:.1f} MB" if size < 1000 * MB else f"{size / MB / 1000:.2f} GB"


class _Version(NamedTuple):
    """What the bytes of a part belong to."""

    url: str  # where they come from
    validator: str  # the server's name or date of this version; "" if it gives none
    total: int | None  # bytes of the whole, where known


def _go_on(url: str, part: Path, size: int | None, proven: bool, progress: Progress) -> None:
    """Adds what is missing to a part; a `_BROKEN` error leaves what has arrived."""
    old = _kept(part, url)
    have = _size(part) if old and (old.validator or proven) else 0
    if old and have and have == old.total:
        return
    headers = {"Range": f"bytes={have}-"} if have else {}
    if old and have and old.validator:
        headers["If-Range"] = old.validator
    try:
        response = _open(url, headers)
    except HTTPError as error:
        if error.code == 416:  # the file has become shorter than the part
            part.unlink(missing_ok=True)
        raise
    with response:
        if _is_page(response, url):
            raise _page(url)
        if response.status == 206:
            new = _Version(url, _validator(response), _total_of_range(response, have))
            if new != old:
                part.unlink(missing_ok=True)
                raise ConnectionError("the file changed while it was fetched")
        else:
            have = 0
            total = _length(response)
            new = _Version(url, _validator(response), size if total is None else total)
            if size not in (None, new.total):
                raise ValueError(f"{url} gives {new.total:,} bytes, expected {size:,}")
            if new.total is None and not (proven or response.chunked):
                raise ValueError(f"{url} does not state the length of the file")
            part.unlink(missing_ok=True)
            write_text(_note(part), json.dumps(new._asdict()))
        if new.total is not None:
            require_space(part.parent, new.total - have)
        _receive(response, part, have, new.total, progress)


def _receive(
    response: HTTPResponse, part: Path, have: int, total: int | None, progress: Progress
) -> None:
    """Writes what comes; every chunk is in the file before the next is asked for."""
    title = f"fetching {part.stem}"
    with (
        progress.stage(title, -(-(total or 0) // MB), have // MB, unit="MB") as bar,
        naming(part),
        open(part, "ab", buffering=0) as file,
    ):
        while chunk := response.read1(_CHUNK):
            if not have and chunk.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
                raise _page(response.url)
            file.write(chunk)
            have += len(chunk)
            if total is not None:
                bar.update(have // MB)
        if total is not None and have > total:
            file.truncate(0)
            raise ConnectionError(f"{have:,} bytes came, {total:,} were announced")
        if total is not None and have < total:
            raise ConnectionError(f"the connection was cut after {have:,} of {total:,} bytes")


def _open(url: str, headers: dict[str, str], method: str = "GET") -> HTTPResponse:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url} is not an address that can be fetched, expected http or https")
    own = {"User-Agent": f"mmbench/{__version__}", "Accept-Encoding": "identity"}
    request = Request(url, headers=own | headers, method=method)
    response: HTTPResponse = urlopen(request, timeout=TIMEOUT)
    return response


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _kept(part: Path, url: str) -> _Version | None:
    """What a part belongs to; None where that is unknown."""
    try:
        found = _Version(**json.loads(_note(part).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.url == url else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _validator(response: HTTPResponse) -> str:
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def _length(response: HTTPResponse) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdigit() else None


def _total_of_range(response: HTTPResponse, start: int) -> int | None:
    """Length of the whole file as a partial answer states it; None unless it begins at `start`."""
    match = re.fullmatch(rf"bytes {start}-\d+/(\d+)", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _is_page(response: HTTPResponse, url: str) -> bool:
    page = response.headers.get("Content-Type", "").lower().startswith("text/html")
    return page and not url.lower().endswith((".html", ".htm"))


def _page(url: str) -> ValueError:
    quota = ", as Google Drive does when too many have fetched it recently: try again in a day"
    why = quota if "//drive." in url else ""
    return ValueError(f"{url} answers with a web page instead of the file{why}")


def _final(error: Exception, came: bool) -> bool:
    """Whether another try makes no sense; `came` says that the connection did work."""
    if isinstance(error, HTTPError):
        return error.code not in _BUSY
    if came:
        return False
    reason = getattr(error, "reason", error)
    refused = (socket.gaierror, ConnectionRefusedError, ssl.SSLCertVerificationError)
    return isinstance(reason, refused) or getattr(reason, "errno", None) in _OFFLINE


def _words(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return f"the server answers {error.code} {error.reason}"
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return "the server is silent"
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__


def _wish(error: Exception) -> float:
    """Seconds that the server asks to wait, one minute at most."""
    text = error.headers.get("Retry-After", "") if isinstance(error, HTTPError) else ""
    return min(60.0, float(text)) if text.isdigit() else 0.0
