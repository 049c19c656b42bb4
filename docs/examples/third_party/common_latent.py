"""A model: one latent for all modalities, the mean of the codes of those that are given."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmbench.architecture import Architecture
from mmbench.core import Batch, Modality, Model, Split
from mmbench.seeds import stream
from mmbench.training.trainer import Optimisation, Trainer

TRAINING = Optimisation(epochs=4, batch_size=64, learning_rate=1e-3)


class CommonLatent(Model):
    """Encodes what is given, averages, decodes; joint samples are decoded from a Gaussian."""

    title: ClassVar[str] = "Common latent"
    paper: ClassVar[str] = ""  # authors, title, year, url

    def __init__(
        self,
        modalities: Sequence[Modality],
        parts: dict[str, Architecture],
        *,
        latent: int = 16,
        noise: float = 0.1,
        training: Optimisation = TRAINING,
    ) -> None:
        super().__init__()
        self.parts, self.noise, self.optimisation = parts, noise, training
        self.encoders = nn.ModuleDict({m: part.encoder(latent) for m, part in parts.items()})
        self.decoders = nn.ModuleDict({m: part.decoder(latent) for m, part in parts.items()})
        self.register_buffer("mean", torch.zeros(latent))
        self.register_buffer("root", torch.eye(latent))  # of the codes' covariance

    def code(self, given: Batch, noise: torch.Generator) -> Tensor:
        """The latent (B, D) of some modalities."""
        z = torch.stack([self.encoders[m](given[m]) for m in self.parts if m in given]).mean(0)
        return z + self.noise * torch.randn(z.shape, generator=noise, device=z.device)

    def fit(self, train: Split, trainer: Trainer) -> None:
        """Trains all networks at once, then fits the Gaussian."""

        def loss(rows: Tensor, noise: torch.Generator) -> Tensor:
            x = train.batch(rows)
            codes = [self.code({m: x[m]}, noise) for m in x] + [self.code(x, noise)]
            return -sum(
                part.log_prob(self.decoders[m], z, x[m]).mean()
                for z in codes
                for m, part in self.parts.items()
            )

        trainer.minimise("networks", self, loss, len(train), self.optimisation)
        rows = torch.arange(len(train))
        noise = stream(trainer.seed, "codes", device=self.mean.device)
        with torch.no_grad():
            z = torch.cat([self.code(train.batch(some), noise) for some in rows.split(1000)])
        self.mean.copy_(z.mean(0))
        self.root.copy_(torch.linalg.cholesky(z.T.cov() + 1e-6 * torch.eye(z.shape[1]).to(z)))

    def generate(
        self, given: Batch, targets: Sequence[str], n: int, generator: torch.Generator
    ) -> Batch:
        """Draws the targets given other modalities, n rows of each."""
        ε = torch.randn(n, len(self.mean), generator=generator, device=self.mean.device)
        z = self.code(given, generator) if given else self.mean + ε @ self.root.T
        return {m: self.parts[m].show(self.decoders[m](z)) for m in targets}
