"""The user's code that weights were trained by: where it lies, and what follows if it changes.

After an edit of its code a model would train anew, in a row of its own. A run therefore refuses
where there are weights that differ in the code alone, until the user says which it shall be.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmbench.errors import argument
from mmbench.protocols.protocol import CODE, METRIC_CODE, Table, digest
from mmbench.records.paths import Place, results_of
from mmbench.records.record import Record
from mmbench.registry import PYTHON, called, in_use, read_file
from mmbench.training.weights import metadata_of

if TYPE_CHECKING:
    from mmbench.runs.run import Run

OTHERWISE = "otherwise"
"""Key, in the metadata of weights, of what they depend on beside the code."""
FILES = "files"
"""Key, in the metadata of weights, of where the user's files of Python lay: file -> path."""


def metadata(place: Place, results: Path) -> dict[str, str]:
    """What weights in a results folder say of the code that trained them; "" for mmbench's own."""
    told = {}
    if code := place.protocol.get(CODE):
        told = {CODE: json.dumps(code), OTHERWISE: place.uncoded}
    files = {
        name: _seen_from(results, path)
        for name in _files(place.protocol)
        if (path := in_use(name))
    }
    return told | ({FILES: json.dumps(files)} if files else {})


def _files(protocol: Table) -> list[str]:
    """The user's files of Python that a run's part of a protocol names."""
    named = [*protocol.get(CODE, {}), *protocol.get(METRIC_CODE, {})]
    return [name for name in named if name.endswith(PYTHON)]


def _seen_from(folder: Path, path: Path) -> str:
    """A path seen from a folder, so that both may move together."""
    with suppress(ValueError):  # on another drive
        return Path(os.path.relpath(path, folder.resolve())).as_posix()
    return str(path)


def read_files(path: Path, record: Record, model: str | None = None) -> None:
    """Runs the user's files of Python that the protocol of a record names.

    Each is looked for where it lay when the weights were trained, then in the folder of `model`,
    then in the current folder.

    Args:
        path: The record's file, in a results folder, with its weights beside it.
        record: The record.
        model: Where its model is now, "DIR/file.py:class", if it has moved.

    Raises:
        ValueError: `model` is another than the record's.
        FileNotFoundError: A file is in none of these places.
        LookupError: A file is not Python, or one of the same name in another folder is in use.
    """
    if model is not None and (name := called(model)) != record.model:
        raise ValueError(f"{path} is a record of the model {record.model}, not of {name}")
    results = results_of(path)
    told = json.loads(metadata_of(results / Place.of(record).weights).get(FILES, "{}"))
    for name in _files(record.protocol):
        if in_use(name):
            continue
        places = [results / told[name]] if name in told else []
        places += [Path(model).with_name(name)] if model else []
        places = [Path(os.path.normpath(place)) for place in (*places, Path(name))]
        there = next((place for place in places if place.is_file()), None)
        if there is None:
            where = " nor ".join(str(place.parent) for place in places[:-1])
            where = f"neither in {where} nor" if where else "not"
            wrong = f"{name}, whose code {path} needs, is {where} in the current folder"
            attribute = record.model.removeprefix(f"{name}:")
            moved = attribute != record.model
            place = argument("model", f"DIR/{name}:{attribute}")
            hint = f"; if it has moved, {place} names its place"
            raise FileNotFoundError(f"{wrong}{hint if moved else ''}")
        read_file(there)


def expect_one(keep_weights: bool, retrain: bool) -> None:
    """Refuses both answers at once to what shall become of weights that other code trained.

    Raises:
        ValueError: Both are given.
    """
    if keep_weights and retrain:
        both = f"{argument('keep_weights', True)} and {argument('retrain', True)}"
        raise ValueError(f"{both} exclude each other: leave out one")


def keeping(run: Run) -> Run:
    """The run that draws from weights that other code trained, where there are only such."""
    others = _others(run)
    if not others:
        return run
    path, code = next(iter(others.items()))
    run.progress.say(f"{path}, trained by other code of {run.model}, is used")
    return replace(run, trained_code=code)


def refuse_to_forget(run: Run) -> None:
    """Refuses to train where only other code has trained, unless the user asked for it.

    Raises:
        ValueError: There are weights that differ from the run's in their code alone.
    """
    for path, code in () if run.retrain else _others(run).items():
        then, now = (digest(of, 8) for of in (code, run.settings[CODE]))
        raise ValueError(
            f"the code of {run.model} or its networks has changed since {path} was trained "
            f"({then} then, {now} now): {argument('keep_weights', True)} uses these weights "
            f"with the current code, {argument('retrain', True)} trains anew"
        )


def _others(run: Run) -> dict[Path, Table]:
    """Weights that differ from a run's in their code alone, and that code, the newest first.

    None where there are the run's own.
    """
    place = run.place
    if CODE not in place.protocol or (run.out / place.weights).exists():
        return {}
    files = (run.out / place.home).glob(f"{run.seed}-*/{place.weights.name}")
    newest = sorted(files, key=lambda file: file.stat().st_mtime, reverse=True)
    told = {file: metadata_of(file) for file in newest}
    return {
        file: json.loads(of[CODE])
        for file, of in told.items()
        if of.get(OTHERWISE) == place.uncoded
    }
