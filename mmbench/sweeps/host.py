"""Where the runs of a sweep are made, each as a process of its own: what all places share."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from mmbench.files.locks import Busy
from mmbench.protocols.protocol import digest
from mmbench.sweeps.planned import Planned, State

LOGS = ".sweep"
"""The folder in a results folder where what the runs print is kept."""

START = (sys.executable, "-P", "-m", "mmbench")
"""The command before a run's arguments: it finds the same modules as this process does, and none
of the current folder in the place of a package."""

GRACE = 20.0  # seconds that an interrupted run has to end
LOOK = 0.2  # seconds between looks at a run: Ray's interrupts end no call that blocks
PAUSE = 5.0  # seconds before a run is tried again that another process is making
PATIENCE = 300.0  # seconds after which it is not
DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux' prctl
TAIL = 4096  # bytes of a log that hold its last line
LONGEST = 80  # characters of a run's title in the name of its log


@dataclass
class Job:
    """A run that is being made.

    Attributes:
        planned: The run.
        log: What it prints.
        state: "queued", "running" or "requeued".
        name: What the place calls it, if anything.
        begun: When it was first seen in this state, by `time.monotonic`.
    """

    planned: Planned
    log: Path
    state: State = "running"
    name: str = ""
    begun: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long it has been in this state."""
        return time.monotonic() - self.begun

    def seen(self, state: State) -> None:
        """Notes the state that it is in now."""
        if state != self.state:
            self.state, self.begun = state, time.monotonic()

    @property
    def line(self) -> str:
        """The last line that it printed."""
        return last_line(self.log)


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Attributes:
        planned: The run.
        seconds: How long it took.
        fault: The last line that it printed, or what ended it, if it failed; "" if it is recorded.
        log: What it printed.
    """

    planned: Planned
    seconds: float
    fault: str
    log: Path


Watch = Callable[[list[Job]], None]
"""Called with the runs that are being made, a few times a second or a minute."""


class Host(Protocol):
    """A place where runs are made."""

    def states(self, planned: Sequence[Planned]) -> list[Planned]:
        """The runs of a sweep, with what this place knows of how far they are."""

    def execute(self, planned: Sequence[Planned], watch: Watch) -> Iterator[Outcome]:
        """Makes the runs of a sweep that are wanted; one that fails stops no other.

        Yields:
            What became of each run, as it ends.
        """


def log_of(planned: Planned, out: Path) -> Path:
    """Where what a run prints is kept, below the results folder."""
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", planned.title)[-LONGEST:].lstrip("-.")
    return out / LOGS / f"{words}-{digest(planned.arguments, 8)}.log"


def last_line(log: Path) -> str:
    """The last line of what a run has printed; "" if there is none."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
            lines = file.read().decode(errors="replace").replace("\r", "\n").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def begin(
    arguments: Sequence[str],
    log: Path,
    more: dict[str, str],
    start: Sequence[str] = START,
    deaf: Collection[signal.Signals] = (),
) -> subprocess.Popen[bytes]:
    """Starts a run.

    Args:
        arguments: What follows `mmbench` in its command.
        log: The file for what it prints.
        more: What its environment holds beside this one.
        start: The command before the arguments.
        deaf: Signals that it ignores.

    Raises:
        OSError: The log cannot be written.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as file:
        return subprocess.Popen(
            [*start, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **more},
            start_new_session=True,
            preexec_fn=None if sys.platform == "win32" else partial(_prepare, deaf),
        )


def complete(
    arguments: Sequence[str],
    log: Path,
    more: dict[str, str],
    start: Sequence[str] = START,
    deaf: Collection[signal.Signals] = (),
) -> str:
    """Makes a run and waits for its end; the arguments are those of `begin`.

    While another process is making the same run, such as one on a host that is believed to be
    lost, it waits for some minutes. When this process is interrupted, so is the run.

    Returns:
        Why it failed; "" if it did not.

    Raises:
        OSError: The log cannot be written.
    """
    end = time.monotonic() + PATIENCE
    while True:
        process = begin(arguments, log, more, start, deaf)
        try:
            while (code := process.poll()) is None:
                time.sleep(LOOK)
        except BaseException:
            stop([process])
            raise
        if code != Busy.exit_code or time.monotonic() > end:
            return fault(code, log)
        time.sleep(PAUSE)


def stop(processes: Collection[subprocess.Popen[bytes]]) -> None:
    """Interrupts runs, which keep their checkpoints, and kills what does not end."""
    for process in processes:
        process.send_signal(signal.SIGINT)
    for process in processes:
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def fault(code: int, log: Path) -> str:
    """Why a run failed that ended with a code; "" if it did not."""
    if code < 0:  # its last line is one of progress
        return f"it was ended by a signal ({signal.strsignal(-code)})"
    return "" if code == 0 else last_line(log) or f"it ended with code {code}"


def _prepare(deaf: Collection[signal.Signals]) -> None:
    """In the child: it can be interrupted, also where the sweep runs in the background.

    On Linux it is terminated when the sweep is killed, instead of holding its lock.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # which Ray blocks
    for number in deaf:
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGTERM)
