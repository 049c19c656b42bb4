"""Weights & Biases: a run of a project there or, with WANDB_MODE=offline, files to send later."""

import os
import re
from pathlib import Path
from typing import Any

import wandb

PROJECT = "mmbench"


class WandB:
    """A `Tracker` whose run has the id dataset-model-seed-key.

    Its environment variables hold: WANDB_MODE, WANDB_PROJECT, WANDB_ENTITY, WANDB_API_KEY, ...
    """

    def __init__(self, where: str, title: str, config: dict[str, Any], folder: str) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        self._stages: set[str] = set()
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            id=re.sub(r"[^\w.-]+", "-", where),
            name=title,
            config=config,
            dir=folder,
            resume="allow",
            settings=wandb.Settings(console="off", silent=True, x_disable_stats=True),
        )

    def point(self, stage: str, step: int, loss: float, rate: float, seconds: float) -> None:
        """Shows a point of the history of training, over the steps of its stage."""
        axis, shown = f"step/{stage}", {f"loss/{stage}": loss, f"rate/{stage}": rate}
        if stage not in self._stages:
            self._stages.add(stage)
            for name in shown:
                self._run.define_metric(name, step_metric=axis)
        self._run.log({axis: step, **shown})

    def scores(self, values: dict[str, float]) -> None:
        """Shows what the samples score."""
        self._run.summary.update(values)

    def picture(self, path: str) -> None:
        """Shows the grid of samples."""
        self._run.log({"samples": wandb.Image(path)})

    def close(self, done: bool) -> None:
        """Ends the run."""
        self._run.finish(exit_code=0 if done else 1)
