"""TOML files as users write them."""

import tomllib
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from mmbench.files.text import read_text


def read_toml(file: Path | Traversable) -> dict[str, Any]:
    """A TOML file, which may begin with a byte order mark.

    Raises:
        ValueError: It is not TOML, or not UTF-8.
    """
    try:
        return tomllib.loads(read_text(file))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file} is not a TOML file: {error}") from None
