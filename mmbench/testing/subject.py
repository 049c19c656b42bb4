"""A trained model, as the checks take it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch

from mmbench.core.data import Batch, Dataset
from mmbench.core.model import Model
from mmbench.evaluation.evaluate import drawn
from mmbench.seeds import stream

LEAST = 10
"""Test examples that the checks need."""


class Unfit(ValueError):
    """A model refuses a data set by a ValueError of its constructor."""


@dataclass(frozen=True)
class Subject:
    """A trained model, and what the checks need beside it.

    Attributes:
        model: Trained, in evaluation mode.
        dataset: What it was trained on, with at least `LEAST` test examples.
        build: () -> the model as it was before training, its networks new.
        elsewhere: () -> the same model, built for and trained on examples of other modalities and
            shapes; None where that cannot be tried. Raises `Unfit` where the model refuses them.
    """

    model: Model
    dataset: Dataset
    build: Callable[[], Model]
    elsewhere: Callable[[], Subject] | None = None

    @property
    def title(self) -> str:
        """What the sentences call it."""
        return type(self.model).__name__

    @property
    def names(self) -> list[str]:
        """The names of the modalities."""
        return [m.name for m in self.dataset.modalities]

    @property
    def some(self) -> list[Sequence[str]]:
        """Some subsets to be given: each modality alone, and all but the last."""
        names = self.names
        return [*([m] for m in names), *([names[:-1]] if len(names) > 2 else [])]

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next((x.device for x in self.model.state_dict().values()), torch.device("cpu"))

    def given(self, names: Iterable[str], rows: Sequence[int]) -> Batch:
        """Some modalities of test examples, on the model's device."""
        asked = list(names)
        x = self.dataset.test.batch(torch.tensor(rows), asked) if asked else {}
        return {m: v.to(self.device) for m, v in x.items()}

    def draw(self, given: Batch, n: int, targets: Sequence[str] | None = None) -> Batch:
        """What the model draws by the same generator each time, by default all that it can."""
        targets = self.model.possible(list(given), self.names) if targets is None else targets
        noise = stream(0, "check", device=self.device)
        return drawn(self.model, given, targets, n, noise, self.dataset) if targets else {}

    def caused(self, different: Sequence[str], given: Batch, n: int) -> list[str]:
        """Those that differ for a cause: not what two equal calls draw otherwise, too.

        That is a fault of its own, which `generator_alone` finds.
        """
        if not different:
            return []
        chance = differing(self.draw(given, n), self.draw(given, n))
        return [m for m in different if m not in chance]


def differing(a: Batch, b: Batch, tolerance: float = 0.0) -> list[str]:
    """The names of those tensors that differ, or are in one of the batches alone."""
    names = dict.fromkeys([*a, *b])
    return [
        m
        for m in names
        if m not in a or m not in b or not torch.allclose(a[m], b[m], 0, tolerance, equal_nan=True)
    ]
