"""What a run makes, passed on to a tracker that can neither stop it nor slow it down.

The tracker is imported and called in a process of its own. The run puts what it makes in a queue
of bounded length and goes on. What does not fit, or what the tracker fails to log, is counted.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from functools import cached_property
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from mmbench.core.score import NOTHING
from mmbench.extras import command
from mmbench.progress import Progress
from mmbench.records.differences import values
from mmbench.text import plain
from mmbench.tracking import TRACKERS

if TYPE_CHECKING:
    from mmbench.records.record import Record
    from mmbench.runs.run import Run
    from mmbench.training.history import Point

FOLDER = ".tracking"
"""The folder in a results folder where trackers keep what they do not send elsewhere."""

MOST = 10_000  # entries that wait for the tracker
GRACE = 30.0  # seconds that a tracker has at the end of a run


class Tracker(Protocol):
    """What shows a run; it is made and called in a process of its own.

    Args:
        where: What identifies the run, "dataset/model/seed-key"; a resumed run goes on there.
        title: The run in words.
        config: Its settings.
        folder: Where to keep files that are sent nowhere else.
    """

    def __init__(self, where: str, title: str, config: dict[str, Any], folder: str) -> None: ...

    def point(self, stage: str, step: int, loss: float, rate: float, seconds: float) -> None:
        """Shows a point of the history of training, as `mmbench.training.history.Point`."""

    def scores(self, values: dict[str, float]) -> None:
        """Shows what the samples score: "metric/target given modalities" -> value."""

    def picture(self, path: str) -> None:
        """Shows the grid of samples, a PNG."""

    def close(self, done: bool) -> None:
        """Ends the run, which is done or else was interrupted."""


def expect_installed(tracker: str) -> None:
    """Refuses a tracker whose package is missing.

    Raises:
        ImportError: It is; the message names the extra.
    """
    for package in (tracker, f"{tracker}-skinny"):
        with suppress(PackageNotFoundError):
            distribution(package)
            return
    install = f"install it with: {command(tracker)}"
    raise ImportError(f"--track {tracker} needs {tracker}, which is not installed; {install}")


def execute(run: Run, tracker: str | None = None, rescore: bool = False) -> Record:
    """Makes a run as `Run.execute`, tracked if it is not recorded already."""
    path = run.out / run.place.record
    if tracker is None or (path.exists() and not rescore):
        return run.execute(rescore)
    where = run.place.record.with_suffix("")
    title = f"{run.dataset.name} {run.model} {run.seed}"
    config = {"dataset": run.dataset.name, "model": run.model, "seed": run.seed}
    config |= values(run.settings)
    opening = str(where), title, config, str((run.out / FOLDER).absolute())
    try:
        tracking = Tracking(tracker, run.progress, *opening)
    except (OSError, RuntimeError) as error:  # no process or no thread is to be had
        run.progress.say(f"{tracker} cannot be started: {error}")
        return run.execute(rescore)
    with tracking:
        record = run.execute(rescore, tracking.point)
        tracking.record(record, run.out / run.place.picture)
    return record


class Tracking:
    """Passes on what a run makes, from the beginning to the end of a `with` block.

    Args:
        tracker: A key of `TRACKERS`, or "module:class" of a `Tracker`.
        progress: Where to report, in one line, what was lost.
        opening: The arguments of the tracker's class.
    """

    def __init__(self, tracker: str, progress: Progress, *opening: Any) -> None:
        self.tracker, self.progress = tracker, progress
        self._entered, self._ended = 0, False
        self._waiting: SimpleQueue[Any] = SimpleQueue()
        command = [sys.executable, "-P", "-m", "mmbench.tracking", TRACKERS.get(tracker, tracker)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt concerns the run
        )
        self._waiting.put(opening)
        threading.Thread(target=self._feed, daemon=True).start()

    def __enter__(self) -> Tracking:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._waiting.put(["done"])
        self._waiting.put(None)
        if kind is None:  # who interrupts a run does not wait: the tracker ends by itself
            self._wait()

    def point(self, stage: str, point: Point) -> None:
        """Passes on a point of the history of training."""
        self._enter("point", stage, *point)

    def record(self, record: Record, picture: Path) -> None:
        """Passes on the scores of a run, and the grid of its samples."""
        given = {s: " and ".join(s.given) or NOTHING for s in record.scores}
        values = {f"{s.metric}/{s.target} given {given[s]}": s.value for s in record.scores}
        self._enter("scores", {name: x for name, x in values.items() if x is not None})
        self._enter("picture", str(picture.absolute()))

    def _enter(self, *entry: Any) -> None:
        self._entered += 1
        if self._waiting.qsize() < MOST:
            self._waiting.put(entry)
        if not self._ended and self._process.poll() is not None:
            self._ended = True
            self.progress.say(f"{self.tracker} has ended, the run goes on: {self._why()}")

    def _feed(self) -> None:
        """Writes what waits to the process, however long it takes to read."""
        with suppress(OSError), self._process.stdin as file:  # type: ignore[union-attr]
            for entry in iter(self._waiting.get, None):
                file.write(json.dumps(entry).encode() + b"\n")
                file.flush()

    def _wait(self) -> None:
        """Waits for the process, but not for long, and says how much it did not log."""
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        lost = self._entered - self._answers.count("")
        if lost or any(self._answers):
            counted = f"{lost:,} of {self._entered:,} entries of this run"
            self.progress.say(f"{self.tracker} did not log {counted}: {self._why()}")

    @cached_property
    def _answers(self) -> list[str]:
        """What the process, which has ended, answered to each entry: why it was not logged."""
        assert self._process.stdout is not None  # for the type checker
        with self._process.stdout as file:
            os.set_blocking(file.fileno(), False)  # its children may hold it open
            return (file.read() or b"").decode(errors="replace").splitlines()

    def _why(self) -> str:
        """Why the process, which has ended, did not log everything."""
        faults = [plain(answer) for answer in self._answers if answer]
        late = self._process.returncode == -signal.SIGKILL
        ended = "it took too long" if late else f"it ended with code {self._process.returncode}"
        return faults[0] if faults else ended
