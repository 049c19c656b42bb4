"""Data sets as a user asks for them: by name, from the folder of this machine's data."""

import os
import sys
from pathlib import Path

from mmbench.api.places import cache_folder, data_folder, named
from mmbench.core.data import Dataset
from mmbench.datasets.load import dataset_of
from mmbench.progress import Progress


def load_dataset(
    name: str | Path, folder: str | Path | None = None, *, quiet: bool = False
) -> Dataset:
    """Loads a data set.

    Its modalities have names and shapes, its splits `train` and `test` hold examples:
    `data.test.batch(rows)` gathers modality -> (B, *shape), float32 in [0, 1], int64 for text.

    Args:
        name: A registered name (see `mmbench list datasets`), "module:object", or a TOML file
            that describes your own.
        folder: The folder of its files; by default $MMBENCH_DATA, or where `mmbench data
            download` puts them. Twins such as "mhd-mini" need none.
        quiet: Whether to report nothing on standard error.

    Returns:
        The data set, in memory.

    Raises:
        LookupError: There is no such data set.
        FileNotFoundError: Its files are missing.
        ValueError: They are damaged, or the object is no data set.
    """
    name = named("name", name, "the name of a data set, or a path")
    return loaded(str(name), folder, Progress(None if quiet else sys.stderr))


def loaded(
    name: str, folder: str | Path | None, progress: Progress, recorded: str = ""
) -> Dataset:
    """A data set from the folder that the user named or the one that downloads go to.

    With the name "", it is the registered one that records call `recorded`.

    Raises:
        LookupError, FileNotFoundError, ValueError: As `load_dataset`.
    """
    where = folder or os.environ.get("MMBENCH_DATA")
    if not where and data_folder().is_dir():
        where = data_folder()
    return dataset_of(
        recorded, name or None, named("folder", where) if where else None, cache_folder(), progress
    )
