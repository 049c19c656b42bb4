"""The one training loop: progress, EMA, mixed precision, checkpoints and exact resume.

No random state is carried from one step to the next: the order of an epoch and the noise of a
step each have a stream of their own. A checkpoint therefore needs only parameters, optimiser, EMA
and step, and an interrupted stage ends in the same bits as an uninterrupted one on that machine.
"""

import hashlib
import math
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from mmbench.files.locks import alone
from mmbench.progress import Progress
from mmbench.protocols.arguments import at_least
from mmbench.protocols.protocol import digest
from mmbench.records.paths import HISTORY, history_of
from mmbench.seeds import derive, stream
from mmbench.training import history
from mmbench.training.checkpoint import Checkpoint
from mmbench.training.compilation import compiled
from mmbench.training.history import LOOK, History, Point, Watch
from mmbench.training.precision import Precision, autocast, computed
from mmbench.training.weights import AGAIN, load_weights, save_weights, seconds_in

Loss = Callable[[Tensor, torch.Generator], Tensor]
"""(rows (B,) of the training examples, source of noise) -> scalar to minimise."""


@dataclass(frozen=True)
class Optimisation:
    """The hyper-parameters of one training stage.

    Attributes:
        epochs: Passes over the training examples.
        batch_size: Examples a step; the incomplete batch that ends an epoch is left out.
        learning_rate: Adam's, after warm-up.
        weight_decay: L2 penalty inside Adam's gradient (not decoupled).
        schedule: "constant", or "cosine" to zero at the last step.
        warmup: Steps over which the learning rate rises linearly from zero.
        clip: Largest norm of the gradient; longer ones are scaled down to it. None leaves all.
        ema: Decay of the moving average of the parameters that the stage ends with; 0 is off.
        precision: What networks compute the loss in (see `mmbench.training.precision`).
        compile: Whether the network is compiled (see `mmbench.training.compilation`), which pays
            off where training takes minutes.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: int = 0
    clip: float | None = None
    ema: float = 0.0
    precision: Precision = "float32"
    compile: bool = field(default=False, compare=False)  # changes rounding only

    def __post_init__(self) -> None:
        at_least(0, epochs=self.epochs, warmup=self.warmup, weight_decay=self.weight_decay)
        at_least(1, batch_size=self.batch_size)
        for name in ("learning_rate", "clip"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} is {value}, expected a finite number above 0")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema is {self.ema}, expected a decay from 0 (off) to below 1")

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step, of `steps` in all."""
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        fall = 0.5 * (1 + math.cos(math.pi * step / steps)) if self.schedule == "cosine" else 1.0
        return self.learning_rate * rise * fall

    def newest(self, step: int) -> float:
        """The weight in the moving average of the parameters after a step, counted from 0.

        The average is over the parameters after all steps so far, each weighing `ema` times as
        much as the next. The initial ones do not count: in short training they would dominate.
        """
        return (1 - self.ema) / (1 - self.ema ** (step + 1))


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
        watch: Watch = lambda stage, point: None,
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
        path = self.folder / f"{_slug(stage)}.safetensors"
        identity = self._identity(stage, module, examples, with_)
        lock: AbstractContextManager[None] = nullcontext()
        if self.shared is not None and content is not None and not path.exists():
            how = [computed(with_.precision, self.device), *["compiled"][: with_.compile]]
            content = [content, self.versions, _bits(module), self.device.type, *how]
            key = digest([identity, content])
            path = self.shared / f"{_slug(stage)}-{key}.safetensors"
            lock = alone(path.with_name(f".{path.stem}.lock"), self.progress.waiting)
        with lock:  # also where there is a file: a killed process may have left its lock
            if path.exists():  # also where another run has trained it meanwhile
                metadata = load_weights(path, module)
                if metadata.get("identity") != identity:
                    raise ValueError(f"{path} was trained with other settings; {AGAIN}")
                self.seconds[stage] = seconds_in(metadata, float, path)
                if more := self._read(history_of(path)):
                    self.history |= more
                    history.write(self.folder / HISTORY, self.history)
            else:
                with compiled(module) if with_.compile else nullcontext():
                    self._run(stage, module, loss, examples, with_, path, identity)
        self._checkpoint(stage).unlink(missing_ok=True)
        module.eval()

    def order(self, stage: str, epoch: int, examples: int) -> Tensor:
        """The order of the examples in an epoch of a stage: (examples,)."""
        noise = stream(self.seed, stage, "order", epoch)
        return torch.randperm(examples, generator=noise).to(self.device)

    def _run(
        self,
        stage: str,
        module: nn.Module,
        loss: Loss,
        examples: int,
        with_: Optimisation,
        path: Path,
        identity: str,
    ) -> None:
        size = min(with_.batch_size, examples)
        per_epoch = examples // size
        steps = per_epoch * with_.epochs
        module.train()  # first: it may change the memory format, which the average shares
        parameters: list[Tensor] = [p for p in module.parameters() if p.requires_grad]
        rate, decay = with_.learning_rate, with_.weight_decay
        fused = self.device.type in ("cpu", "cuda")
        optimiser = torch.optim.Adam(parameters, lr=rate, weight_decay=decay, fused=fused)
        average = [p.detach().clone() for p in parameters] if with_.ema else []
        checkpoint = self._checkpoint(stage)
        total = torch.zeros((), device=self.device)
        state = Checkpoint(identity, module, optimiser, average, total)
        step, before = 0, 0.0
        if checkpoint.exists():
            step, before = state.resume(checkpoint, steps)
        points = [p for p in self.history.get(stage, []) if p.step <= step]
        self.history[stage], every = points, history.spacing(steps)
        noise = torch.Generator(self.device)
        start = saved = time.monotonic()
        with self.progress.stage(stage, steps, step) as bar:
            epoch, order = -1, torch.empty(0)
            while step < steps:
                if step // per_epoch != epoch:
                    epoch = step // per_epoch
                    order = self.order(stage, epoch, examples)
                here = step % per_epoch * size
                _seed(self.device, derive(self.seed, stage, "dropout", step))
                noise.manual_seed(derive(self.seed, stage, "noise", step))
                for group in optimiser.param_groups:
                    group["lr"] = with_.rate(step, steps)
                with autocast(with_.precision, self.device):
                    value = loss(order[here : here + size], noise)
                optimiser.zero_grad()
                value.backward()
                if with_.clip is not None:
                    nn.utils.clip_grad_norm_(parameters, with_.clip)
                optimiser.step()
                if average:
                    with torch.no_grad():
                        torch._foreach_lerp_(average, parameters, with_.newest(step))
                total += value.detach()
                step += 1
                now = time.monotonic()
                took = before + now - start
                save = now - saved > self.checkpoint_seconds
                if step % LOOK == 0 or step == steps or save:
                    if not total.isfinite():
                        wrong = f"the loss of stage {stage!r} is not finite by step {step}"
                        raise FloatingPointError(f"{wrong}: try a lower learning_rate, or a clip")
                    bar.update(step, f"loss {value.item():.4g}")
                if step % every == 0 or step == steps:
                    mean = total.item() / ((step - 1) % every + 1)
                    points.append(Point(step, mean, with_.rate(step - 1, steps), took))
                    self.watch(stage, points[-1])
                    total.zero_()
                if save and step < steps:  # first the history, which a checkpoint cuts
                    history.write(self.folder / HISTORY, self.history)
                    state.write(checkpoint, step, took)
                    saved = time.monotonic()
        with torch.no_grad():
            for p, a in zip(parameters, average, strict=False):
                p.copy_(a)
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

    def _checkpoint(self, stage: str) -> Path:
        """Where an unfinished stage is kept."""
        return self.folder / f"{_slug(stage)}.checkpoint"

    def _identity(self, stage: str, module: nn.Module, examples: int, with_: Optimisation) -> str:
        return digest([self.seed, stage, shapes(module), examples, with_], 64)


def shapes(module: nn.Module) -> list[object]:
    """The name and the shape of each parameter and buffer, in their order."""
    return [[name, list(x.shape)] for name, x in module.state_dict().items()]


def _seed(device: torch.device, seed: int) -> None:
    """Seeds the default generators, which dropout and augmentation draw from."""
    if device.type == "cpu":  # manual_seed reads the call stack, a fifth of a millisecond
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def _bits(module: nn.Module) -> str:
    """The sha256 of a module's parameters and buffers."""
    bits = hashlib.sha256()
    for name, x in sorted(module.state_dict().items()):
        bits.update(name.encode())
        bits.update(x.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return bits.hexdigest()


def _slug(stage: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stage)
