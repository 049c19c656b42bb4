"""Runs that are killed at random moments, or else before each of their file operations in turn."""

import io
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from tests.kills.home import command, content, differences
from tests.kills.processes import ended, started

MODELS = ("mld", "mvae", "mopoe", "nexus", "sbm-vae")
CHANGING = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate"}
"""What file operations are called in Python's audit events, beside opening for writing."""


def dies_at(operation: int, home: Path) -> None:
    """Has this process killed before a file operation below `home`, counted from 0."""
    count, prefix = 0, f"{home}{os.sep}"

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        writing = event == "open" and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if (writing or event in CHANGING) and str(arguments[0]).startswith(prefix):
            if count == operation:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1

    sys.addaudithook(watch)


def kill_runs(
    folder: Path, home: Path, models: tuple[str, ...], rng: Random, count: int
) -> Iterator[tuple[int, str]]:
    """Kills runs at random moments: the kills so far, and what was wrong with the last result."""
    kills = 0
    for i, model in enumerate(models):
        run, wanted, usual = _alone(folder, home, model)
        while kills < count * (i + 1) // len(models):
            shutil.rmtree(home, ignore_errors=True)
            where, done = [], False
            while not done:
                process = started(run)
                if len(where) < 4:
                    moment = rng.uniform(0, usual)
                    time.sleep(moment)
                    os.kill(process, signal.SIGKILL)
                    where.append(f"{moment:.2f} s")
                done = ended(process)
                kills += not done
            found = differences(wanted, content(home))
            yield kills, f"{model}, killed at {', '.join(where)}: {found}" if found else ""
        print(f"{model}: {usual:.1f} s a run, {kills} kills so far", flush=True)


def kill_operations(
    folder: Path, home: Path, models: tuple[str, ...], every: int
) -> Iterator[tuple[int, str]]:
    """As `kill_runs`, before one in so many file operations."""
    kills = 0
    for model in models:
        run, wanted, _ = _alone(folder, home, model)
        operation, killed = 0, True
        while killed:
            shutil.rmtree(home, ignore_errors=True)
            killed = not ended(started(run, partial(dies_at, operation, home)))
            kills += killed
            if killed:
                ended(started(run))
            found = differences(wanted, content(home))
            yield kills, f"{model}, killed at operation {operation}: {found}" if found else ""
            operation += every
        print(f"{model}: {kills} kills so far", flush=True)


def _alone(folder: Path, home: Path, model: str) -> tuple[partial[None], dict[str, Any], float]:
    """A run, what it leaves where nobody kills it, and how many seconds it takes."""
    run = partial(command, folder, (model,), home, "run")
    with redirect_stdout(io.StringIO()):
        run("--dry-run")  # here too: the children then need not import
    shutil.rmtree(home, ignore_errors=True)  # what the model before left
    ended(started(run))
    wanted = content(home)
    shutil.rmtree(home)
    begun = time.monotonic()
    ended(started(run))
    return run, wanted, time.monotonic() - begun
