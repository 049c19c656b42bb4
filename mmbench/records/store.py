"""Records on disk: one JSON file for each (model, data set, seed).

Only JSON is ever parsed: an untrusted record can lie, but it cannot run code.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mmbench.core.score import Score
from mmbench.files.atomic import write_text
from mmbench.files.locks import alone
from mmbench.records import strict
from mmbench.records.paths import Place, records
from mmbench.records.record import SCHEMA, SCORES, Record, bounds, within
from mmbench.records.schema1 import upgraded
from mmbench.records.shapes import mismatches, shaped
from mmbench.records.versions import older_metric, stale
from mmbench.registry import names
from mmbench.text import plain

if TYPE_CHECKING:
    from pandas import DataFrame


@contextmanager
def writing(results: Path) -> Iterator[None]:
    """Lets one process at a time compare and write records of a results folder."""
    with alone(results / ".lock"):
        yield


def content(path: Path) -> bytes | None:
    """What a record's file holds, to see whether it changes; None without a file."""
    return path.read_bytes() if path.exists() else None


def write(record: Record, path: Path) -> None:
    """Writes a record, whole or not at all; floats come back in the same bits."""
    write_text(path, json.dumps(asdict(record), indent=1, allow_nan=False) + "\n")


def read(path: Path) -> Record:
    """Reads what `write` wrote, or what schema 1 wrote.

    Raises:
        ValueError: The file is not a whole and possible record; the sentence names it.
        OSError: The file cannot be read.
    """
    newer = False
    try:
        found = strict.read(path, printable=False)  # a path in a protocol may be any text
        if isinstance(found, dict) and "schema" not in found:
            raise ValueError("the file has no field 'schema'")
        schema = found["schema"] if isinstance(found, dict) else SCHEMA
        newer = type(schema) is int and schema > SCHEMA
        if schema == 1 and schema is not True:
            found = upgraded(found)
        elif schema is not None and schema != SCHEMA:  # of another layout nothing can be judged
            raise ValueError(f"schema is {strict.short(schema)}, expected {SCHEMA}")
        record = shaped(found, Record)  # which validates itself
        if isinstance(record, Record):
            faults = _unwritten(record)
        else:
            faults = mismatches(found, Record, "the file")
        if not (fault := next(faults, "")):
            return cast(Record, record)
    except RecursionError:
        fault = "it is nested too deeply"
    except ValueError as error:
        fault = str(error).partition("\n")[0]
    hint = "update mmbench, since a newer one wrote it" if newer else "delete it to run it again"
    raise ValueError(f"{path} is not a record: {fault}; {hint}")


def _unwritten(record: Record) -> Iterator[str]:
    """What no run writes: names that leave the results folder, no score, impossible scores."""
    for title, name in (("model", record.model), ("dataset", record.dataset)):
        if ".." in (path := Path(name)).parts or path.is_absolute():
            yield f"{title} is {strict.short(name)}, expected a name that stays in its folder"
    if not record.scores:
        yield "scores is empty, expected at least one"
    for field in SCORES:
        for i, score in enumerate(getattr(record, field)):
            if score.value is None:
                continue
            low, high = bounds(score.metric)
            for part in ("value", "low", "high"):
                x = getattr(score, part)
                if x is not None and not within(low, x, high):
                    wanted = f"{low:g} to {high:g}, the range of {score.metric}"
                    yield f"{field}[{i}].{part} is {x}, expected {wanted}"
            if score.low is not None and not within(score.low, score.value, score.high):
                interval = f"within its interval, {score.low} to {score.high}"
                yield f"{field}[{i}].value is {score.value}, expected {interval}"


def find(results: Path) -> dict[Path, Record]:
    """File -> record of all records in a results folder.

    They are sorted by data set, model, protocol, data and seed.

    Raises:
        FileNotFoundError: The folder is missing, or holds no record.
        ValueError: A record is damaged, or lies in the folder of another model or data set.
    """
    if not results.is_dir():
        raise FileNotFoundError(f"there is no folder {results}, expected one with records")
    with uncollected():
        found = {path: read(path) for path in records(results)}
    for path, record in found.items():
        home, lies = Place.of(record).home, path.parent
        for others, here, there in (
            (names("datasets"), lies.parent.name, record.dataset),
            (names("models"), lies.name, home.name),
        ):
            if here != there and here in others:
                wrong = f"{path} is a record of {plain(there)}"
                raise ValueError(f"{wrong}, expected in {strict.shown(results / home)}: move it")
    if not found:
        raise FileNotFoundError(f"{results} holds no record <dataset>/<model>/*.json")
    return dict(sorted(found.items(), key=lambda item: order(item[1])))


@contextmanager
def uncollected() -> Iterator[None]:
    """Keeps the collector of cycles, which records have none of, from walking all that is read."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def order(record: Record) -> tuple[str, str, str, str, int]:
    """By what records are sorted."""
    return record.dataset, record.model, record.protocol_hash, record.data, record.seed


def frame(records: Iterable[Record]) -> DataFrame:
    """One row for each score, beside what identifies its run.

    Returns:
        Columns dataset, model, seed, protocol_hash, data, commit, device, parameters,
        evaluations, seconds (of all stages), stale (in what its numbers are older than what is
        installed; "" for a current one), then those of `frame_of`.
    """
    columns = "dataset model seed protocol_hash data commit device parameters evaluations".split()
    found: list[Score] = []
    runs: list[dict[str, object]] = []
    for r in records:
        run = {c: getattr(r, c) for c in columns} | {"seconds": sum(r.seconds.values())}
        found += r.scores
        runs += [run | {"stale": stale(r) or older_metric(r, s.metric)} for s in r.scores]
    scores = frame_of(found)
    for place, name in enumerate([*columns, "seconds", "stale"]):
        scores.insert(place, name, [run[name] for run in runs])
    return scores


def frame_of(scores: Iterable[Score]) -> DataFrame:
    """One row for each score.

    Returns:
        The fields of `Score` as columns, with `given` joined by commas (empty for joint
        generation) and NaN for a number that is missing.
    """
    import pandas as pd  # half a second, and most commands do without

    rows = [asdict(s) | {"given": ",".join(s.given)} for s in scores]
    names = [f.name for f in fields(Score)]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(("value", "low", "high"), float))
