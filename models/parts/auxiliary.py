"""The auxiliary score model: a diffusion on z that draws from the aggregate posterior.

Wesego and Rooshenas: Multimodal ELBO with diffusion decoders, 2024,
https://arxiv.org/abs/2408.16883, section 3.4. The prior of a VAE and the mean of its posteriors
differ; joint generation from the latter suits the decoders, which were trained on it. The paper's
network is a U-Net over z as a sequence or a square; z has no such order, so here it is the
residual MLP of `mmbench.models.diffusion.score`.
"""

import torch
from torch import Tensor, nn

from mmbench.baselines.posteriors import Gaussian
from mmbench.core.likelihood import full_precision
from mmbench.models.diffusion.ddim import DDIM, EARLIEST
from mmbench.models.diffusion.score import ScoreNetwork
from mmbench.models.diffusion.sde import VPSDE


class AuxiliaryScore(nn.Module):
    """A score model of q(z), the mean of the posteriors q(z | x) over training examples.

    Args:
        size: D, of z.
        width: Width of the network.
        blocks: Its levels.
        time_embedding: Size of its time embedding.
        groups: Groups of its group normalisations.
        steps: Steps of DDIM, on the quadratic grid: informative coordinates of z are narrow.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, size: int, width: int, blocks: int, time_embedding: int, groups: int, steps: int
    ) -> None:
        super().__init__()
        self.sde, self.sampler = VPSDE(), DDIM(steps, "quadratic", clip=False)
        self.network = ScoreNetwork(size, 1, width, blocks, time_embedding, groups)
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))

    def standardise(self, q: Gaussian) -> None:
        """Standardises z by the mean and deviation of posteriors (N, D)."""
        mean = q.mean.mean(0)
        self.mean.copy_(mean)
        variance = q.log_variance.exp().mean(0) + (q.mean - mean).square().mean(0)
        self.std.copy_(variance.sqrt().clamp_min(1e-6))

    def loss(self, z: Tensor, noise: torch.Generator) -> Tensor:
        """E ||ε - ε(z_t, t)||² of z (B, D), mean over the batch."""
        t = torch.rand(len(z), 1, generator=noise, device=z.device)
        t = EARLIEST + (self.sde.T - EARLIEST) * t
        ε = torch.randn(z.shape, generator=noise, device=z.device)
        z_t = self.sde.perturb((z - self.mean) / self.std, t, ε)
        return (self.noise(z_t, t) - ε).square().sum(1).mean()

    def noise(self, z: Tensor, t: Tensor) -> Tensor:
        """Predicts the noise in standardised z (B, D) at times t (B, 1): (B, D).

        It is α_t v + σ_t z for the network's output v, which begins at 0: at the score of a
        standard normal distribution (Salimans and Ho, Progressive distillation for fast sampling
        of diffusion models, 2022, https://arxiv.org/abs/2202.00512, section 4).
        """
        v = full_precision(self.network(z, t))
        return self.sde.alpha(t) * v + self.sde.sigma(t) * z

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draws z: (n, D)."""

        def score(z: Tensor, t: float) -> Tensor:
            return self.noise(z, torch.full_like(z[:, :1], t)).div_(-self.sde.sigma(t))

        start = self.mean.expand(n, -1)
        free = torch.ones_like(self.mean, dtype=torch.bool)
        z = self.sampler.sample(score, self.sde, torch.zeros_like(start), free, generator)
        return self.mean + self.std * z
