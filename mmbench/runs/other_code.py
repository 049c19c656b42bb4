"""Weights that other code of a model has trained than it has now: nothing of it is silent.

After an edit of its code a model would train anew, in a row of its own. A run therefore refuses
where there are weights that differ in the code alone, until the user says which it shall be.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmbench.protocols.protocol import CODE, Table, digest
from mmbench.records.paths import Place
from mmbench.training.weights import metadata_of

if TYPE_CHECKING:
    from mmbench.runs.run import Run

OTHERWISE = "otherwise"
"""Key, in the metadata of weights, of what they depend on beside the code."""


def metadata(place: Place) -> dict[str, str]:
    """What a file of weights says of the code that trained it; nothing for mmbench's own."""
    code = place.protocol.get(CODE)
    return {CODE: json.dumps(code), OTHERWISE: place.uncoded} if code else {}


def expect_one(keep_weights: bool, retrain: bool) -> None:
    """Refuses both answers at once to what shall become of weights that other code trained.

    Raises:
        ValueError: Both are given.
    """
    if keep_weights and retrain:
        raise ValueError("--keep-weights and --retrain exclude each other: leave out one")


def keeping(run: Run) -> Run:
    """The run that draws from weights that other code trained, where there are only such."""
    others = _others(run)
    if not others:
        return run
    path, code = next(iter(others.items()))
    run.progress.say(f"{path}, trained by other code of {run.model}, is drawn from")
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
            f"({then} then, {now} now): --keep-weights draws from these weights by the code as it "
            "is, --retrain trains anew"
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
