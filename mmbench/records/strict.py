"""Untrusted JSON, read strictly; `mmbench.records.shapes` compares it with annotated types.

What is read is bounded in size, depth and the length of its texts; it has no field twice, no
number that is not finite and no character that could drive a terminal.
"""

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

LARGEST = 4 * 2**20
"""Bytes of a record's file; one of 1,000 scores has 300,000."""
DEEPEST = 16
"""Levels of lists and objects inside one another."""
LONGEST = 2000
"""Characters of a text or a name."""
DIGITS = 19
"""The most digits of a whole number: those of 64 bits."""
MOST = 100
"""Reported faults of one file; to word more would take a hostile one's time."""

_SENTENCE = 500
_DEEP = f"it is nested too deeply, expected at most {DEEPEST} levels"


class Faults(ValueError):
    """What is wrong with a file: a sentence for each of the first 100 faults."""

    def __init__(self, sentences: Iterable[str]) -> None:
        self.sentences = tuple(text[:_SENTENCE] for text in islice(sentences, MOST))
        super().__init__("\n".join(self.sentences))

    @classmethod
    def refuse(cls, sentences: Iterable[str]) -> None:
        """Raises the faults, if there are any."""
        found = cls(sentences)
        if found.sentences:
            raise found


def read(path: Path, largest: int = LARGEST, printable: bool = True) -> Any:
    """The value in a JSON file.

    Args:
        path: The file.
        largest: Bytes that it may have; by default those of a record.
        printable: Whether its texts must be short and printable, and not nested deeply.

    Raises:
        FileNotFoundError: There is no such file.
        Faults: It is not a regular file of at most that size, not JSON, or holds what JSON must
            not.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file {shown(path)}")
    if path.is_symlink() or not path.is_file():
        raise Faults(["it is a link, a folder or a device, expected a file"])
    with path.open("rb") as file:
        content = file.read(min(os.fstat(file.fileno()).st_size, largest) + 1)
    if len(content) > largest:
        raise Faults([f"it has more than {largest:,} bytes, expected at most that many"])
    return parsed(content, printable)


def parsed(content: bytes, printable: bool = True) -> Any:
    """The value of a JSON text; its arguments are those of `read`.

    Raises:
        Faults: It is not JSON, or holds what JSON must not.
    """
    try:
        found = json.loads(
            content.decode(),
            object_pairs_hook=_once,
            parse_constant=_constant,
            parse_int=_whole,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise Faults([f"it is not UTF-8: byte {error.start} is no character"]) from None
    except json.JSONDecodeError as error:
        raise Faults([f"it is not whole JSON ({error})"]) from None
    except RecursionError:
        raise Faults([_DEEP]) from None
    except ValueError as error:
        raise Faults([str(error)]) from None
    if printable:
        Faults.refuse(_texts(found))
    return found


def short(value: object) -> str:
    """A value in a sentence: at most 60 characters, all of them printable."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value):,}"
    text = "null" if value is None else repr(value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 60 else text[:57] + "..."


def shown(path: Path) -> str:
    """A path in a sentence; one that could drive a terminal is quoted."""
    return str(path) if str(path).isprintable() else ascii(str(path))


def _texts(found: object) -> Iterator[str]:
    """Faults of texts and depth, without recursion: the file may be nested as deep as it likes."""
    level, depth = [found], 0
    while level:
        if depth > DEEPEST:
            yield _DEEP
            return
        inner: list[object] = []
        for value in level:
            if isinstance(value, dict):
                inner += [*value, *value.values()]
            elif isinstance(value, list):
                inner += value
            elif isinstance(value, str) and len(value) > LONGEST:
                long = f"the text {short(value)} has {len(value):,} characters"
                yield f"{long}, expected at most {LONGEST:,}"
            elif isinstance(value, str) and not value.isprintable():
                yield f"the text {short(value)} has characters that cannot be printed"
        level, depth = inner, depth + 1


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, none of whose fields occurs twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, n in Counter(name for name, _ in pairs).items() if n > 1)
        raise ValueError(f"the field {short(twice)} occurs twice")
    return found


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON, expected finite numbers")


def _whole(text: str) -> int:
    if len(digits := text.lstrip("-")) > DIGITS:
        long = f"the number {short(text)} has {len(digits):,} digits"
        raise ValueError(f"{long}, expected at most {DIGITS}")
    return int(text)


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"the number {short(text)} is not finite")
    return value
