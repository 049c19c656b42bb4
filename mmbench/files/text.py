"""Text files as people save them."""

import codecs
import io
from importlib.resources.abc import Traversable
from pathlib import Path

_UTF16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE


def read_text(file: Path | Traversable, errors: str = "strict") -> str:
    """A text in UTF-8, without the byte order mark that may begin it.

    Line feeds end its lines. With `errors` "replace", U+FFFD stands for bytes that are no UTF-8.

    Raises:
        OSError: It cannot be read.
        ValueError: It is in another encoding, UTF-16 for one.
    """
    data = file.read_bytes()
    try:
        if data.startswith(_UTF16) or b"\0" in data:
            raise ValueError("it is UTF-16, or no text")
        return io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", errors).read()
    except ValueError:
        raise ValueError(f"{file} is not a text in UTF-8") from None
