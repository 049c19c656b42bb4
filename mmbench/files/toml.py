"""TOML files as users write them, and tables as such a file."""

import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from mmbench.files.text import read_text

MOST = 2**53
"""The largest whole number of a setting: JSON, and so a record, may round larger ones."""


def read_toml(file: Path | Traversable) -> dict[str, Any]:
    """A TOML file, which may begin with a byte order mark.

    Raises:
        ValueError: It is not TOML, or not UTF-8, or has a value that `plain` refuses.
    """
    text = read_text(file)
    try:
        found = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is not valid TOML: {error}") from None
    for key, value in found.items():
        plain(value, f"{file}: {key}")
    return found


def plain(value: Any, where: str) -> None:
    """Refuses what no setting takes; `where` names the value in messages.

    Raises:
        ValueError: It is, or holds, a date or a time, a number that is not finite, or a whole
            number beyond MOST.
    """
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            plain(part, f"{where}.{key}" if isinstance(value, dict) else f"{where}[{key}]")
    elif isinstance(value, date | datetime | time):
        raise ValueError(f"{where} is {value}, expected no date or time")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where} is {value}, expected a finite number")
    elif isinstance(value, int) and abs(value) > MOST:
        raise ValueError(f"{where} is a number of {value.bit_length()} bits, expected at most 53")


def to_toml(table: Mapping[str, Any]) -> str:
    """A table as a TOML file, of texts, numbers, truth values, lists and tables."""
    return "\n".join(_lines(table, ())).strip() + "\n"


def _lines(table: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[str]:
    """The lines of a table: its values, and below them its tables with their headings."""
    for key, value in table.items():
        if not isinstance(value, Mapping):
            yield f"{_key(key)} = {written(value)}"
    for key, value in table.items():
        if isinstance(value, Mapping):
            path = (*above, key)
            inside = all(isinstance(v, Mapping) for v in value.values())
            yield from () if inside and value else ("", f"[{'.'.join(map(_key, path))}]")
            yield from _lines(value, path)


def written(value: Any) -> str:
    """A value as TOML has it in one line: a text, a number, a truth value, a list or a table."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(k)} = {written(v)}" for k, v in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(written, value))}]"
    return repr(value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else written(key)
