"""Results of several machines, collected in one folder.

Records are read as tables read them, and tensors are compared with the seals of their files.
Everything is checked before the first file is written: all runs are collected, or none.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from mmbench.errors import sentence
from mmbench.files import sealed
from mmbench.files.atomic import replacing
from mmbench.files.locks import alone
from mmbench.leaderboard.submissions.collection import add, differing
from mmbench.progress import Progress
from mmbench.records import schema1
from mmbench.records.paths import Place, records
from mmbench.records.record import Record
from mmbench.records.store import read
from mmbench.records.strict import Faults, shown

Outcome = Literal["added", "completed", "already there"]
"""What became of a run; completed: its record was there already, and files beside it were not."""

TENSORS = ".safetensors"


@dataclass(frozen=True)
class Collected:
    """A run that was found in a folder.

    Attributes:
        record: The record.
        source: The folder.
        lacking: File in the collection -> the one that it is to be copied from.
    """

    record: Record
    source: Path
    lacking: dict[Path, Path] = field(default_factory=dict)


def collect(
    folders: Iterable[Path], out: Path, progress: Progress, dry_run: bool = False
) -> list[tuple[Path, Path, Outcome]]:
    """Copies the finished runs of results folders to another: all of them or none.

    A run is its record with the picture, the weights, their history, and the samples that
    were kept. What is there already stays as it is, so that the same call goes on after an
    interruption. What else lies in a folder, such as runs in progress, stays there.

    Args:
        folders: Where they are.
        out: The folder to collect them in; made where it is missing.
        progress: Where to report that another process uses a run.
        dry_run: Only say what would be done.

    Returns:
        The record of each run in `out`, the folder that it was found in, and what was done.

    Raises:
        FileNotFoundError: A folder is missing, or holds no record.
        Faults: A folder is `out` or lies inside it or around it; a file is damaged, is a link, or
            belongs elsewhere; two that belong to one run differ; or a run is in progress in `out`.
            There is a sentence for each.
        ValueError: Records in `out` are damaged, or have other modalities.
        OSError: A file cannot be read or written.
    """
    faults: list[str] = []
    found = _compared(_apart(folders, out), out, faults)
    Faults.refuse(faults)
    new = [run.record for run in found]
    outcomes = dict(add(new, out, dry_run=True))
    if not dry_run:
        for run in found:
            _copy(run, out, progress)
        add(new, out)  # last: a run whose record is there has all of its files
    return [
        (path, run.source, "completed" if known == "already there" and run.lacking else known)
        for run, (path, known) in zip(found, outcomes.items(), strict=True)
        if known != "replaced"  # for the type checker
    ]


def _apart(folders: Iterable[Path], out: Path) -> list[Path]:
    """The folders, each once; none may be `out`, or lie inside it or around it."""
    found: dict[Path, Path] = {}
    home = out.resolve()
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no folder {shown(folder)}, expected one of results")
        real = folder.resolve()
        same = real == home or (out.exists() and out.samefile(folder))
        if same or real.is_relative_to(home) or home.is_relative_to(real):
            how = "is" if same else "lies inside" if real.is_relative_to(home) else "contains"
            expected = "expected the results folder of another machine"
            raise Faults([f"{shown(folder)} {how} {shown(out)}, {expected}"])
        if not records(folder):
            raise FileNotFoundError(f"{shown(folder)} holds no record <dataset>/<model>/*.json")
        found.setdefault(real, folder)
    return list(found.values())


def _compared(folders: Sequence[Path], out: Path, faults: list[str]) -> list[Collected]:
    """The runs of all folders, each once; adds a sentence for each of their faults."""
    runs: dict[Path, Collected] = {}
    first: dict[Path, Path] = {}
    for folder in folders:
        for file in records(folder):
            with _noted(faults):
                record = _record(file, folder)
                place = Place.of(record)
                run = runs.setdefault(place.record, Collected(record, folder))
                _expect_unused(out / place.lock, record)
                for name in (place.record, *place.beside(folder)):
                    with _noted(faults):
                        _expect_whole(folder, name)
                        here, there = out / name, folder / name
                        one = first.setdefault(name, here if here.exists() else there)
                        if one != there:
                            _expect_same(one, there)
                        elif name != place.record:
                            run.lacking[here] = there
    return list(runs.values())


@contextmanager
def _noted(faults: list[str]) -> Iterator[None]:
    """Adds what is wrong with files to faults."""
    try:
        yield
    except (OSError, ValueError) as error:
        faults += sentence(error).splitlines()


def _record(file: Path, folder: Path) -> Record:
    """A record that lies in its place."""
    record, name = read(file), file.relative_to(folder)
    if name != (wanted := Place.of(record).record):
        move = f"'mmbench records migrate {shown(folder)}' moves it"
        hint = move if schema1.among(file.parent) else "move it there"
        raise ValueError(f"{shown(file)} belongs at {shown(folder / wanted)}: {hint}")
    return record


def _expect_unused(lock: Path, record: Record) -> None:
    """Refuses a run that another process is making in the collection."""

    def busy(held: Path) -> None:
        what = f"{record.model} on {record.dataset} with seed {record.seed}"
        raise ValueError(f"another process is running {what} (it holds {held})")

    if lock.exists():
        with alone(lock, busy):
            pass


def _expect_whole(folder: Path, name: Path) -> None:
    """Refuses a file that is reached by a link, or does not match its seal."""
    for path in (folder / name, *map(folder.__truediv__, list(name.parents)[:-1])):
        if path.is_symlink():
            raise ValueError(f"{shown(path)} is a link, expected a file or a folder of its own")
    if name.suffix == TENSORS:
        sealed.read_tensors(folder / name, older=True)


def _expect_same(one: Path, other: Path) -> None:
    """Refuses two files of one run whose numbers differ; durations and pictures may."""
    both = f"{shown(one)} and {shown(other)}"
    if one.suffix == ".json" and (a := read(one)) != (b := read(other)):
        raise ValueError(f"{both} are different records of one run: {differing(a, b)}")
    if one.suffix == TENSORS and one.read_bytes() != other.read_bytes():
        (x, _), (y, _) = (sealed.read_tensors(path, older=True) for path in (one, other))
        if x.keys() != y.keys() or not all(_equal(x[k], y[k]) for k in x):
            raise ValueError(f"{both} are of one run and hold different numbers")


def _equal(x: torch.Tensor, y: torch.Tensor) -> bool:
    """Whether tensors have the same bits."""
    if (x.dtype, x.shape) != (y.dtype, y.shape):
        return False
    return torch.equal(*(t.contiguous().view(-1).view(torch.uint8) for t in (x, y)))


def _copy(run: Collected, out: Path, progress: Progress) -> None:
    """Copies what the collection lacks of a run, beside a record that may be written later."""
    place = Place.of(run.record)
    inside = any((out / place.folder) in path.parents for path in run.lacking)
    with alone(out / place.lock, progress.waiting) if inside else nullcontext():
        for path, source in run.lacking.items():
            if path.exists():  # by a process that has begun meanwhile
                _expect_same(path, source)
                continue
            verified = path.suffix == TENSORS
            content = sealed.read(source, older=True) if verified else source.read_bytes()
            with replacing(path) as part:
                part.write_bytes(content)
