"""What training will take: a few steps of each stage are timed, and nothing is kept."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from mmbench.progress import Progress
from mmbench.protocols.protocol import digest
from mmbench.training import allocation
from mmbench.training.checkpoint import Checkpoint
from mmbench.training.compilation import compiled
from mmbench.training.descent import Descent, Task
from mmbench.training.trainer import Trainer, shapes

SECONDS = 2.0
"""How long steps are taken before they are timed, at most, and how long they are timed."""

WARM = 4
"""Steps before those that are timed: libraries choose their kernels in them."""

TRAINED = "it is trained"
"""Why a stage takes nothing."""

MOST = 50
"""Steps that are timed, at most: a GPU is not waited for after each."""


@dataclass(frozen=True)
class Stage:
    """What a stage of a run takes.

    Attributes:
        title: As in the record of the run.
        steps: Steps that are left to train, or samples to draw.
        seconds: How long they last.
        memory: Bytes that are taken meanwhile, at the most.
        disk: Bytes that it leaves beside the model's weights.
        evaluations: How many examples networks compute in it.
        why: Why it takes nothing, if so.
    """

    title: str
    steps: int = 0
    seconds: float = 0.0
    memory: int = 0
    disk: int = 0
    evaluations: int = 0
    why: str = ""


Rates = dict[str, tuple[float, float, int]]
"""What a stage is like -> the seconds of its first steps above the usual and of each step, and
the bytes of memory that it takes."""


class Estimator(Trainer):
    """Goes through all stages of a model as a trainer does, but trains none.

    A module has the weights of a finished stage after it, and else those that it had before, so
    that what stages share is found as in training. Its counters go on as if it were trained.

    Args:
        run: What the run is called.
        rates: Of runs of this model before this one, which have other seeds; more is added.
        trained: The file of a stage that runs share -> the run before this one that trains it;
            more is added.
        folder, seed, device, progress, shared, versions: As of a trainer. Nothing is written.
    """

    def __init__(
        self,
        run: str,
        rates: Rates,
        trained: dict[Path, str],
        folder: Path,
        seed: int,
        device: torch.device,
        progress: Progress,
        shared: Path | None = None,
        versions: tuple[int, int] = (1, 1),
    ) -> None:
        super().__init__(folder, seed, device, progress, shared=shared, versions=versions)
        self.run, self.rates, self.trained = run, rates, trained
        self.stages: list[Stage] = []
        self.spent = 0.0  # on estimates of stages, in seconds

    def reach(self, task: Task, path: Path, identity: str) -> None:
        """Notes what a stage would take."""
        begun = time.monotonic()
        if path.exists():
            self.load(task.stage, task.module, path, identity)
            self.stages.append(Stage(task.stage, why=TRAINED))
        elif path in self.trained:
            self.stages.append(Stage(task.stage, why=f"{self.trained[path]} trains it"))
        else:
            disk = 0
            if path.parent != self.folder:
                self.trained[path] = self.run
                disk = sum(x.nbytes for x in task.module.state_dict().values())
            self.progress.say(f"{self.run}: timing {task.stage!r}")
            self.stages.append(replace(self._timed(task, identity), disk=disk))
        self.spent += time.monotonic() - begun

    def _timed(self, task: Task, identity: str) -> Stage:
        stage, module, examples, with_ = task.stage, task.module, task.examples, task.with_
        before = {k: x.clone() for k, x in module.state_dict().items()}
        descent, steps = Descent(task, self.seed, self.device), task.steps
        first, checkpoint = 0, self.checkpoint(stage)
        total = torch.zeros((), device=self.device)
        if checkpoint.exists():
            state = Checkpoint(identity, module, descent.optimiser, descent.average, total)
            first, _ = state.resume(checkpoint, steps)
        reached = {k: x.clone() for k, x in module.state_dict().items()}
        left = steps - first
        like = digest([type(module).__qualname__, stage, shapes(module), examples, with_])
        taken = min(1, left)
        if like in self.rates and left:
            descent.take(first)
        elif left:
            allocation.forget_peak(self.device)
            with compiled(module) if with_.compile else nullcontext():
                extra, each, taken = _rate(descent.take, first, steps, self.device)
            self.rates[like] = extra, each, allocation.peak(self.device)
        for name, x in module.state_dict().items() if taken else ():
            if not x.is_floating_point():  # a counter, which later stages may go by
                before[name] = reached[name] + (x - reached[name]) * left // taken
        module.load_state_dict(before)
        extra, each, memory = self.rates.get(like, (0.0, 0.0, 0))
        seconds = extra + each * left if left else 0.0
        return Stage(stage, left, seconds, memory, evaluations=left * with_.batch(examples))


def _rate(
    take: Callable[[int], object], first: int, end: int, device: torch.device
) -> tuple[float, float, int]:
    """Seconds of the first steps above the usual and of each step, and how many were taken."""
    step, start = first, time.monotonic()
    while step < min(first + WARM, end) and time.monotonic() - start < SECONDS:
        take(step)
        step += 1
    allocation.finished(device)
    warm, begun = step, time.monotonic()
    while step < min(warm + MOST, end) and time.monotonic() - begun < SECONDS:
        take(step)
        step += 1
    allocation.finished(device)
    now = time.monotonic()
    if step == warm:
        return 0.0, (begun - start) / (warm - first), step - first
    each = (now - begun) / (step - warm)
    return max(0.0, begun - start - each * (warm - first)), each, step - first
