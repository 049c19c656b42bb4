"""The runs of a sweep as processes of this machine."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mmbench.api.device import cores
from mmbench.protocols.protocol import digest
from mmbench.sweeps.plan import Planned

LOGS = ".sweep"
"""The folder in a results folder where what the runs print is kept."""

PAUSE = 0.2  # seconds between looks at the processes
GRACE = 20.0  # seconds that an interrupted run has to end
TAIL = 4096  # bytes of a log that hold its last line
LONGEST = 80  # characters of a run's title in the name of its log
DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux' prctl


@dataclass
class Worker:
    """A run in progress.

    Attributes:
        planned: The run.
        process: Its process.
        log: What it prints.
        begun: When it was started, by `time.monotonic`.
    """

    planned: Planned
    process: subprocess.Popen[bytes]
    log: Path
    begun: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self.begun

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
        fault: The last line that it printed, or the signal that ended it, if it failed; "" if it
            is recorded.
        log: What it printed.
    """

    planned: Planned
    seconds: float
    fault: str
    log: Path


def execute(
    planned: Sequence[Planned],
    out: Path,
    workers: int,
    devices: Sequence[str] = (),
    watch: Callable[[list[Worker]], None] = lambda _: None,
    start: Sequence[str] = (sys.executable, "-P", "-m", "mmbench"),
) -> Iterator[Outcome]:
    """Makes runs, several at a time; one that fails stops no other.

    Each process has an equal share of the processor's threads. On an interrupt the processes are
    interrupted, too: each keeps its checkpoints, and the same command goes on.

    Args:
        planned: The runs, in the order in which they are started.
        out: The results folder, where the logs are kept.
        workers: How many run at the same time.
        devices: What CUDA_VISIBLE_DEVICES is for each of the workers; none on processors.
        watch: Called with the runs in progress a few times a second.
        start: The command before a run's arguments; by default one that finds the same modules as
            `mmbench`, none of the current folder in the place of a package.

    Yields:
        What became of each run, as it ends.

    Raises:
        OSError: The logs cannot be written.
    """
    left, running = list(planned), dict[int, Worker]()
    threads = str(max(1, cores() // workers))
    (out / LOGS).mkdir(parents=True, exist_ok=True)
    with _interrupting(running):
        while left or running:
            for slot in range(workers):
                if left and slot not in running:
                    more = {"OMP_NUM_THREADS": threads}
                    if devices:
                        more["CUDA_VISIBLE_DEVICES"] = devices[slot % len(devices)]
                    running[slot] = _started(left.pop(0), out, more, start)
            watch(list(running.values()))
            time.sleep(PAUSE)
            for slot, worker in list(running.items()):
                if (code := worker.process.poll()) is not None:
                    del running[slot]
                    yield Outcome(worker.planned, worker.seconds, _fault(worker, code), worker.log)


def gpus(count: int) -> list[str]:
    """What CUDA_VISIBLE_DEVICES is for a process on each of so many GPUs that this one sees."""
    own = os.environ.get("CUDA_VISIBLE_DEVICES")
    return own.split(",")[:count] if own else [str(i) for i in range(count)]


def at_once(workers: int | None, per_gpu: int | None, gpus: int) -> int:
    """How many runs are made at the same time: one, or one on each GPU, unless the user says it.

    Raises:
        ValueError: The user says it twice, or for GPUs where there are none.
    """
    if workers is not None and per_gpu is not None:
        raise ValueError("--workers and --per-gpu exclude each other: leave out one")
    if per_gpu is not None and not gpus:
        raise ValueError(
            f"--per-gpu {per_gpu} needs a GPU to choose, expected --workers {per_gpu}"
        )
    return workers or gpus * (per_gpu or 1) or 1


def last_line(log: Path) -> str:
    """The last line of what a run has printed; "" if there is none."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
            lines = file.read().decode(errors="replace").replace("\r", "\n").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _fault(worker: Worker, code: int) -> str:
    """Why a run failed that ended with a code; "" if it did not."""
    if code < 0:  # its last line is one of progress
        return f"it was ended by a signal ({signal.strsignal(-code)})"
    return "" if code == 0 else worker.line or f"it ended with code {code}"


def _started(planned: Planned, out: Path, more: dict[str, str], start: Sequence[str]) -> Worker:
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", planned.title)[-LONGEST:].lstrip("-.")
    log = out / LOGS / f"{words}-{digest(planned.arguments, 8)}.log"
    with open(log, "wb") as file:
        process = subprocess.Popen(
            [*start, *planned.arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **more},
            start_new_session=True,
            preexec_fn=None if sys.platform == "win32" else _prepared,
        )
    return Worker(planned, process, log)


def _prepared() -> None:
    """In the child: it can be interrupted, also where the sweep runs in the background.

    On Linux it is terminated when the sweep is killed, instead of holding its lock.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGTERM)


@contextmanager
def _interrupting(running: dict[int, Worker]) -> Iterator[None]:
    """Interrupts what still runs when the block ends early, and kills what does not end."""
    try:
        yield
    finally:
        for worker in running.values():
            worker.process.send_signal(signal.SIGINT)
        for worker in running.values():
            try:
                worker.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
