"""What samples are drawn from: one example of each modality given, as a user has it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from mmbench.api import asked
from mmbench.core.data import Batch, Dataset, Modality
from mmbench.datasets.formats import examples, recordings
from mmbench.errors import seen
from mmbench.progress import Progress
from mmbench.registry import meant

TEST = "test:"
"""Begins the name of a test example: "test:17"."""

Example = asked.Array | str | os.PathLike[str]
"""An example of a modality: its values (*shape) or (1, *shape), a file, or "test:17"."""


def conditions(given: Mapping[str, Example], dataset: Dataset, progress: Progress) -> Batch:
    """The examples given, each (1, *shape), in the data set's order.

    Args:
        given: Modality -> example.
        dataset: The data set that has these modalities.
        progress: Where words of a text are reported that the modality does not know.

    Raises:
        LookupError: There is no such modality.
        FileNotFoundError: There is no such file.
        ValueError: A file is damaged, or values have another shape or range, or are not finite.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"given is {seen(given)}, expected a dictionary of modality -> example")
    names = dataset.subset(map(str, given))
    return {m: _example(given[m], dataset.modality(m), dataset, progress) for m in names}


def targets(wanted: Sequence[str] | None, given: Batch, dataset: Dataset) -> list[str]:
    """The modalities to draw, in the data set's order; by default all that are not given.

    Raises:
        LookupError: There is no such modality.
        ValueError: They are no names, or there is none to draw.
    """
    several = [wanted] if isinstance(wanted, str) else [] if wanted is None else wanted
    named = dataset.subset(asked.texts("targets", several, "expected names of modalities"))
    drawn = list(named) or [m.name for m in dataset.modalities if m.name not in given]
    if not drawn:
        raise ValueError(f"every modality of {dataset.name} is given: name targets to reconstruct")
    return drawn


def _example(value: Example, modality: Modality, dataset: Dataset, progress: Progress) -> Tensor:
    if isinstance(value, str) and value.startswith(TEST):
        return _test(value, modality.name, dataset)
    if isinstance(value, str | os.PathLike):
        path = Path(value)
        word, _, number = str(value).partition(":")
        if number.isdecimal() and not path.exists() and meant(word, ["test"]):
            near = f"did you mean {TEST + number!r}?"
            raise FileNotFoundError(
                f"there is no file {value} to read {modality.name} from; {near}"
            )
        if modality.kind == "sound" and path.suffix.lower() not in examples.endings(modality):
            return recordings.read(path, modality, dataset)
        found = examples.read(path, modality)
        if modality.kind == "image" and _negative(found, modality.name, dataset):
            seems = f"{path} is nearer to the negatives of {dataset.name}'s {modality.name}s"
            progress.say(f"{seems} than to them: are light and dark swapped?")
        if modality.kind == "text" and (words := examples.unknown_words(path, modality)):
            progress.say(f"{path}: {modality.name} has no words {', '.join(words)}")
        return found
    title = f"the {modality.name} given"
    return examples.one(asked.array(value, title), modality, title)


def _negative(x: Tensor, name: str, dataset: Dataset) -> bool:
    """Whether a picture (1, *shape) is as bright as no test example, but as their negatives."""
    own, others = x.mean(), examples.usual(dataset, name).flatten(1).mean(1)
    mean = others.mean()
    unlike = own < others.min() or own > others.max()
    return bool(unlike and (1 - own - mean).abs() < (own - mean).abs())


def _test(value: str, name: str, dataset: Dataset) -> Tensor:
    """A modality of the test example that "test:17" names, (1, *shape)."""
    number, n = value.removeprefix(TEST), len(dataset.test)
    if not number.isdecimal() or int(number) >= n:
        known = f"{TEST}0 to {TEST}{n - 1}"
        raise ValueError(f"{value} is no test example of {dataset.name}: expected {known}")
    return dataset.test.batch(torch.tensor([int(number)]), [name])[name]
