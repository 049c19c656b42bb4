"""Results folders of schema 1, moved to the names that schema 2 gives to files."""

from collections.abc import Iterator
from pathlib import Path

from mmbench.protocols.protocol import digest
from mmbench.records import strict
from mmbench.records.paths import Place, records, trained
from mmbench.records.store import read, write


def migrate(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Rewrites the records of schema 1 in a results folder, and moves what lies beside them.

    Weights are kept, so that the same `mmbench run` finds its work done. It can be interrupted at
    any moment: another call goes on.

    Yields:
        The old file of a record and the new one, once both are in place.

    Raises:
        FileNotFoundError: There is no such folder.
        FileExistsError: There is a record of the same run by the new name.
        ValueError: A record is damaged.
        OSError: The folder cannot be written to.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}, expected one with records")
    for old in records(folder):
        record = read(old)  # first: it says what is wrong with a damaged file
        found = strict.read(old, printable=False)
        if found.get("schema") != 1:
            continue
        place = Place.of(record)
        new = folder / place.record
        if new != old and new.exists() and read(new) != record:
            both = f"{old} and {new} are records of one run, by an old version and by this one"
            raise FileExistsError(f"{both}: delete the one that you do not want")
        key = old.stem.partition("-")[2]
        weights = digest([trained(found["protocol"]), found["data"]])[:8]
        if record.samples is None:
            _move(old.parent / f"{record.seed}-{weights}", folder / place.folder)
            _move(folder / place.folder / f"evaluation-{key}", folder / place.kept)
        else:
            _move(old.with_suffix(""), new.with_suffix(""))
        _move(old.with_suffix(".png"), folder / place.picture)
        write(record, new)
        if new != old:
            old.unlink()
        yield old, new


def _move(old: Path, new: Path) -> None:
    if old.exists() and not new.exists():
        old.rename(new)
