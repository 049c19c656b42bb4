"""The one training loop: stages that are loaded or trained, checkpoints and exact resume.

No random state is carried from one step to the next. A checkpoint therefore needs only
parameters, optimiser, EMA and step, and an interrupted stage ends in the same bits as an
uninterrupted one on that machine.
"""

import hashlib
import re
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn

from mmbench.files.locks import alone
from mmbench.progress import Progress
from mmbench.protocols.protocol import digest
from mmbench.records.paths import HISTORY, history_of
from mmbench.training import history
from mmbench.training.checkpoint import Checkpoint
from mmbench.training.compilation import compiled
from mmbench.training.descent import Descent, Loss, Optimisation, Task, order
from mmbench.training.history import LOOK, History, Point, Watch, unwatched
from mmbench.training.precision import computed
from mmbench.training.weights import AGAIN, load_weights, save_weights, seconds_in

__all__ = ["Loss", "Optimisation", "Trainer"]


class Trainer:
    """Minimises losses, one named stage after the other.

    Args:
        folder: The folder of finished stages and checkpoints. A finished stage is loaded instead
            of trained, an interrupted one is resumed.
        seed: The run's seed.
        device: The device of the modules and the training examples.
        progress: Where to report.
        checkpoint_seconds: Time between checkpoints.
        shared: The folder of stages that runs share; None to share none.
        versions: The versions of the model and of the data set, which are part of shared keys.
        watch: Called with each new point of a stage's history.
    """

    def __init__(
        self,
        folder: Path,
        seed: int,
        device: torch.device,
        progress: Progress,
        checkpoint_seconds: float = 30.0,
        shared: Path | None = None,
        versions: tuple[int, int] = (1, 1),
        watch: Watch = unwatched,
    ) -> None:
        self.folder, self.seed, self.device, self.progress = folder, seed, device, progress
        self.checkpoint_seconds, self.shared = checkpoint_seconds, shared
        self.versions, self.watch = versions, watch
        self.history = self._read(folder / HISTORY)
        self.seconds: dict[str, float] = {}  # per stage, interruptions left out

    def minimise(
        self,
        stage: str,
        module: nn.Module,
        loss: Loss,
        examples: int,
        with_: Optimisation,
        content: object = None,
    ) -> None:
        """Trains `module` in place; it ends in evaluation mode, with EMA weights if asked for.

        Args:
            stage: A name, unique in the run.
            module: The module whose parameters are trained.
            loss: The scalar loss of a batch of example numbers. It draws noise only from the
                generator that it receives (dropout is seeded separately).
            examples: Number of training examples.
            with_: The hyper-parameters.
            content: What the result depends on beside all of the above and the module's initial
                weights: the data, the loss and the layers, as `digest` takes it. Runs share
                stages of equal content, in the same bits as each would train them. A stage whose
                content is None belongs to this run alone.

        Raises:
            FloatingPointError: The loss is not finite.
            ValueError: A file of this stage belongs to another module or other settings, or the
                module cannot be compiled as asked.
        """
        path, identity = self.place(stage, module, examples, with_, content)
        self.reach(Task(stage, module, loss, examples, with_), path, identity)
        module.eval()

    def reach(self, task: Task, path: Path, identity: str) -> None:
        """Trains a stage, or loads it; every stage passes here, also in other kinds of trainers.

        Args:
            task: The stage.
            path: Where its weights lie or will lie.
            identity: A hash of its settings.
        """
        lock: AbstractContextManager[None] = nullcontext()
        if path.parent != self.folder:
            lock = alone(path.with_name(f".{path.stem}.lock"), self.progress.waiting)
        with lock:  # also where there is a file: a killed process may have left its lock
            if path.exists():  # also where another run has trained it meanwhile
                self.load(task.stage, task.module, path, identity)
                if more := self._read(history_of(path)):
                    self.history |= more
                    history.write(self.folder / HISTORY, self.history)
            else:
                with compiled(task.module) if task.with_.compile else nullcontext():
                    self._run(task, path, identity)
        self.checkpoint(task.stage).unlink(missing_ok=True)

    def order(self, stage: str, epoch: int, examples: int) -> Tensor:
        """The order of the examples in an epoch of a stage: (examples,)."""
        return order(self.seed, stage, epoch, examples, self.device)

    def place(
        self, stage: str, module: nn.Module, examples: int, with_: Optimisation, content: object
    ) -> tuple[Path, str]:
        """Where the weights of a stage lie or will lie, and a hash of its settings.

        The arguments are those of `minimise`, before the stage is trained.
        """
        path = self.folder / f"{_slug(stage)}.safetensors"
        identity = self._identity(stage, module, examples, with_)
        if self.shared is None or content is None or path.exists():
            return path, identity
        how = [computed(with_.precision, self.device), *["compiled"][: with_.compile]]
        whole = [content, self.versions, _bits(module), self.device.type, *how]
        return self.shared / f"{_slug(stage)}-{digest([identity, whole])}.safetensors", identity

    def load(self, stage: str, module: nn.Module, path: Path, identity: str) -> None:
        """Loads the weights of a finished stage, and what it took, from its place.

        Raises:
            ValueError: They belong to another module or other settings.
        """
        metadata = load_weights(path, module)
        if metadata.get("identity") != identity:
            raise ValueError(f"{path} was trained with other settings; {AGAIN}")
        self.seconds[stage] = seconds_in(metadata, float, path)

    def checkpoint(self, stage: str) -> Path:
        """Where an unfinished stage is kept."""
        return self.folder / f"{_slug(stage)}.checkpoint"

    def _identity(self, stage: str, module: nn.Module, examples: int, with_: Optimisation) -> str:
        return digest([self.seed, stage, shapes(module), examples, with_], 64)

    def _run(self, task: Task, path: Path, identity: str) -> None:
        stage, module, with_ = task.stage, task.module, task.with_
        descent = Descent(task, self.seed, self.device)
        steps, checkpoint = task.steps, self.checkpoint(stage)
        total = torch.zeros((), device=self.device)
        state = Checkpoint(identity, module, descent.optimiser, descent.average, total)
        step, before = 0, 0.0
        if checkpoint.exists():
            step, before = state.resume(checkpoint, steps)
        points = [p for p in self.history.get(stage, []) if p.step <= step]
        self.history[stage], every = points, history.spacing(steps)
        start = saved = time.monotonic()
        with self.progress.stage(stage, steps, step) as bar:
            while step < steps:
                loss_here = descent.take(step)
                total += loss_here
                step += 1
                now = time.monotonic()
                took = before + now - start
                save = now - saved > self.checkpoint_seconds
                if step % LOOK == 0 or step == steps or save:
                    if not total.isfinite():
                        wrong = f"the loss of stage {stage!r} is not finite by step {step}"
                        raise FloatingPointError(f"{wrong}: try a lower learning_rate, or a clip")
                    bar.update(step, f"loss {loss_here.item():.4g}")
                if step % every == 0 or step == steps:
                    mean = total.item() / ((step - 1) % every + 1)
                    points.append(Point(step, mean, with_.rate(step - 1, steps), took))
                    self.watch(stage, points[-1])
                    total.zero_()
                if save and step < steps:  # first the history, which a checkpoint cuts
                    history.write(self.folder / HISTORY, self.history)
                    state.write(checkpoint, step, took)
                    saved = time.monotonic()
        descent.end()
        self.seconds[stage] = before + time.monotonic() - start
        history.write(self.folder / HISTORY, self.history)
        if path.parent != self.folder:
            history.write(history_of(path), {stage: points})
        save_weights(path, module, identity=identity, seconds=repr(self.seconds[stage]))

    def _read(self, path: Path) -> History:
        """What is kept of the course of training, or nothing: that is no reason to fail."""
        try:
            return history.read(path)
        except (OSError, ValueError) as error:
            self.progress.say(f"{error}; it is left out of the history of the training")
            return {}


def shapes(module: nn.Module) -> list[object]:
    """The name and the shape of each parameter and buffer, in their order."""
    return [[name, list(x.shape)] for name, x in module.state_dict().items()]


def _bits(module: nn.Module) -> str:
    """The sha256 of a module's parameters and buffers."""
    bits = hashlib.sha256()
    for name, x in sorted(module.state_dict().items()):
        bits.update(name.encode())
        bits.update(x.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return bits.hexdigest()


def _slug(stage: str) -> str:
    """A name for files; a hash tells stages apart that differ in other characters."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", stage)
    return plain if re.fullmatch(r"[A-Za-z0-9_ -]+", stage) else f"{plain}-{digest(stage, 8)}"
