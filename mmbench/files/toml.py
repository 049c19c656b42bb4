"""TOML files as users write them."""

import math
import tomllib
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
        raise ValueError(f"{file} is not a TOML file: {error}") from None
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
