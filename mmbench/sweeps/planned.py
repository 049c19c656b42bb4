"""A run of a sweep: which it is, how far it is, and the command that makes it."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

State = Literal[
    "done",
    "begun",
    "missing",
    "stale",
    "impossible",
    "queued",
    "running",
    "requeued",
    "failed",
    "cancelled",
]
"""How far a run is.

done: recorded. begun: weights or checkpoints are there. stale: there is a record of an older
version's numbers with the same settings, and none of today's. impossible: see `Planned.why`. Of a
cluster's queue are queued, running, requeued (it was interrupted and will go on), failed and
cancelled.
"""


@dataclass(frozen=True)
class Planned:
    """A run of a sweep.

    Attributes:
        model: Registered name, or "module:class".
        dataset: What the user called the data set.
        seed: The run's seed.
        state: How far it is.
        why: Why it is stale, impossible, failed or cancelled.
        seconds: What runs of this model on this data set took, by their records; None if there
            are none.
        options: What `mmbench run` is given besides model, data set and seed.
        shares: What names the first stage of its training, for runs of the same data set and
            seed, where several share it; otherwise "".
        record: Where its record lies in the results folder; None if it is impossible.
    """

    model: str
    dataset: str
    seed: int
    state: State
    why: str = ""
    seconds: float | None = None
    options: tuple[str, ...] = field(default=(), repr=False)
    shares: str = field(default="", repr=False)
    record: Path | None = field(default=None, repr=False)

    @property
    def title(self) -> str:
        """The run in a word or three."""
        return f"{self.dataset} {self.model} {self.seed}"

    @property
    def arguments(self) -> list[str]:
        """What follows `mmbench` in the command that makes this run."""
        which = ["--model", self.model, "--dataset", self.dataset, "--seed", str(self.seed)]
        return ["run", *which, *self.options]

    @property
    def command(self) -> str:
        """The command that makes this run, as a shell takes it."""
        return shlex.join(["mmbench", *self.arguments])

    @property
    def wanted(self) -> bool:
        """Whether a sweep has to make it."""
        return self.state in ("begun", "missing", "stale", "failed", "cancelled")

    @property
    def coming(self) -> bool:
        """Whether a cluster's queue has it."""
        return self.state in ("queued", "running", "requeued")


def makers(planned: Iterable[Planned]) -> list[Planned]:
    """For each thing that several runs need, the run that makes it before the others start.

    For a shared training stage that is the first run that has it. For a data set's evaluation
    networks it is one of these, or else its first run, unless a run on it is done.
    """
    planned = list(planned)
    wanted = [p for p in planned if p.wanted]
    stages: dict[tuple[str, str, int], list[Planned]] = {}
    for p in wanted:
        stages.setdefault((p.dataset, p.shares, p.seed), []).append(p)
    found = [runs[0] for (_, stage, _), runs in stages.items() if stage and len(runs) > 1]
    served = {p.dataset for p in planned if p.state == "done" or p in found}
    for dataset in dict.fromkeys(p.dataset for p in wanted):
        runs = [p for p in wanted if p.dataset == dataset]
        if dataset not in served and len(runs) > 1:
            found.append(runs[0])
    return found
