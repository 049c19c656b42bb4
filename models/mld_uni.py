"""MLD UNI: MLD trained as UniDiffuser is, with a diffusion time for each modality.

Bounoua, Franzese, Michiardi: Multi-modal Latent Diffusion, 2023,
https://arxiv.org/abs/2306.04445, section A.4, after Bao et al., "One transformer fits all
distributions in multi-modal diffusion at scale", 2023, https://arxiv.org/abs/2303.06555.
"""

from typing import ClassVar

import torch
from torch import Tensor

from mmbench.models.latent_diffusion import LatentDiffusion


class MLDUni(LatentDiffusion):
    """MLD with independent diffusion times and no masks; it conditions as MLD does."""

    title: ClassVar[str] = "Multi-modal latent diffusion, UniDiffuser training"

    def diffusion_loss(
        self, z: Tensor, noise: torch.Generator, present: Tensor | None = None
    ) -> Tensor:
        """The error of the noise, where each modality of each example has its own t ~ U(0, 1)."""
        B, M = len(z), len(self.names)
        τ = torch.rand(B, M, generator=noise, device=z.device)
        ε = torch.randn(z.shape, generator=noise, device=z.device)
        r = self.sde.perturb(z, τ[:, self.owner], ε)
        if present is None:
            present = torch.ones_like(τ)
        known = present[:, self.owner]  # (B, D)
        r = torch.where(known > 0, r, ε)
        error: Tensor = known * (self.score_network(r, present * τ + (1 - present)) - ε)
        return (error**2).sum(1).mean()
