"""Optional packages, which the extras of pyproject.toml install."""

import re
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution, requires
from typing import Any


def lacking(what: str, package: str, extra: str, error: ImportError) -> ImportError:
    """The error with a message that says what needs the package and how to install it.

    Args:
        what: What needs the package, a singular such as "FID".
        package: The package.
        extra: The extra that installs it.
        error: Why it cannot be imported.
    """
    message = f"{what} needs {package} ({error}); install it with: {command(extra)}"
    return type(error)(message, name=error.name)


def optional(module: str, what: str, package: str, extra: str) -> Any:
    """Imports a module of an optional package.

    Raises:
        ImportError: It cannot be imported; the message is that of `lacking`.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise lacking(what, package, extra, error) from None


def command(extra: str) -> str:
    """The command that installs an extra."""
    return f"pip install 'mmbench[{extra}]'"


@cache
def installed(extra: str) -> bool:
    """Whether the packages of an extra are installed, in any version."""
    wanted = [r for r in requires("mmbench") or [] if f'extra == "{extra}"' in r]
    try:
        for requirement in wanted:
            distribution(re.match(r"[\w.-]+", requirement)[0])  # type: ignore[index]
    except PackageNotFoundError:
        return False
    return bool(wanted)
