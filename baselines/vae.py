"""What the multi-modal VAEs share: an encoder and a decoder for each modality, one latent z."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmbench.baselines.posteriors import Gaussian, stack
from mmbench.core import Batch, LatentModel, Modality, Split
from mmbench.models.architecture import Architecture
from mmbench.registry import nearest
from mmbench.train import Optimisation, Trainer

ROWS = 1024  # examples decoded at a time


class MultimodalVAE(LatentModel):
    """p(z) Π p(xᵐ | z), with an approximate posterior for any subset of modalities.

    Args:
        modalities: The data set's.
        architectures: Networks and likelihood of each modality.
        latent: D, the size of z.
        training: How it is trained.
        beta: β, the weight of the divergence from the prior.
        weights: Modality -> factor of its log-likelihood; 1 by default.
    """

    takes_incomplete = True
    step: Tensor

    def __init__(
        self,
        modalities: Sequence[Modality],
        architectures: dict[str, Architecture],
        *,
        latent: int,
        training: Optimisation,
        beta: float = 1.0,
        weights: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.names = [m.name for m in modalities]
        for name in weights or {}:
            if name not in self.names:
                raise ValueError(f"weights names a modality {name!r}{nearest(name, self.names)}")
        if latent < 1:
            raise ValueError(f"latent is {latent}, expected at least 1")
        if beta < 0:
            raise ValueError(f"beta is {beta}, expected at least 0")
        self.latent, self.training_settings, self.beta = latent, training, beta
        self.weights = [(weights or {}).get(m, 1.0) for m in self.names]
        self.architectures = architectures
        self.build()
        # Steps taken: part of the state, so that what is annealed resumes where it was.
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def build(self) -> None:
        """Makes the networks: here an encoder to 2 D values and a decoder a modality."""
        parts = [(m, self.architectures[m]) for m in self.names]
        self.encoders = nn.ModuleDict({m: a.encoder(2 * self.latent) for m, a in parts})
        self.decoders = nn.ModuleDict({m: a.decoder(self.latent) for m, a in parts})

    def fit(self, train: Split, trainer: Trainer) -> None:
        """Maximises the objective in one stage."""
        size = min(self.training_settings.batch_size, len(train))
        self.steps_per_epoch = len(train) // size

        def loss(rows: Tensor, noise: torch.Generator) -> Tensor:
            x = train.batch(rows, self.names)
            present = torch.stack([train.present(m, rows) for m in self.names]).float()
            value = -self.objective(x, present, noise)
            self.step += 1
            return value

        trainer.minimise("vae", self, loss, len(train), self.training_settings)

    @abstractmethod
    def objective(self, x: Batch, present: Tensor, noise: torch.Generator) -> Tensor:
        """What training maximises, mean over the batch.

        Args:
            x: modality -> (B, *shape), zeros where absent.
            present: (M, B), 1 where an example has a modality.
            noise: Source of all randomness.
        """

    @abstractmethod
    def infer(self, given: Batch, noise: torch.Generator) -> Tensor:
        """Samples z from the posterior of the modalities given (at least one): (B, D)."""

    def prior(self, n: int, noise: torch.Generator) -> Tensor:
        """Samples z from the prior: (n, D)."""
        return torch.randn(n, self.latent, generator=noise, device=self.step.device)

    @torch.no_grad()
    def encode(self, given: Batch, n: int, generator: torch.Generator) -> Tensor:
        """Samples z given some modalities, from the prior given none: (n, D)."""
        for m in given:
            if m not in self.names:
                raise ValueError(f"there is no modality {m!r}{nearest(m, self.names)}")
        return self.infer(given, generator) if given else self.prior(n, generator)

    @torch.no_grad()
    def decode(self, z: Tensor, targets: Sequence[str]) -> Batch:
        """Decodes latents (n, D)."""
        out = {}
        for m in targets:
            if m not in self.names:
                raise ValueError(f"there is no modality {m!r}{nearest(m, self.names)}")
            show = self.architectures[m].show
            out[m] = torch.cat([show(self.output(m, c)) for c in z.split(ROWS)])
        return out

    def output(self, name: str, z: Tensor) -> Tensor:
        """What the decoder of a modality makes of z (B, D), as its likelihood takes it."""
        found: Tensor = self.decoders[name](z)
        return found

    def experts(self, x: Batch, present: Tensor | None = None) -> Gaussian:
        """q(z | xᵐ) of each modality in x, in the order of `names`: (len(x), B, D).

        Args:
            x: modality -> (B, *shape).
            present: (len(x), B); an absent expert has an infinite variance.
        """
        names = [m for m in self.names if m in x]
        found = stack([Gaussian.of(self.encoders[m](x[m])) for m in names])
        if present is None:
            return found
        missing = (present == 0)[..., None]
        return Gaussian(found.mean, found.log_variance.masked_fill(missing, torch.inf))

    def log_likelihood(self, z: Tensor, x: Batch, present: Tensor) -> Tensor:
        """Weighted Σ log p(xᵐ | z) over the modalities in x, (..., B) for z (..., B, D).

        Args:
            z: Latents.
            x: modality -> (B, *shape).
            present: (M, B), 1 where the term of a modality counts.
        """
        total = torch.zeros(z.shape[:-1], device=z.device)
        for i, m in enumerate(self.names):
            if m in x:
                total = total + present[i] * self.weights[i] * self.log_prob(m, z, x[m])
        return total

    def log_prob(self, name: str, z: Tensor, x: Tensor) -> Tensor:
        """Log p(xᵐ | z), (..., B) for z (..., B, D) and x (B, *shape)."""
        output = self.decoders[name](z.flatten(0, -2))
        repeated = x.expand(*z.shape[:-2], *x.shape).flatten(0, z.ndim - 2)
        return self.architectures[name].likelihood.log_prob(output, repeated).view(z.shape[:-1])

    def annealed(self, epochs: int) -> float:
        """A factor that rises from 0 to 1 over the first epochs, linearly in steps."""
        if epochs == 0:
            return 1.0
        return min(1.0, self.step.item() / (epochs * self.steps_per_epoch))
