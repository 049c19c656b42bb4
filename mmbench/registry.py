"""The registry: objects by name, which is an entry point of a group or "module:object"."""

import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Literal

Group = Literal["models", "datasets", "metrics", "extractors", "networks"]

LISTED = 40
"""Right names that a sentence about a wrong one lists where none is near."""


_entry_points = cache(lambda path: entry_points())
"""All of the packages on a path, read once: packages are not installed meanwhile."""


@cache
def _registered(group: Group, path: tuple[str, ...]) -> EntryPoints:
    """What the packages on a path register in a group."""
    found: EntryPoints = _entry_points(path).select(group=f"mmbench.{group}")
    return found


@cache
def _names(group: Group, path: tuple[str, ...]) -> Mapping[str, EntryPoint]:
    found = {e.name: e for e in _registered(group, path)}
    return MappingProxyType(dict(sorted(found.items())))


def names(group: Group) -> Mapping[str, EntryPoint]:
    """All registered names of a group, sorted; nothing is imported."""
    return _names(group, tuple(sys.path))


def nearest(wrong: str, known: Iterable[str]) -> str:
    """How a sentence about a wrong name ends: with the nearest right one, or with all."""
    known = list(known)
    close = get_close_matches(wrong, known, 1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    more = f" and {len(known) - LISTED:,} more" if len(known) > LISTED else ""
    return f"; there is {', '.join(known[:LISTED]) or 'none'}{more}"


def find(group: Group, name: str) -> Any:
    """The object registered under a name, or at "module:object".

    Raises:
        LookupError: There is no such name, module or object, it is not Python, or two packages
            register the name.
    """
    entries = {e.value: e for e in _registered(group, tuple(sys.path)) if e.name == name}
    if not entries:
        if located(group, name):
            module, _, attribute = name.partition(":")
            return locate(module, attribute)
        known = names(group)
        near = nearest(name, family(known, name) or known)
        raise LookupError(f"no {group[:-1]} is called {name!r}{near}")
    if len(entries) > 1:
        packages = " and ".join(
            sorted(e.dist.name if e.dist else e.value for e in entries.values())
        )
        raise LookupError(f"{packages} both register {name!r} among the {group}: uninstall one")
    (entry,) = entries.values()
    try:
        return entry.load()
    except SyntaxError as error:
        raise LookupError(_syntax(error)) from None
    except AttributeError as error:
        missing = f"{entry.value!r}, registered as {name!r}, does not exist"
        raise LookupError(f"{missing}: {error}") from None


def _syntax(error: SyntaxError) -> str:
    return f"{error.filename}, line {error.lineno}: {error.msg}"


def located(group: Group, name: str) -> bool:
    """Whether a name is "module:object"; "multivae:mopoe" is not, but a registered name."""
    known = names(group)
    return ":" in name and name not in known and not family(known, name)


def place(group: Group, name: str) -> str:
    """The "module:object" of a registered or located object; "" for an unknown name."""
    entry = names(group).get(name)
    if entry is not None:
        return f"{entry.module}:{entry.attr}"
    return name if located(group, name) else ""


def family(known: Iterable[str], name: str) -> list[str]:
    """The registered names with the same part before the colon."""
    return [k for k in known if k.startswith(f"{name.partition(':')[0]}:")]


def expect_modalities(asked: Iterable[str], known: Collection[str], setting: str = "") -> None:
    """Refuses modalities that a model or a data set does not have, in a setting if one is named.

    Raises:
        ValueError: One of them is unknown.
    """
    where = f"{setting} names a" if setting else "there is no"
    for m in asked:
        if m not in known:
            raise ValueError(f"{where} modality {m!r}{nearest(m, known)}")


@contextmanager
def _current_folder(package: str) -> Iterator[None]:
    """Lets a package be imported from the current folder if it is installed nowhere."""
    # Only during its import, so that a missing optional package is never found there.
    here = os.getcwd()
    if here in sys.path or package in sys.modules or find_spec(package) is not None:
        yield
        return
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)


def locate(module: str, attribute: str) -> Any:
    """The object `attribute` of a module, which may lie in the current folder.

    Raises:
        LookupError: There is no such module or object, or it is not Python.
    """
    if not module or not attribute or module.startswith("."):
        raise LookupError(f"'{module}:{attribute}' is not of the form 'package.module:object'")
    try:
        with _current_folder(module.partition(".")[0]):
            found = import_module(module)
    except SyntaxError as error:
        raise LookupError(_syntax(error)) from None
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # the module exists, something that it imports does not
        where = f"installed or in the current folder (for {attribute!r})"
        raise LookupError(f"there is no module {module!r}, {where}") from None
    if not hasattr(found, attribute):
        if getattr(found, "__file__", None) is None and hasattr(found, "__path__"):
            folder = next(iter(found.__path__), "")
            what = f"{folder} is a folder without Python code, such as one of results"
            raise LookupError(f"there is no module {module!r}: {what}; give it another name")
        public = [name for name in vars(found) if not name.startswith("_")]
        raise LookupError(f"module {module!r} has no {attribute!r}{nearest(attribute, public)}")
    return getattr(found, attribute)
