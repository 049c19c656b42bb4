"""A model and the metrics, tried on a few examples before anything is trained for their sake."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch

from mmbench.core.data import Dataset
from mmbench.core.model import Model
from mmbench.core.score import Context, Generated, given_in_words
from mmbench.errors import first_line
from mmbench.evaluation.evaluate import generate
from mmbench.evaluation.settings import Evaluation, Unfit
from mmbench.progress import Progress
from mmbench.seeds import derive

EXAMPLES = 8

SECONDS = 1.0
"""After which no further subset is tried."""


MISTAKES = (Unfit, AttributeError, NameError, ImportError, SyntaxError)
"""Errors of a metric that no larger number of samples would prevent."""


@runtime_checkable
class Shortened(Protocol):
    """A sampler that can be cut to its shortest schedule; modules have it as `sampler`."""

    def shorten(self) -> None:
        """Makes it as quick as it can be, whatever it draws."""


def shorten(model: Model) -> None:
    """Cuts all samplers of a model to their shortest schedules."""
    for module in model.modules():
        if isinstance(sampler := getattr(module, "sampler", None), Shortened):
            sampler.shorten()


def tried(
    model: Model, dataset: Dataset, evaluation: Evaluation, context: Context, seed: int
) -> None:
    """Draws and scores a few examples as an evaluation will, for the errors that this meets.

    The model draws nothing given, each modality given alone, all, then the other subsets, for a
    second in all. Metrics without an evaluation network score test examples in the place of
    samples, since those of an untrained model may be nothing that they have to cope with.

    Args:
        model: Untrained and made for this: its samplers are cut short.
        dataset: Its test examples condition.
        evaluation: What is drawn and measured.
        context: Of the metrics.
        seed: The run's. All randomness here is of streams of its own.

    Raises:
        ValueError: What the model draws is not what was asked for, or a metric fails.
    """
    shorten(model)
    end, own = time.monotonic() + SECONDS, derive(seed, "trial")
    context = replace(context, progress=Progress(None), model=None)
    rows, count = evaluation.rows(dataset.test)[:EXAMPLES], len(dataset.modalities)
    first = lambda given: len(given) not in (0, 1, count)
    with _set_apart(own, context.device):
        for given in sorted(evaluation.subsets(dataset), key=first):
            drawn = generate(model, dataset, given, rows, own, context)
            real = dataset.test.batch(rows, list(drawn.samples)) if drawn.samples else {}
            _score(Generated(given, real, rows), dataset, evaluation, context)
            if time.monotonic() > end:
                return


def _score(
    generated: Generated, dataset: Dataset, evaluation: Evaluation, context: Context
) -> None:
    n, given = len(generated.rows), given_in_words(generated.given)
    for metric in evaluation.wanted(generated.given) if generated.samples else ():
        if metric.judge is not None or metric.least > n:
            continue
        try:
            list(metric.compute(generated, dataset, context))
        except Exception as error:
            fails = f"the metric {metric.name} cannot score {n} test examples given {given}"
            few = "; a metric that needs more declares it, least=..."
            more = "" if isinstance(error, MISTAKES) else few
            raise ValueError(f"{fails}: {first_line(error)}{more}") from error


@contextmanager
def _set_apart(seed: int, device: torch.device) -> Iterator[None]:
    """Gives the default generators a seed, and takes what they draw from no one."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
