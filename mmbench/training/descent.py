"""The steps of one training stage, and the settings that they follow.

No random state is carried from one step to the next: the order of an epoch and the noise of a
step each have a stream of their own.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import unwrap
from typing import Literal

import torch
from torch import Tensor, nn

from mmbench.protocols.arguments import at_least
from mmbench.seeds import derive, stream
from mmbench.training.precision import Precision, autocast

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
        ema: Decay of the moving average that the stage ends with, of the parameters and of the
            statistics of batch norms; 0 is off.
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

    def batch(self, examples: int) -> int:
        """Examples a step, where there are so many in all."""
        return min(self.batch_size, examples)

    def per_epoch(self, examples: int) -> int:
        """Steps of an epoch."""
        return examples // self.batch(examples)

    def steps(self, examples: int) -> int:
        """Steps in all."""
        return self.per_epoch(examples) * self.epochs

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


@dataclass(frozen=True)
class Task:
    """What one training stage is to do.

    Attributes:
        stage: Its title, part of the names of its random streams.
        module: The module whose parameters are trained.
        loss: The scalar loss of a batch of example numbers.
        examples: Number of training examples.
        with_: The settings.
    """

    stage: str
    module: nn.Module
    loss: Loss
    examples: int
    with_: Optimisation

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self.with_.steps(self.examples)


class Adam(torch.optim.Adam):
    """torch's, without what keeps `torch.compile` away from it.

    That loads the compiler, at the first step at the latest, which takes a second.
    """

    step = torch.no_grad()(unwrap(torch.optim.Adam.step))
    zero_grad = unwrap(torch.optim.Optimizer.zero_grad)
    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    state_dict = unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = unwrap(torch.optim.Optimizer.load_state_dict)


class Descent:
    """A module in training, step by step.

    Args:
        task: What to train, and how; the module is in training mode from here on.
        seed: The run's seed.
        device: That of the module.

    Attributes:
        optimiser: The optimiser with its moments.
        average: The moving average of each parameter, and of each mean and variance of a batch
            norm, where the stage has one.
    """

    def __init__(self, task: Task, seed: int, device: torch.device) -> None:
        self._task, self._seed, self._device = task, seed, device
        module, with_ = task.module, task.with_
        module.train()  # first: it may change the memory format, which the average shares
        self._parameters: list[Tensor] = [p for p in module.parameters() if p.requires_grad]
        rate, decay = with_.learning_rate, with_.weight_decay
        fused = device.type in ("cpu", "cuda")
        self.optimiser = Adam(self._parameters, lr=rate, weight_decay=decay, fused=fused)
        # An average with the statistics of other parameters would be worse than none.
        self._averaged = [*self._parameters, *_statistics(module)] if with_.ema else []
        self.average = [x.detach().clone() for x in self._averaged]
        self._noise = torch.Generator(device)
        self._epoch, self._order = -1, torch.empty(0)

    def take(self, step: int) -> Tensor:
        """Takes a step, counted from 0; returns its loss, a scalar without gradient."""
        stage, examples, with_ = self._task.stage, self._task.examples, self._task.with_
        size = with_.batch(examples)
        epoch, place = divmod(step, with_.per_epoch(examples))
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = order(self._seed, stage, epoch, examples, self._device)
        rows = self._order[place * size : (place + 1) * size]
        _seed(self._device, derive(self._seed, stage, "dropout", step))
        self._noise.manual_seed(derive(self._seed, stage, "noise", step))
        for group in self.optimiser.param_groups:
            group["lr"] = with_.rate(step, self._task.steps)
        with autocast(with_.precision, self._device):
            value = self._task.loss(rows, self._noise)
        self.optimiser.zero_grad()
        value.backward()
        if with_.clip is not None:
            nn.utils.clip_grad_norm_(self._parameters, with_.clip)
        self.optimiser.step()
        if self.average:
            with torch.no_grad():
                torch._foreach_lerp_(self.average, self._averaged, with_.newest(step))
        return value.detach()

    def end(self) -> None:
        """Gives the module the moving average, where the stage has one."""
        with torch.no_grad():
            for x, a in zip(self._averaged, self.average, strict=True):
                x.copy_(a)


def _statistics(module: nn.Module) -> list[Tensor]:
    """The running means and variances of batch norms."""
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    found = (x for m in norms for x in (m.running_mean, m.running_var))
    return [x for x in found if x is not None]


def order(seed: int, stage: str, epoch: int, examples: int, device: torch.device) -> Tensor:
    """The order of the examples in an epoch of a stage: (examples,)."""
    noise = stream(seed, stage, "order", epoch)
    return torch.randperm(examples, generator=noise).to(device)


def _seed(device: torch.device, seed: int) -> None:
    """Seeds the default generators, which dropout and augmentation draw from."""
    if device.type == "cpu":  # manual_seed reads the call stack, a fifth of a millisecond
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)
