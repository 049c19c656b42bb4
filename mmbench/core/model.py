"""What a method is: any subset of the modalities drawn from any other."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from mmbench.core.data import Batch, Split

if TYPE_CHECKING:
    from mmbench.training.trainer import Trainer


class Embedded(Batch):
    """A batch that went through `Model.embed`."""


class Model(nn.Module, ABC):
    """p(targets | given) for any subsets of the modalities.

    A constructor takes the data set's modalities, then their architectures (networks and
    likelihoods, equal for all methods), then its hyper-parameters by keyword.
    """

    title: ClassVar[str] = ""
    """What it is, in a few words."""
    paper: ClassVar[str] = ""
    """Authors, title, year, url."""
    takes_incomplete: ClassVar[bool] = False
    """Whether it can train on examples that lack modalities."""
    version: ClassVar[int] = 1
    """Rises when its numbers change; what was trained by another version is trained again."""
    has_sampler: ClassVar[bool] = False
    """Whether the constructor takes the protocol's `evaluation.sampler` as `sampler`."""

    @abstractmethod
    def fit(self, train: Split, trainer: Trainer) -> None:
        """Trains on a split: any number of stages, each one `trainer.minimise(...)`."""

    @abstractmethod
    def generate(
        self, given: Batch, targets: Sequence[str], n: int, generator: torch.Generator
    ) -> Batch:
        """Draws the targets given other modalities.

        Args:
            given: name -> (n, *shape); empty for joint generation.
            targets: What to draw. A target that is also given is reconstructed.
            n: Number of samples, one for each row of `given`.
            generator: The only source of randomness, on the model's device.

        Returns:
            target -> (n, *shape), in the range of the data.
        """

    def possible(self, given: Sequence[str], targets: Sequence[str]) -> list[str]:
        """Those of some targets that it can draw given some modalities; by default all.

        Evaluation asks for no others, and a table shows no score of them.
        """
        return list(targets)

    def embed(self, given: Batch) -> Batch:
        """What `generate` needs of each modality given, whatever the others: it takes either.

        Of name -> (n, *shape) it makes name -> (n, ...), a row for each example. Evaluation keeps
        an `Embedded`, so that each modality is encoded once for all subsets; by default there is
        nothing to keep.
        """
        return given

    def doubts(self) -> Iterable[str]:
        """What speaks against its settings, a sentence each; said before it is trained."""
        return ()

    @property
    def evaluations(self) -> int:
        """Network evaluations that one sample costs."""
        return 1


class LatentModel(Model):
    """A model that generates by decoding a latent."""

    @abstractmethod
    def encode(self, given: Batch, n: int, generator: torch.Generator) -> Tensor:
        """Draws latents given some modalities: (n, D)."""

    @abstractmethod
    def decode(self, z: Tensor, targets: Sequence[str]) -> Batch:
        """Decodes latents (n, D) into target -> (n, *shape)."""

    def generate(  # noqa: D102
        self, given: Batch, targets: Sequence[str], n: int, generator: torch.Generator
    ) -> Batch:
        return self.decode(self.encode(given, n, generator), targets)


def model_class(name: str, found: object) -> type[Model]:
    """What is registered or was named as a model, if it is a class of models.

    Raises:
        ValueError: It is none, does not define what a model must, or its constructor takes no
            modalities and architectures.
    """
    if not (isinstance(found, type) and issubclass(found, Model)):
        raise ValueError(f"{name} is not a model: expected a mmbench.core.Model")
    if unwritten := sorted(found.__abstractmethods__):
        raise ValueError(f"{name} does not define {' and '.join(unwritten)}, as a model must")
    takes = inspect.signature(found)
    positional = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)
    if sum(p.kind in positional for p in takes.parameters.values()) < 2:
        raise ValueError(f"{name} takes {takes}, expected (modalities, parts) first")
    return found
