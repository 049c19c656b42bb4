"""Data sets by what a user calls them: a registered name, "module:object", a TOML file."""

from pathlib import Path

from mmbench.core.data import Dataset
from mmbench.core.source import Source
from mmbench.datasets.custom import described
from mmbench.progress import Progress
from mmbench.registry import find, names


def load_dataset(name: str, folder: Path | None, cache: Path, progress: Progress) -> Dataset:
    """A data set by its registered name, "module:object", or a TOML file that describes it.

    Raises:
        LookupError: There is no such data set.
        FileNotFoundError, ValueError: As `source`; or its files are missing or damaged, or it has
            another version than its source states.
    """
    where = source(name)
    found = where.load(folder, cache, progress)
    if found.version != where.version:
        states = f"{name} has version {found.version}, its source states {where.version}"
        raise ValueError(f"{states}: expected the same, or its records are stale at once")
    return found


def source(name: str) -> Source:
    """Where a data set comes from, by the same names.

    Raises:
        LookupError: There is no such data set.
        ValueError: The object is not a `Source`.
        FileNotFoundError: There is no such TOML file.
    """
    if name.endswith(".toml"):
        return described(Path(name))
    found = find("datasets", name)
    if not isinstance(found, Source):
        raise ValueError(f"{name} is not a data set: expected a mmbench.core.Source")
    return found


def dataset_of(
    name: str, asked: str | None, folder: Path | None, cache: Path, progress: Progress
) -> Dataset:
    """The data set that records name, or the one that the user `asked` for in its place.

    Raises:
        LookupError: No data set is registered under the records' name, or what was asked for.
        FileNotFoundError, ValueError: Its files are missing or damaged.
    """
    if asked is None and name not in names("datasets"):
        raise LookupError(f"no data set is registered as {name!r}: name it by --dataset")
    return load_dataset(asked or name, folder, cache, progress)
