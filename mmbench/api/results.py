"""Records as a table of their scores."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mmbench.api.places import named
from mmbench.leaderboard.submissions.collection import merged
from mmbench.records.store import frame

if TYPE_CHECKING:
    from pandas import DataFrame


def results(folders: str | Path | Iterable[str | Path] = "results") -> DataFrame:
    """The scores of all records of results folders.

    Args:
        folders: One or several; a record that lies in two of them counts once.

    Returns:
        One row for each score: dataset, model, seed, protocol_hash and what else identifies the
        run; stale, in what its numbers are older than what is installed ("" for a current one);
        metric, given (modalities joined by commas, "" for joint samples), target, value (NaN where
        it could not be computed; `reason` says why), n (number of samples), low and high (95 %
        interval over samples).

    Raises:
        FileNotFoundError: A folder is missing, or holds no record.
        ValueError: A record is damaged, two folders have different ones of the same run, or no
            folder is named.
    """
    if isinstance(folders, str | os.PathLike) or not isinstance(folders, Iterable):
        folders = [folders]
    several = [named("folders", folder) for folder in folders]
    if not several:
        raise ValueError("folders is empty, expected one folder of results or more")
    return frame(merged(several))
