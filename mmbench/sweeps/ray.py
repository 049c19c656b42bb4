"""The runs of a sweep as tasks of Ray.

A node that sees the results folder writes there. Any other keeps what it makes in its cache, and
returns each finished run.
"""

import os
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mmbench.api.places import SWEEPS, cache_folder
from mmbench.errors import first_line
from mmbench.extras import optional
from mmbench.files.atomic import replacing, write_text
from mmbench.progress import Progress
from mmbench.protocols.protocol import digest
from mmbench.records.paths import Place
from mmbench.records.store import read
from mmbench.sweeps.collection import collect
from mmbench.sweeps.host import GRACE, LOGS, Job, Outcome, Watch, complete, log_of
from mmbench.sweeps.planned import Planned, makers

PAUSE = 0.5  # seconds between looks at the tasks
RETRIES = 5  # of a task whose node is lost
SECONDS = 10.0  # in which a cluster answers
OURS = "MMBENCH_"
"""Begins the names of variables that name files, for nodes that see the files of this host."""

QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Has Ray listen on 127.0.0.1 alone, on every system; what `ray.init` is given does not."""

Made = tuple[str, dict[str, bytes]]
"""Why a run failed, or ""; and what lies where below a results folder that only a node sees."""


@dataclass(frozen=True)
class Ray:
    """Tasks of Ray, one a run; if a node is lost, others do its tasks.

    Attributes:
        out: The results folder.
        address: The cluster's, "HOST:PORT" or "auto"; None for a Ray of this machine alone.
        gpus: Of a task; may be a fraction.
        cpus: Of a task.
        memory: Of a task, in GB; None to reserve none.
    """

    out: Path
    address: str | None = None
    gpus: float = 0
    cpus: int = 1
    memory: int | None = None

    def __post_init__(self) -> None:
        os.environ |= QUIET if self.address else {**QUIET, **LOOPBACK}  # read at Ray's import
        optional("ray", "--on ray", "ray", "ray")
        if self.address not in (None, "auto"):
            _expect_answer(self.address)

    def states(self, planned: Sequence[Planned]) -> list[Planned]:
        """The runs as they are: tasks end with their sweep."""
        return list(planned)

    def execute(self, planned: Sequence[Planned], watch: Watch) -> Iterator[Outcome]:
        """Makes runs; what several of them share is made before the others begin.

        Raises:
            ValueError: There is no such cluster, or it takes no such tasks.
            OSError: The results folder cannot be written to.
        """
        import ray

        token = self.out.absolute() / LOGS / "ray" / uuid.uuid4().hex
        write_text(token, "")
        try:
            with self._connected():
                jobs, shared = self._submitted(planned, token)
                try:
                    while jobs:
                        watch(list(jobs.values()))
                        ended, _ = ray.wait(list(jobs), timeout=PAUSE)
                        for job in jobs.values():
                            job.seen("running" if job.log.exists() else "queued")
                        for ref in ended:
                            job = jobs.pop(ref)
                            yield Outcome(job.planned, job.seconds, self._fault(ref), job.log)
                finally:
                    if left := [*shared, *jobs]:
                        for ref in left:
                            ray.cancel(ref)
                        ray.wait(left, num_returns=len(left), timeout=GRACE)
        finally:
            token.unlink(missing_ok=True)

    def _submitted(
        self, planned: Sequence[Planned], token: Path
    ) -> tuple[dict[Any, Job], list[Any]]:
        """Submits the runs, and before them what several share; task -> its run, other tasks."""
        import ray

        task = ray.remote(_made).options(
            num_cpus=self.cpus,
            num_gpus=self.gpus,
            memory=None if self.memory is None else self.memory * 2**30,
            max_retries=RETRIES,
            scheduling_strategy="SPREAD",
        )
        home, jobs = Path.cwd(), dict[Any, Job]()
        ours = {k: v for k, v in os.environ.items() if k.startswith(OURS)}
        shared = []
        for p in makers(planned):
            asked, name = [*p.arguments, "--only-shared"], f"{log_of(p, self.out).stem}-shared.log"
            shared.append(task.remote(asked, None, name, token, home, self.cpus, ours))
        for p in planned:
            if p.wanted:
                log = log_of(p, self.out)
                log.unlink(missing_ok=True)  # so that its state is seen
                asked = p.arguments
                ref = task.remote(asked, p.record, log.name, token, home, self.cpus, ours, *shared)
                jobs[ref] = Job(p, log, "queued")
        return jobs, shared

    def _fault(self, ref: Any) -> str:
        """Keeps what a task returned; why its run failed, or ""."""
        import ray

        try:
            fault, files = ray.get(ref)
            with TemporaryDirectory() as folder:
                for name, content in files.items():
                    logged = Path(name).parts[0] == LOGS
                    with replacing((self.out if logged else Path(folder)) / name) as part:
                        part.write_bytes(content)
                if files and not fault:
                    collect([Path(folder)], self.out, Progress(None))
        except (ray.exceptions.RayError, OSError, ValueError) as error:
            return first_line(getattr(error, "cause", None) or error)
        return str(fault)

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """Connects to the cluster, or starts a Ray that listens on this machine alone."""
        import ray

        try:
            ray.init(
                self.address or "local",
                include_dashboard=False,
                log_to_driver=False,
                logging_level="ERROR",
            )
        except (RuntimeError, ConnectionError) as error:
            raise ValueError(f"Ray cannot be used: {first_line(error)}") from None
        try:
            if self.address is None:
                self._expect_room(ray.cluster_resources())
            yield
        finally:
            ray.shutdown()

    def _expect_room(self, there: Mapping[str, float]) -> None:
        """Refuses runs that this machine can never make."""
        there = {**there, "GB of memory": there.get("memory", 0) // 2**30}
        asked = {"CPU": self.cpus, "GPU": self.gpus, "GB of memory": self.memory or 0}
        for what, much in asked.items():
            if much > (most := there.get(what, 0)):
                raise ValueError(f"each run asks for {much:g} {what}, but Ray has {most:g} here")


def _made(
    arguments: Sequence[str],
    record: Path | None,
    log: str,
    token: Path,
    home: Path,
    cpus: int,
    ours: Mapping[str, str],
    *_: object,
) -> Made:
    """What a task does: it makes a run, or goes on with it.

    Args:
        arguments: What follows `mmbench` in the run's command.
        record: Where the record lies in the results folder; None if there will be none.
        log: What the file is called for what the run prints.
        token: A file in the results folder, which only nodes have that see the folder.
        home: The folder that paths are relative to, on such nodes.
        cpus: The processor's cores that the task has.
        ours: Variables for such nodes.
        _: Returned by tasks before this one.
    """
    out, threads = token.parents[2], {"OMP_NUM_THREADS": str(cpus)}
    if token.exists():
        with chdir(home) if home.is_dir() else nullcontext():
            return complete(arguments, out / LOGS / log, {**threads, **ours}), {}
    folder = cache_folder() / SWEEPS / digest(str(out))
    here = list(arguments)
    here[here.index("--out") + 1] = str(folder)
    fault = complete(here, folder / LOGS / log, threads)
    names = [Path(LOGS, log)]
    if record is not None and not fault:
        try:
            names += [record, *Place.of(read(folder / record)).beside(folder)]
        except FileNotFoundError:
            fault = f"{socket.gethostname()} has another version of mmbench than this host"
    return fault, {str(name): (folder / name).read_bytes() for name in names}


def _expect_answer(address: str) -> None:
    """Refuses an address at which nothing listens.

    Raises:
        ValueError: Nothing does, or it is no address.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        raise ValueError(f"--address {address} is no address of Ray, expected HOST:PORT or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS).close()
    except (OSError, OverflowError) as error:
        expected = "expected the address that 'ray start --head' printed"
        raise ValueError(f"nothing answers at --address {address} ({error}), {expected}") from None
