"""Where this machine keeps data sets and what is computed once, unless the user says otherwise."""

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_folder() -> Path:
    """The folder of trained classifiers, data sets and features of real data: $MMBENCH_CACHE."""
    named = os.environ.get("MMBENCH_CACHE")
    return Path(named) if named else user_cache_path("mmbench", appauthor=False)


def data_folder() -> Path:
    """The folder of data sets that downloads go to."""
    return cache_folder() / "data"
