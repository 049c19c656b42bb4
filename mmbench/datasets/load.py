"""Data sets by what a user calls them: a registered name, an object of a module, a TOML file."""

from dataclasses import replace
from inspect import isfunction, signature
from pathlib import Path

from mmbench.core.data import Dataset
from mmbench.core.source import Source
from mmbench.datasets.custom import described
from mmbench.errors import argument
from mmbench.progress import Progress
from mmbench.records.paths import FORM, names_folder
from mmbench.registry import find, names


def load_dataset(name: str, folder: Path | None, cache: Path, progress: Progress) -> Dataset:
    """A data set by its registered name, by its place, or by a TOML file that describes it.

    Args:
        name: A registered name, "module:object" or "file.py:object" of a `Source` or of a function
            without arguments that returns a `Dataset`, or the path of a TOML file.
        folder: Where its files are, if the user named a folder.
        cache: Where what is read is kept.
        progress: Where to report.

    Raises:
        LookupError: There is no such data set.
        FileNotFoundError, ValueError: As `source`; or its files are missing or damaged, what is
            loaded is no data set, or it has another version than its source states or another
            name than it is registered under.
    """
    where = source(name)
    found = where.load(folder, cache, progress)
    if not isinstance(found, Dataset):
        kind = type(found).__name__
        raise ValueError(f"{name} made a {kind}, expected a mmbench.core.Dataset")
    if not names_folder(found.name):
        raise ValueError(f"{found.name!r} cannot name a data set, expected at most 80 {FORM}")
    if found.version != where.version:
        states = f"{name} has version {found.version}, its source states {where.version}"
        raise ValueError(f"{states}: expected the same, or its records are stale at once")
    if name not in names("datasets"):
        return replace(found, registered=False)
    if found.name != name:
        calls = f"the data set registered as {name} is called {found.name}"
        raise ValueError(f"{calls}: expected the same name")
    return replace(found, registered=True)


def source(name: str) -> Source:
    """Where a data set comes from, by the same names.

    Raises:
        LookupError: There is no such data set.
        ValueError: The object is neither a `Source` nor a function.
        FileNotFoundError: There is no such file.
    """
    if name.endswith(".toml"):
        return described(Path(name))
    found = find("datasets", name)
    if isinstance(found, Source):
        return found
    if not isfunction(found) or signature(found).parameters:
        expected = "expected a mmbench.core.Source, or a function () -> mmbench.core.Dataset"
        raise ValueError(f"{name} is not a data set: {expected}")
    return Source(name, "", lambda *_: found())


def dataset_of(
    name: str, asked: str | None, folder: Path | None, cache: Path, progress: Progress
) -> Dataset:
    """The data set that records name, or the one that the user `asked` for in its place.

    Raises:
        LookupError: No data set is registered under the records' name, or what was asked for.
        FileNotFoundError, ValueError: Its files are missing or damaged.
    """
    if asked is None and name not in names("datasets"):
        raise LookupError(f"no data set is registered as {name!r}: give it as {argument('data')}")
    return load_dataset(asked or name, folder, cache, progress)
