"""The runs of a sweep as processes of this machine."""

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmbench.api.device import threads
from mmbench.sweeps.host import START, Job, Outcome, Watch, begin, fault, log_of, stop
from mmbench.sweeps.planned import Planned

PAUSE = 0.2  # seconds between looks at the processes


@dataclass(kw_only=True)
class Worker(Job):
    """A run in progress.

    Attributes:
        process: Its process.
    """

    process: subprocess.Popen[bytes]


@dataclass(frozen=True)
class Local:
    """Processes of this machine.

    Each has an equal share of the processor's threads. On an interrupt they are interrupted, too:
    each keeps its checkpoints, and the same command goes on.

    Attributes:
        out: The results folder.
        workers: How many run at the same time.
        devices: What CUDA_VISIBLE_DEVICES is for each of them; none on processors.
        start: The command before a run's arguments.
    """

    out: Path
    workers: int = 1
    devices: Sequence[str] = ()
    start: Sequence[str] = START

    def states(self, planned: Sequence[Planned]) -> list[Planned]:
        """The runs as they are: there is no queue."""
        return list(planned)

    def execute(self, planned: Sequence[Planned], watch: Watch) -> Iterator[Outcome]:
        """Makes runs, in the order in which they stand, several at a time.

        Raises:
            OSError: The logs cannot be written.
        """
        left, running = [p for p in planned if p.wanted], dict[int, Worker]()
        try:
            while left or running:
                for slot in range(self.workers):
                    if left and slot not in running:
                        running[slot] = self._begun(left.pop(0), slot)
                watch(list(running.values()))
                time.sleep(PAUSE)
                for slot, worker in list(running.items()):
                    if (code := worker.process.poll()) is not None:
                        del running[slot]
                        why = fault(code, worker.log)
                        yield Outcome(worker.planned, worker.seconds, why, worker.log)
        finally:
            stop([worker.process for worker in running.values()])

    def _begun(self, planned: Planned, slot: int) -> Worker:
        more = {"OMP_NUM_THREADS": str(threads(self.workers))}
        if self.devices:
            more["CUDA_VISIBLE_DEVICES"] = self.devices[slot % len(self.devices)]
        log = log_of(planned, self.out)
        return Worker(planned, log, process=begin(planned.arguments, log, more, self.start))


def gpus_here(count: int) -> list[str]:
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
