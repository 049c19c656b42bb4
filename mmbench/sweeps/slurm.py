"""The runs of a sweep as jobs of SLURM, which submitit submits.

Beside the log of a run lies a note of its job, {"job": "12_3"}, to which the job adds "fault" when
it ends: "" if the run is recorded. How far other jobs are is asked of SLURM.
"""

import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any, NoReturn

from mmbench.errors import first_line
from mmbench.extras import optional
from mmbench.files.atomic import write_text
from mmbench.files.locks import alone
from mmbench.protocols.protocol import digest
from mmbench.sweeps.host import LOGS, Job, Outcome, Watch, complete, log_of
from mmbench.sweeps.planned import Planned, makers

PROGRAMS = ("sbatch", "scontrol", "squeue", "srun")
PAUSE = 5.0  # seconds between questions to SLURM
WARNING = 30  # seconds, and up to 60 more, before the end of its time that a job is signalled
SHORTEST = 5  # minutes of a job: a shorter one might never reach its first checkpoint
TIMEOUTS = 100  # times that a job that reaches its end is queued again
LARGEST = 1000  # jobs of an array; SLURM's own limit is 1001 unless the cluster has another
KILLED = 120.0  # seconds in which a job that was terminated is killed or queued again

WAITS = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"}
RUNS = {"RUNNING", "COMPLETING", "COMPLETED", "SIGNALING", "STAGE_OUT", "SUSPENDED", "STOPPED"}
"""A job that is completed has left a note, which a shared file system may show later."""


@dataclass(frozen=True)
class Slurm:
    """Jobs of SLURM, one a run: an array of those that are missing and not in the queue.

    A job that is pre-empted or reaches the end of its time is queued again, and goes on.

    Attributes:
        out: The results folder, which all nodes see.
        limit: The number of jobs at the same time; None for no limit of ours.
        partition, account: SLURM's; None for its defaults.
        minutes: The time of a job, after which it is queued again; 5 at the least.
        gpus, cpus: Of a job.
        memory: Of a job, in GB; None for SLURM's default.
        wait: Whether to wait for the end of all runs.
    """

    out: Path
    limit: int | None = None
    partition: str | None = None
    account: str | None = None
    minutes: int = 240
    gpus: int = 0
    cpus: int = 1
    memory: int | None = None
    wait: bool = False

    def __post_init__(self) -> None:
        optional("submitit", "--on slurm", "submitit", "slurm")
        if self.minutes < SHORTEST:
            expected = f"expected at least {SHORTEST}, so that every job reaches a checkpoint"
            raise ValueError(f"--time is {self.minutes} minutes, {expected}")
        for program in PROGRAMS:
            if shutil.which(program) is None:
                expected = "expected a host that submits jobs to a SLURM cluster"
                raise FileNotFoundError(f"--on slurm needs {program}, not found: {expected}")

    @property
    def name(self) -> str:
        """What all jobs of this results folder are called."""
        return f"mmbench-{digest(str(self.out.resolve()), 8)}"

    def states(self, planned: Sequence[Planned]) -> list[Planned]:
        """The runs, with what SLURM and the notes say of their jobs.

        Raises:
            ValueError: SLURM does not answer.
        """
        queue = self._queue()
        return [self._seen(p, queue) for p in planned]

    def execute(self, planned: Sequence[Planned], watch: Watch) -> Iterator[Outcome]:
        """Submits the runs that are wanted, and waits for all if it is to.

        Raises:
            ValueError: SLURM does not answer, or takes no such job.
            OSError: The results folder cannot be written to.
        """
        with alone(self.out / LOGS / "slurm.lock"):
            planned = self.states(planned)  # another sweep may have submitted some
            self._submit(planned)
        left = [replace(p, state="queued", why="") if p.wanted else p for p in planned]
        left = [p for p in left if p.coming]
        jobs = {p.title: self._job(p) for p in left}
        while left:
            watch([jobs[p.title] for p in left])
            if not self.wait:
                return
            time.sleep(PAUSE)
            for p in (now := self.states(left)):
                job = jobs[p.title]
                if p.coming:
                    job.seen(p.state)
                else:
                    yield Outcome(p, job.seconds, "" if p.state == "done" else p.why, job.log)
            left = [p for p in now if p.coming]

    def _job(self, planned: Planned) -> Job:
        log = log_of(planned, self.out)
        return Job(planned, log, planned.state, noted(note_of(log)).get("job", ""))

    def _submit(self, planned: Sequence[Planned]) -> None:
        """Submits what several runs share, then the runs, which wait for it."""
        wanted, shared = [p for p in planned if p.wanted], makers(planned)
        if not wanted:
            return
        before = self._array([self._made(p, "--only-shared") for p in shared], {})
        after = {id.partition("_")[0] for id in before}
        dependency = {"dependency": f"afterany:{':'.join(sorted(after))}"} if after else {}
        for i in range(0, len(wanted), LARGEST):
            part = wanted[i : i + LARGEST]
            submitted = self._array(list(map(self._made, part)), dependency)
            for p, job in zip(part, submitted, strict=True):
                path = note_of(log_of(p, self.out))
                if noted(path).get("job") != job:  # it may have begun
                    note(path, job)

    def _made(self, planned: Planned, *more: str) -> "Made":
        log = log_of(planned, self.out)
        if more:
            log = log.with_stem(f"{log.stem}-shared")
        return Made([*planned.arguments, *more], log, self.cpus)

    def _array(self, jobs: Sequence["Made"], more: Mapping[str, str]) -> list[str]:
        """Submits jobs as an array; their ids."""
        import submitit

        folder = self.out / LOGS / "slurm"
        python = f"{shlex.quote(sys.executable)} -P"
        executor = submitit.SlurmExecutor(folder, max_num_timeout=TIMEOUTS, python=python)
        optional_ = {
            "array_parallelism": self.limit,
            "partition": self.partition,
            "account": self.account,
            "gpus_per_node": self.gpus or None,
            "mem": None if self.memory is None else f"{self.memory}GB",
        }
        executor.update_parameters(
            job_name=self.name,
            time=self.minutes,
            cpus_per_task=self.cpus,
            signal_delay_s=WARNING,
            stderr_to_stdout=True,
            wckey=None,
            srun_args=[f"--cpus-per-task={self.cpus}"],  # which srun does not take from sbatch
            additional_parameters={"requeue": True},
            **{name: value for name, value in optional_.items() if value is not None},
            **more,
        )
        try:
            with redirect_stderr(StringIO()):
                return [job.job_id for job in executor.submit_array(jobs)] if jobs else []
        except (
            submitit.core.utils.FailedJobError,
            submitit.core.utils.FailedSubmissionError,
        ) as e:
            raise ValueError(f"SLURM refuses the jobs: {first_line(e)}") from None

    def _queue(self) -> dict[str, tuple[str, bool]]:
        """Job -> SLURM's word for its state, and whether it is not in its first run."""
        fields = "JobArrayID:64,State:32,RestartCnt:16"
        asked = ["squeue", "--noheader", "--array", "--states=all", f"--name={self.name}"]
        answer = subprocess.run([*asked, "-O", fields], capture_output=True, text=True)
        if answer.returncode:
            raise ValueError(f"squeue fails: {answer.stderr.strip() or 'without a word'}")
        lines = map(str.split, answer.stdout.splitlines())
        return {job: (word, count != "0") for job, word, count in lines}

    def _seen(self, planned: Planned, queue: Mapping[str, tuple[str, bool]]) -> Planned:
        """A run, with what is known of its job."""
        known = noted(note_of(log_of(planned, self.out)))
        job, fault = known.get("job"), known.get("fault")
        if job is None or not (planned.wanted or planned.coming):
            return planned
        word, again = queue.get(job, ("", False))
        if word in WAITS:
            return replace(planned, state="requeued" if again else "queued", why="")
        if (fault is None and word in RUNS) or word == "RUNNING":
            return replace(planned, state="running", why="")
        if fault == "":  # and the record is gone, if it was not awaited
            return replace(planned, state="done") if planned.coming else planned
        if fault is not None:
            return replace(planned, state="failed", why=fault)
        if not word:
            word = _remembered(job)
        if word.startswith("CANCELLED"):
            return replace(planned, state="cancelled", why=f"job {job} was cancelled")
        printed = self.out / LOGS / "slurm" / f"{job}_0_log.out"
        how = f"ended with {word}" if word else "is no longer in the queue, and left no record"
        return replace(planned, state="failed", why=f"job {job} {how} (see {printed})")


@dataclass
class Made:
    """What a job does: it makes a run, and notes what became of it.

    Attributes:
        arguments: What follows `mmbench` in the run's command.
        log: What the run prints.
        cpus: The processor's cores that it has.
    """

    arguments: list[str]
    log: Path
    cpus: int

    def __call__(self) -> None:
        """Makes the run, or goes on with it."""
        from submitit import JobEnvironment

        job, path = JobEnvironment().job_id, note_of(self.log)
        note(path, job)
        signal.signal(signal.SIGTERM, _terminated)  # submitit's handler ignores it
        threads = {"OMP_NUM_THREADS": str(self.cpus)}
        try:
            fault = complete(
                self.arguments, self.log, threads, deaf=(signal.SIGTERM, signal.SIGUSR2)
            )
        except Terminated:  # what follows is the signal to queue it again, or the end
            time.sleep(KILLED)
            raise
        except Exception as error:
            note(path, job, first_line(error))
            raise
        note(path, job, fault)

    def checkpoint(self) -> Any:
        """What submitit queues again before the job is ended; the run keeps its own state."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


class Terminated(BaseException):
    """SLURM has begun to end the job."""


def _terminated(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


def note_of(log: Path) -> Path:
    """Where the note of a run's job lies, by the run's log."""
    return log.with_name(f"{log.stem}.json")


def note(path: Path, job: str, fault: str | None = None) -> None:
    """Writes the note of a job that has begun, or of one that has ended."""
    write_text(path, json.dumps({"job": job} | ({} if fault is None else {"fault": fault})))


def noted(path: Path) -> dict[str, str]:
    """The note of a run's last job; nothing if there is none."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    known = known if isinstance(known, dict) else {}
    return {k: v for k, v in known.items() if isinstance(v, str)}


def _remembered(job: str) -> str:
    """SLURM's word for the state of a job that has left the queue, where there is accounting."""
    asked = ["sacct", "--noheader", "--allocations", "--parsable2", "-o", "State", "-j", job]
    try:
        return subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""
