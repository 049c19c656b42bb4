"""What an interrupted stage of training goes on from."""

import io
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmbench.files import sealed, tensors
from mmbench.files.sealed import Damaged
from mmbench.training.weights import AGAIN


@dataclass(frozen=True)
class Checkpoint:
    """The state of a stage in training, which files keep.

    Attributes:
        identity: A hash of the stage's settings.
        module: The module in training.
        optimiser: The optimiser with its moments.
        average: As in `mmbench.training.descent.Descent`.
        total: (), the sum of the losses since the last point of the stage's history.
    """

    identity: str
    module: nn.Module
    optimiser: torch.optim.Optimizer
    average: list[Tensor]
    total: Tensor = field(default_factory=lambda: torch.zeros(()))

    def write(self, path: Path, step: int, seconds: float) -> None:
        """Keeps the state before a step, and how long the training took up to it."""
        state: dict[str, Any] = {"identity": self.identity, "step": step, "seconds": seconds}
        state |= {"module": self.module.state_dict(), "optimiser": self.optimiser.state_dict()}
        state |= {"average": self.average, "total": self.total}
        content = io.BytesIO()
        torch.save(state, content)
        sealed.write(path, content.getvalue() + sealed.BLANK)

    def resume(self, path: Path, steps: int) -> tuple[int, float]:
        """Fills the state from a file; the next of the stage's `steps`, and the seconds before it.

        Raises:
            ValueError: The file was written with other settings.
            Damaged: It does not match its seal, or is no checkpoint of this stage.
        """
        try:
            sealed.read(path, older=True)
            state: Any = tensors.read(path)
        except ValueError as error:
            raise Damaged(f"{error}; {AGAIN}") from None
        if not isinstance(state, dict) or "identity" not in state:
            raise Damaged(f"{path} is no checkpoint; {AGAIN}")
        if state["identity"] != self.identity:
            raise ValueError(f"{path} was written with other settings; {AGAIN}")
        try:
            self.module.load_state_dict(state["module"])
            self.optimiser.load_state_dict(state["optimiser"])
            for p, kept in self.optimiser.state.items():  # it is Adam's
                if kept["exp_avg"].shape != p.shape or kept["exp_avg_sq"].shape != p.shape:
                    raise ValueError
                float(kept["step"])
            for a, saved in zip(self.average, state["average"], strict=True):
                a.copy_(saved)
            self.total.copy_(state.get("total", self.total))  # an older checkpoint has none
            step, seconds = int(state["step"]), float(state["seconds"])
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
            step, seconds = -1, 0.0
        if not (0 <= step <= steps and 0 <= seconds < math.inf):
            raise Damaged(f"{path} is no checkpoint of this stage; {AGAIN}")
        return step, seconds
