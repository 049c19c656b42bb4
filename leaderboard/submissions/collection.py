"""Results folders: several read as one, and records of others added to one."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Literal

from mmbench.leaderboard.tables.columns import modalities
from mmbench.records.paths import Place
from mmbench.records.paths import records as files
from mmbench.records.record import Record
from mmbench.records.store import find, order, read, write, writing
from mmbench.records.strict import shown
from mmbench.text import plain

Outcome = Literal["added", "already there", "replaced"]


def merged(folders: Sequence[Path]) -> list[Record]:
    """The records of several results folders; one that lies in two of them counts once.

    Raises:
        FileNotFoundError: A folder is missing, or holds no record.
        ValueError: A record is damaged, or two folders have different ones of the same run.
    """
    known: dict[object, tuple[Path, Record]] = {}
    for folder in folders:
        for path, record in find(folder).items():
            run = (*order(record), record.model_version, record.dataset_version)
            first, same = known.setdefault(run, (path, record))
            if same != record:
                raise ValueError(
                    f"{shown(first)} and {shown(path)} are different records of one run, "
                    f"{Place.of(record).record}: {differing(same, record)}"
                )
    return sorted((record for _, record in known.values()), key=order)


def add(
    records: Sequence[Record], folder: Path, replace: bool = False, dry_run: bool = False
) -> list[tuple[Path, Outcome]]:
    """Writes records to their places in a results folder: all of them or, where one may not, none.

    Args:
        records: Valid ones.
        folder: The results folder; made where it is missing.
        replace: Whether to write over other records of the same runs.
        dry_run: Only say what would be done.

    Returns:
        The place of each, and what was done.

    Raises:
        FileExistsError: There is another record of the same run.
        ValueError: There is a damaged one, two of `records` are of one run and differ, one scores
            modalities that others there of the same examples do not have, or a place lies outside
            the folder by a link.
        OSError: The folder cannot be written to.
    """
    with nullcontext() if dry_run else writing(folder):
        done = _compared(records, folder, replace)
        for path, (record, outcome) in done.items():
            if outcome != "already there" and not dry_run:
                write(record, path)
    return [(path, outcome) for path, (_, outcome) in done.items()]


def _compared(
    records: Sequence[Record], folder: Path, replace: bool
) -> dict[Path, tuple[Record, Outcome]]:
    """Place -> record and what is to be done with it; refuses what may not be written."""
    done: dict[Path, tuple[Record, Outcome]] = {}
    for record in records:
        path = folder / Place.of(record).record
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"{shown(path)} lies outside of {shown(folder)} by a link")
        if path in done and done[path][0] != record:
            twice = f"two of the records are of one run, {Place.of(record).record}"
            raise ValueError(f"{twice}, and differ in {differing(done[path][0], record)}")
        outcome: Outcome = "added"
        if path.exists():
            try:
                known: Record | None = read(path)
            except ValueError:
                if not replace:
                    raise
                known = None
            if known is not None and known != record and not replace:
                other = f"{shown(path)} is another record of this run"
                apart = f"it differs in {differing(known, record)}"
                raise FileExistsError(f"{other}: {apart}; --replace overwrites it")
            outcome = "already there" if known == record else "replaced"
        done[path] = (record, outcome)
    _expect_modalities(folder, {p: r for p, (r, of) in done.items() if of != "already there"})
    return done


def _expect_modalities(folder: Path, new: Mapping[Path, Record]) -> None:
    """Refuses modalities that others do not have: all records share the columns of tables."""
    older = [p for p in files(folder) if p not in new]
    for dataset, data in sorted({(r.dataset, r.data) for r in new.values()}):
        paths = [p for p in older if p.parts[-3] == dataset]
        there = [r for r in map(read, paths) if r.data == data]
        listed = [r.protocol.get("modalities") for r in there]
        known = {*modalities(there), *(m for of in listed if isinstance(of, dict) for m in of)}
        for path, r in new.items():
            strange = sorted({*modalities([r])} - known)
            if there and strange and (r.dataset, r.data) == (dataset, data):
                scored = f"{shown(path)} has scores of {', '.join(strange)}"
                others = plain(", ".join(modalities(there)))
                raise ValueError(f"{scored}, but other records of the same examples of {others}")


def differing(a: Record, b: Record) -> str:
    """The names of the fields in which two records differ."""
    compared = [f.name for f in fields(Record) if f.compare]
    return ", ".join(name for name in compared if getattr(a, name) != getattr(b, name))
