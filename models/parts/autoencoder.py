"""Deterministic autoencoders of single modalities: the first stage of latent diffusion.

Bounoua, Franzese, Michiardi: Multi-modal Latent Diffusion, 2023,
https://arxiv.org/abs/2306.04445, section 4.
"""

from __future__ import annotations

from torch import Tensor

from mmbench.architecture import Architecture
from mmbench.training.memory_format import LaidOut


class Autoencoder(LaidOut):
    """A deterministic autoencoder of one modality."""

    def __init__(self, architecture: Architecture, latent: int) -> None:
        super().__init__()
        self.architecture = architecture
        self.encoder = architecture.encoder(latent)
        self.decoder = architecture.decoder(latent)

    def loss(self, x: Tensor) -> Tensor:
        """Equation 2 with l = -log p(x | decoder(encoder(x))), mean over the batch."""
        return -self.architecture.likelihood.log_prob(self.decoder(self.encoder(x)), x).mean()
