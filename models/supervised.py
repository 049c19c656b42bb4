"""Classifiers that predict attributes and masks from the image: a reference, no generative model.

The row "supervised" of table 3 of Wesego and Rooshenas, "Multimodal ELBO with diffusion decoders",
2024, https://arxiv.org/abs/2408.16883, after their "Score-based multimodal autoencoder", 2024,
https://arxiv.org/abs/2305.15708: what could be known of the other modalities from the image. The
papers do not give the classifiers' networks. Here each is the data set's encoder of the image,
followed by its decoder of the target, so that the row differs from the others by what is learnt
and not by networks.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmbench.architecture import Architecture
from mmbench.core.data import Batch, Modality, Split
from mmbench.core.model import Model
from mmbench.core.score import given_in_words
from mmbench.protocols.arguments import at_least
from mmbench.registry import expect_modalities
from mmbench.training.trainer import Optimisation, Trainer

ROWS = 1024  # examples at a time
PREDICTED = ("attributes", "mask")  # kinds of modalities


class Supervised(Model):
    """A classifier of every attribute and of every pixel of a mask, given the image.

    It predicts from one modality alone: it draws nothing jointly, nothing given other
    modalities, and no image.

    Args:
        modalities: The data set's.
        architectures: Networks and likelihood of each modality.
        latent: Size of the layer between a classifier's encoder and its decoder.
        training: How each classifier is trained.
        trainings: How the classifiers of some modalities are trained instead.
        source: The modality to predict from; by default the first image.
        targets: The modalities to predict; by default all attributes and masks.
    """

    title: ClassVar[str] = "Supervised classifiers (a reference)"
    paper: ClassVar[str] = (
        "Wesego, Rooshenas: Multimodal ELBO with diffusion decoders, 2024, "
        "https://arxiv.org/abs/2408.16883"
    )
    takes_incomplete: ClassVar[bool] = True

    def __init__(
        self,
        modalities: Sequence[Modality],
        architectures: dict[str, Architecture],
        *,
        latent: int,
        training: Optimisation,
        trainings: dict[str, Optimisation] | None = None,
        source: str | None = None,
        targets: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.names = [m.name for m in modalities]
        images = [m.name for m in modalities if m.kind == "image"]
        labels = [m.name for m in modalities if m.kind in PREDICTED]
        self.source = source or next(iter(images), "")
        self.targets = labels if targets is None else list(targets)
        if not self.source or not self.targets:
            kinds = ", ".join(f"{m.name} ({m.kind})" for m in modalities)
            expected = "expected an image, and attributes or masks to predict from it"
            raise ValueError(f"the modalities are {kinds}, {expected}")
        special = trainings or {}
        named = {"source": [self.source], "targets": self.targets, "trainings": special}
        for setting, asked in named.items():
            expect_modalities(asked, self.names, setting)
        if self.source in self.targets:
            raise ValueError(f"{self.source!r} cannot be predicted from itself")
        at_least(1, latent=latent)
        self.settings = {m: special.get(m, training) for m in self.targets}
        self.architectures = architectures
        encoder = architectures[self.source].encoder
        parts = [(m, architectures[m].decoder) for m in self.targets]
        self.classifiers = nn.ModuleDict(
            {m: nn.Sequential(encoder(latent), decoder(latent)) for m, decoder in parts}
        )

    def fit(self, train: Split, trainer: Trainer) -> None:
        """Maximises the likelihood of each target given the source, where an example has both."""
        for m in self.targets:
            self._fit_classifier(m, train, trainer)

    def _fit_classifier(self, m: str, train: Split, trainer: Trainer) -> None:
        network, likelihood = self.classifiers[m], self.architectures[m].likelihood
        examples = train.complete([self.source, m])
        if not len(examples):
            raise ValueError(f"no training example has both {self.source!r} and {m!r}")

        def loss(rows: Tensor, _: torch.Generator) -> Tensor:
            x = train.batch(examples[rows], [self.source, m])
            return -likelihood.log_prob(network(x[self.source]), x[m]).mean()

        stage = f"{m} from {self.source}"
        trainer.minimise(stage, network, loss, len(examples), self.settings[m])

    def possible(self, given: Sequence[str], targets: Sequence[str]) -> list[str]:
        """Those of some targets that it predicts given some modalities."""
        return [m for m in targets if list(given) == [self.source] and m in self.targets]

    @torch.no_grad()
    def generate(
        self, given: Batch, targets: Sequence[str], n: int, generator: torch.Generator
    ) -> Batch:
        """The most probable targets, as probabilities where they are attributes or masks.

        Nothing is drawn: a classifier always predicts the same.

        Raises:
            ValueError: It cannot predict a target from what is given.
        """
        expect_modalities((*given, *targets), self.names)
        for m in targets:
            if not self.possible(list(given), [m]):
                can = f"classifiers predict {', '.join(self.targets)} from {self.source} alone"
                raise ValueError(f"{can}, not {m} from {given_in_words(given)}")
        return {m: self._predict(m, given[self.source]) for m in targets}

    def _predict(self, m: str, x: Tensor) -> Tensor:
        show, network = self.architectures[m].show, self.classifiers[m]
        return torch.cat([show(network(c)) for c in x.split(ROWS)])
