"""A model that was trained for a moment, and the tests of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import torch

from mmbench.api import asked
from mmbench.api.preparation import protocol_of
from mmbench.core.data import Dataset
from mmbench.core.model import Model
from mmbench.datasets.load import load_dataset
from mmbench.errors import first_line, in_own_code
from mmbench.evaluation.trial import shorten
from mmbench.progress import Progress
from mmbench.registry import called
from mmbench.runs.run import Run
from mmbench.testing import toy
from mmbench.testing.checks import CHECKS
from mmbench.testing.subject import LEAST, Subject, Unfit
from mmbench.training.descent import Task
from mmbench.training.trainer import Trainer

TOY = "mmbench.testing.toy:toy"
"""The data set of the checks where the user names none."""

UNSCORED = "evaluation.metrics={mse='all'}"
"""In the place of metrics that may need packages: nothing is scored."""


FEW, BATCH = 256, 32
"""Most examples that a stage is trained on, in all and a step."""


class Brief(Trainer):
    """Trains every stage for an epoch of a few examples."""

    def reach(self, task: Task, path: Path, identity: str) -> None:
        """As `Trainer.reach`, but for a moment and without compilation."""
        epochs, size = min(task.with_.epochs, 1), min(task.with_.batch_size, BATCH)
        brief = replace(task.with_, epochs=epochs, batch_size=size, compile=False)
        few = replace(task, examples=min(task.examples, FEW), with_=brief)
        super().reach(few, path, identity)


def briefly_trained(
    model: str, dataset: str | Dataset = TOY, settings: Sequence[str] = ()
) -> Subject:
    """A model on a data set, trained for a moment, as the checks take it.

    Args:
        model: A registered name, "module:class" or "file.py:class".
        dataset: A data set, or what `mmbench run --dataset` takes.
        settings: As `mmbench run --set` takes them.

    Raises:
        LookupError, FileNotFoundError, ValueError: There is no such model or data set, or the
            settings do not fit.
    """
    name, settings = called(asked.model(model)), asked.lines(settings)
    simple = dataset == TOY and not any(s.startswith("modalities.") for s in settings)
    dataset = asked.dataset(dataset)
    if isinstance(dataset, str):
        with tempfile.TemporaryDirectory() as folder:
            dataset = load_dataset(dataset, None, Path(folder), Progress(None))
    if len(dataset.test) < LEAST:
        found = f"{dataset.name} has {len(dataset.test)} test examples"
        raise ValueError(f"{found}, expected at least {LEAST} for the checks")
    subject = _trained(_run(name, dataset, settings))
    return replace(subject, elsewhere=partial(_elsewhere, name, settings) if simple else None)


def _run(name: str, dataset: Dataset, settings: Sequence[str]) -> Run:
    protocol = protocol_of(dataset, None, [UNSCORED, *settings], name)
    nowhere, quiet = Path(), Progress(None)
    return Run(name, dataset, 0, protocol, nowhere, torch.device("cpu"), nowhere, quiet, {})


def _trained(run: Run) -> Subject:
    trained = _quick(run)
    with tempfile.TemporaryDirectory() as folder:
        trained.fit(run.dataset.train, Brief(Path(folder), run.seed, run.device, run.progress))
    return Subject(trained.eval(), run.dataset, partial(_quick, run))


def _quick(run: Run) -> Model:
    """The untrained model, whose samplers take as few steps as they can: checks draw often."""
    model = run.build()
    shorten(model)
    return model


def _elsewhere(name: str, settings: Sequence[str]) -> Subject:
    run = _run(name, toy.other(), settings)
    try:
        run.build()
    except ValueError as error:
        raise Unfit(str(error)) from None
    return _trained(run)


def faults(subject: Subject, check: str) -> list[str]:
    """What a check finds, in sentences; an error is a fault, too."""
    try:
        return list(dict.fromkeys(CHECKS[check](subject)))
    except Exception as error:
        place = in_own_code(error)
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        return [f"{kind}{first_line(error)}{f' ({place})' if place else ''}"]


def model_checks(
    model: str, dataset: str | Dataset = TOY, settings: Sequence[str] = ()
) -> Callable[[str], None]:
    """A test of a model, which pytest runs once for each check.

    It is used as in `test_my_model = model_checks("my_file.py:MyModel")`. The arguments are those
    of `briefly_trained`; the model is trained when the first check runs.
    """
    import pytest

    subject = cache(lambda: briefly_trained(model, dataset, settings))

    @pytest.mark.parametrize("check", CHECKS)
    def test(check: str) -> None:
        if found := faults(subject(), check):
            pytest.fail("\n".join(found), pytrace=False)

    return test
