"""What runs share: evaluation networks, and training stages of equal content."""

from contextlib import suppress
from pathlib import Path

from mmbench.core.score import Context, Generated
from mmbench.registry import names
from mmbench.runs.run import Run
from mmbench.training.descent import Task
from mmbench.training.trainer import Trainer


class Reached(Exception):
    """A stage that is not to be trained; the message is what it is called among shared ones."""


class _Untrained(Trainer):
    """Ends before the first stage."""

    def reach(self, task: Task, path: Path, identity: str) -> None:
        raise Reached(path.name if path.parent == self.shared else "")


class _Shared(Trainer):
    """Ends before the first stage that belongs to its run alone."""

    def reach(self, task: Task, path: Path, identity: str) -> None:
        if path.parent == self.folder:
            raise Reached
        super().reach(task, path, identity)


def first_stage(run: Run) -> str:
    """What identifies the first stage of a run's training, in all runs that share it.

    The model is built, and nothing is trained. It is "" where no run can share the stage, and for
    models of others, which may train in a way of their own.

    Raises:
        LookupError, ValueError: The settings do not fit the model.
    """
    model, entry = run.build(), names("models").get(run.model)
    try:
        if entry is not None and entry.module.startswith("mmbench."):
            model.fit(run.dataset.train.to(run.device), run.trainer(_Untrained))
    except Reached as reached:
        return str(reached)
    return ""


def make_shared(run: Run) -> None:
    """Makes what other runs need as well, where it is missing, and nothing else of a run.

    That is its evaluation networks, and the stages of its training that runs share.

    Raises:
        LookupError, ValueError: The settings do not fit.
        OSError: The results folder cannot be written to.
    """
    rows = run.evaluation.rows(run.dataset.test)
    real = Generated((), run.dataset.test.batch(rows), rows)
    context = Context(run.device, run.cache, run.progress, run.weights)
    for metric in run.evaluation.scorers():
        if metric.judge == "own":
            list(metric.compute(real, run.dataset, context))
    with suppress(Reached):
        run.build().fit(run.dataset.train.to(run.device), run.trainer(_Shared))
