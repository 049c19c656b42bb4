"""The records under records/, of which any may be stale between releases."""

from dataclasses import replace
from pathlib import Path

import pytest

from mmbench.records.paths import Place
from mmbench.records.record import Record
from mmbench.records.store import find, write
from mmbench.records.versions import now, stale

RECORDS = Path(__file__).parents[2] / "records"
MEASURED = list(find(RECORDS).values())


def judged(dataset: str, family: str = "") -> None:
    """Skips a test that judges the records of models whose names begin so, where one is stale."""
    if any(stale(r) for r in MEASURED if r.dataset == dataset and r.model.startswith(family)):
        pytest.skip(f"records of {dataset} are stale; they are measured anew at a release")


def today(record: Record) -> Record:
    """A record as if it were measured with the versions that are installed."""
    versions = {
        "model_version": now("models", record.model),
        "dataset_version": now("datasets", record.dataset),
    }
    return replace(record, **versions)


def laid(folder: Path, model: str, seeds: tuple[int, ...] = (0, 1, 2)) -> list[Path]:
    """The files of a model's records on mhd-mini, laid into a results folder as of today."""
    chosen = [r for r in MEASURED if (r.dataset, r.model) == ("mhd-mini", model)]
    records = [today(r) for r in chosen if r.seed in seeds]
    files = [folder / Place.of(r).record for r in records]
    for file, record in zip(files, records, strict=True):
        write(record, file)
    return files
