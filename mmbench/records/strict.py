"""JSON from strangers: read strictly, and held against annotated types, fault by fault.

What is read is bounded in size, depth and length of its texts, has no field twice, no number that
is not finite and no character that could drive a terminal.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Collection, Iterable, Iterator
from dataclasses import fields, is_dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from mmbench.records.store import LARGEST, once
from mmbench.registry import nearest

DEEPEST = 16
"""Tables and lists inside one another."""
LONGEST = 2000
"""Characters of a text or a name."""
DIGITS = 19
"""Of a whole number: 64 bits."""
MOST = 100
"""Faults that are told of one file; to word more would take a hostile one's time."""

_SENTENCE = 500
_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false",
          types.NoneType: "null"}  # fmt: skip


class Faults(ValueError):
    """What is wrong with a file: a sentence for each fault, of which the first 100 are told."""

    def __init__(self, sentences: Iterable[str]) -> None:
        self.sentences = tuple(text[:_SENTENCE] for text in islice(sentences, MOST))
        super().__init__("\n".join(self.sentences))


def read(path: Path, largest: int = LARGEST) -> Any:
    """What a JSON file holds.

    Args:
        path: The file.
        largest: Bytes that it may have; by default those of a record.

    Raises:
        FileNotFoundError: There is no such file.
        Faults: It is no regular file of a bearable size, no JSON, or holds what JSON must not.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file {shown(path)}")
    if path.is_symlink() or not path.is_file():
        raise Faults(["it is a link, a folder or a device, expected a file"])
    with path.open("rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise Faults([f"it has more than {largest:,} bytes, expected at most so many"])
    try:
        found = json.loads(content.decode(), object_pairs_hook=once, parse_constant=_constant,
                           parse_int=_whole, parse_float=_finite)  # fmt: skip
    except UnicodeDecodeError as error:
        raise Faults([f"it is not UTF-8: byte {error.start} is no character"]) from None
    except json.JSONDecodeError as error:
        raise Faults([f"it is not whole JSON ({error})"]) from None
    except RecursionError:
        raise Faults([_DEEP]) from None
    except ValueError as error:
        raise Faults([str(error)]) from None
    if (faults := Faults(_texts(found))).sentences:
        raise faults
    return found


def mismatches(
    value: object, hint: Any, where: str, optional: Collection[str] = ()
) -> Iterator[str]:
    """Where a value read from JSON is not of an annotated type: a sentence for each place.

    Args:
        value: As `read` returns it.
        hint: A dataclass (an object with its fields), dict[str, ...], tuple or list (a list),
            int, float (any number), str, bool, None, a union of those, or Any.
        where: The value's place in the file, for the sentences.
        optional: Fields that an object may lack.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return
    if origin in (Union, types.UnionType):
        if all(any(mismatches(value, h, where, optional)) for h in arguments):
            yield f"{where} is {short(value)}, expected {wanted(hint)}"
    elif is_dataclass(hint) and isinstance(value, dict):
        hints = get_type_hints(hint)
        known = [f.name for f in fields(hint)]
        for name in [k for k in value if k not in known]:
            yield f"{where} has an unknown field {short(name)}{nearest(name[:60], known)}"
        for name in [k for k in known if k not in value and k not in optional]:
            yield f"{where} has no field {name!r}"
        for name in [k for k in known if k in value]:
            inside = name if where == "the file" else f"{where}.{name}"
            yield from mismatches(value[name], hints[name], inside, optional)
    elif origin is dict and isinstance(value, dict):
        for name, item in value.items():
            yield from mismatches(item, arguments[1], f"{where}[{short(name)}]", optional)
    elif origin in (list, tuple) and isinstance(value, list):
        for i, item in enumerate(value):
            yield from mismatches(item, arguments[0], f"{where}[{i}]", optional)
    elif not _is(value, hint):
        yield f"{where} is {short(value)}, expected {wanted(hint)}"


def wanted(hint: Any) -> str:
    """An annotated type in words."""
    if hint in _WORDS:
        return _WORDS[hint]
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(wanted, get_args(hint))))
    return "a list" if get_origin(hint) in (list, tuple) else "an object"


def short(value: object) -> str:
    """A value in a sentence: at most 60 characters, all of them printable."""
    if isinstance(value, (dict, list)):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value):,}"
    text = "null" if value is None else repr(value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 60 else text[:57] + "..."


def shown(path: Path) -> str:
    """A path in a sentence; one that could drive a terminal is quoted."""
    return str(path) if str(path).isprintable() else ascii(str(path))


_DEEP = f"it is nested too deeply, expected at most {DEEPEST} levels"


def _is(value: object, hint: Any) -> bool:
    if isinstance(value, bool):
        return hint is bool
    if get_origin(hint) is not None or not isinstance(hint, type):
        return False  # a list or an object, which this value is not
    return isinstance(value, (int, float) if hint is float else hint)


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
                yield (f"the text {short(value)} has {len(value):,} characters, expected at most "
                       f"{LONGEST:,}")  # fmt: skip
            elif isinstance(value, str) and not value.isprintable():
                yield f"the text {short(value)} has characters that cannot be printed"
        level, depth = inner, depth + 1


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON, expected finite numbers")


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > DIGITS:
        raise ValueError(f"the number {short(text)} has {len(text):,} digits, expected at most "
                         f"{DIGITS}")  # fmt: skip
    return int(text)


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"the number {short(text)} is not finite")
    return value
