"""The packages that only some parts need, which pyproject.toml's extras install."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution, requires


def lacking(what: str, package: str, extra: str, error: ImportError) -> str:
    """Says that something needs a package that cannot be imported, and how to install it.

    Args:
        what: A singular, such as "FID".
        package: That it needs.
        extra: That installs it.
        error: Why it cannot be imported.
    """
    return f"{what} needs {package} ({error}); install it with: {command(extra)}"


def command(extra: str) -> str:
    """What installs an extra."""
    return f"pip install 'mmbench[{extra}]'"


def installed(extra: str) -> bool:
    """Whether the packages of an extra are here, of whatever version."""
    wanted = [r for r in requires("mmbench") or [] if f'extra == "{extra}"' in r]
    try:
        for requirement in wanted:
            distribution(re.match(r"[\w.-]+", requirement)[0])  # type: ignore[index]
    except PackageNotFoundError:
        return False
    return bool(wanted)
