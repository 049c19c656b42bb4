"""Packages that are imported where they are used; the extras of pyproject.toml install some."""

import re
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution, requires
from typing import Any


def lacking(what: str, package: str, extra: str | None, error: ImportError) -> ImportError:
    """The error with a message that says what needs the package and how to install it.

    Args:
        what: What needs the package, a singular such as "FID".
        package: The package.
        extra: The extra that installs it; None if it comes with mmbench.
        error: Why it cannot be imported.
    """
    message = f"{what} needs {package} ({error}); install it with: {command(extra)}"
    return type(error)(message, name=error.name)


def optional(module: str, what: str, package: str, extra: str | None = None) -> Any:
    """Imports a module of a package that may be missing.

    Args:
        module: The module.
        what: What needs the package, a singular such as "FID".
        package: The package.
        extra: The extra that installs it; None if it comes with mmbench.

    Raises:
        ImportError: It cannot be imported; the message is that of `lacking`.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise lacking(what, package, extra, error) from None


def command(extra: str | None) -> str:
    """The command that installs an extra, or whatever is missing of mmbench's own packages."""
    return f"pip install 'mmbench[{extra}]'" if extra else "pip install mmbench"


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
