"""The registry: objects by name: an entry point of a group, "module:object", "file.py:object".

A file's objects are called by the file's name without its folder, "my_file.py:MyModel", whichever
folder it lies in: records do not depend on where somebody keeps a file.
"""

import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Literal

Group = Literal["models", "datasets", "metrics", "extractors", "networks"]

PYTHON = ".py"
"""Ends the name of a file that takes the place of a module."""

DESCRIPTION = ".toml"
"""Ends the name of a file that describes a data set."""

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
    if close := meant(wrong, known):
        return close
    more = f" and {len(known) - LISTED:,} more" if len(known) > LISTED else ""
    return f"; there is {', '.join(known[:LISTED])}{more}" if known else ""


def meant(wrong: str, known: Iterable[str], ending: str = "") -> str:
    """How a sentence about a wrong name ends where a right one is spelt like it; "" for none."""
    folded = {name.casefold(): name for name in known}
    close = get_close_matches(wrong.casefold(), folded, 1)
    return f"; did you mean {folded[close[0]] + ending!r}?" if close else ""


def find(group: Group, name: str) -> Any:
    """The object registered under a name, or at "module:object" or "file.py:object".

    Raises:
        LookupError: There is no such name, module or object, it is not Python, or two packages
            register the name.
        FileNotFoundError: There is no such file.
    """
    expect(group, name)
    entries = {e.value: e for e in _registered(group, tuple(sys.path)) if e.name == name}
    if not entries:
        module, _, attribute = name.rpartition(":")
        return locate(module, attribute)
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


def expect(group: Group, name: str) -> None:
    """Refuses a name under which `find` finds nothing, as far as that shows without an import.

    Raises:
        LookupError: There is no such name.
        FileNotFoundError: There is no such file.
    """
    known = names(group)
    if name in known:
        return
    if group == "datasets" and name.endswith(DESCRIPTION):
        expect_file(Path(name))
        return
    if not located(group, name):
        if group == "datasets" and name and Path(name).exists():
            what = "folder" if Path(name).is_dir() else "file"
            expected = (
                f"expected the {DESCRIPTION} file that describes the data, as in own-data.md"
            )
            raise LookupError(f"{name} is a {what}, {expected}")
        if name.endswith(PYTHON):
            raise LookupError(f"{name} is a file: name an object in it, as in {name}:MyModel")
        near = nearest(name, family(known, name) or known)
        kind = "data set" if group == "datasets" else group[:-1]
        raise LookupError(f"no {kind} is called {name!r}{near}")
    file = Path(name.rpartition(":")[0])
    if file.suffix == PYTHON and not (file.parent == Path() and in_use(file.name)):
        expect_file(file)


def _syntax(error: SyntaxError) -> str:
    return f"{error.filename}, line {error.lineno}: {error.msg}"


def located(group: Group, name: str) -> bool:
    """Whether a name is "module:object" or "file.py:object".

    "multivae:mopoe" is not, but a registered name.
    """
    known = names(group)
    return ":" in name and name not in known and not family(known, name)


def called(name: str) -> str:
    """What tables and records call an object that a user names.

    It is the name itself; "models/my_file.py:MyModel" is called "my_file.py:MyModel", by which it
    can be found from then on.

    Raises:
        FileNotFoundError: There is no such file.
        LookupError: It is not Python, or a file of the same name in another folder is in use.
    """
    file, _, attribute = name.rpartition(":")
    if not file.endswith(PYTHON):
        return name
    locate(file, attribute)
    return f"{Path(file).name}:{attribute}"


def place(group: Group, name: str) -> str:
    """The "module:object" of a registered or located object; "" for an unknown name."""
    entry = names(group).get(name)
    if entry is not None:
        return f"{entry.module}:{entry.attr}"
    return called(name) if located(group, name) else ""


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
def _importable(folder: str) -> Iterator[None]:
    """Lets modules be imported from a folder that are installed nowhere."""
    # Only during an import, so that a missing optional package is never found there.
    sys.path.append(folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _loaded(file: Path) -> ModuleType:
    """A file of Python as a module, which is run once and has the file's name.

    A file without a folder is the one in use under that name, or else in the current folder.
    """
    known, path = sys.modules.get(file.name), file.expanduser().resolve()
    if known is not None and (file.parent == Path() or known.__file__ == str(path)):
        return known
    if known is not None:
        both = f"{known.__file__} and {path} have the same name"
        raise LookupError(f"{both}: rename one of them, or use one at a time")
    spec = spec_from_file_location(file.name, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"there is no file {file}")
    expect_file(file)
    module = sys.modules[file.name] = module_from_spec(spec)
    try:
        with _importable(str(path.parent)):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[file.name]
        raise
    return module


def expect_file(file: Path) -> None:
    """Refuses a file that is not there; a suggestion is one beside it that is spelt like it.

    Raises:
        FileNotFoundError: It is not there.
    """
    path = file.expanduser()
    if path.is_file():
        return
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no file {file}: there is no folder {file.parent}")
    stems = [p.stem for p in path.parent.glob(f"*{path.suffix}")]
    raise FileNotFoundError(f"there is no file {file}{meant(path.stem, stems, path.suffix)}")


def read_file(file: Path) -> None:
    """Runs a file of Python whose objects are then found by "file.py:object", without its folder.

    Raises:
        FileNotFoundError: There is no such file.
        LookupError: It is not Python, or a file of the same name in another folder is in use.
    """
    try:
        _loaded(file)
    except SyntaxError as error:
        raise LookupError(_syntax(error)) from None


def in_use(name: str) -> Path | None:
    """The file of Python that is in use under a name such as "my_file.py"; None for none."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return Path(file) if file else None


def _imported(module: str) -> ModuleType:
    """A module by its name, which may lie in the current folder."""
    package, here = module.partition(".")[0], os.getcwd()
    if here in sys.path or package in sys.modules or find_spec(package) is not None:
        return import_module(module)
    with _importable(here):
        return import_module(module)


def locate(module: str, attribute: str) -> Any:
    """The object `attribute` of a module, which may lie in the current folder, or "file.py".

    Raises:
        LookupError: There is no such module or object, or it is not Python.
        FileNotFoundError: There is no such file.
    """
    relative = module.startswith(".") and not module.endswith(PYTHON)  # "./file.py" is a file
    if not module or not attribute or relative:
        raise LookupError(f"'{module}:{attribute}' is not of the form 'package.module:object'")
    try:
        found = _loaded(Path(module)) if module.endswith(PYTHON) else _imported(module)
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
