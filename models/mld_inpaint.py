"""MLD IN-PAINT: conditional generation by inpainting with an unconditional score.

Bounoua, Franzese, Michiardi: Multi-modal Latent Diffusion, 2023,
https://arxiv.org/abs/2306.04445, section 4.2 and Algorithm 1.
"""

from typing import ClassVar

import torch
from torch import Tensor

from mmbench.core.data import Batch
from mmbench.models.diffusion.sampler import Score
from mmbench.models.latent_diffusion import LatentDiffusion


class MLDInpaint(LatentDiffusion):
    """Latent diffusion with one time for all modalities.

    It approximates the conditional score by the unconditional one at what is given, diffused to
    the time of the rest with fresh noise. The error is the information about what is given that
    only the diffused rest holds, Δ = I(Z^A2; R^A1, R^A2) − I(Z^A2; R^A2) of section 4.2: none
    where R^A2 says all, much where what is given is small or loses its information early.
    """

    title: ClassVar[str] = "Multi-modal latent diffusion, inpainting"
    one_time: ClassVar[bool] = True
    takes_incomplete: ClassVar[bool] = False  # its one time cannot say what is absent

    def diffusion_loss(
        self, z: Tensor, noise: torch.Generator, present: Tensor | None = None
    ) -> Tensor:
        """Equation 5 with the noise as the network's target, at t ~ U(0, 1)."""
        t = torch.rand(len(z), 1, generator=noise, device=z.device)
        ε = torch.randn(z.shape, generator=noise, device=z.device)
        r = self.sde.perturb(z, t, ε)
        error: Tensor = self.score_network(r, t) - ε
        return (error**2).sum(1).mean()

    def conditional_score(self, given: Batch, z: Tensor, generator: torch.Generator) -> Score:
        """Algorithm 1: the unconditional score, with what is given diffused anew each time."""
        free = self.free(given)

        def score(r: Tensor, t: float) -> Tensor:
            r = self.in_painted(r, t, free, generator) if given else r
            return self.predicted_noise(r, r.new_full((1, 1), t)).div_(-self.sde.sigma(t))

        return score
