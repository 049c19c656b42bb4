"""DDIM: the reverse diffusion without fresh noise, in few steps.

Song, Meng and Ermon: Denoising diffusion implicit models, 2021, https://arxiv.org/abs/2010.02502,
equation 12 with σ = 0. The step is that of the library diffusers, on our process and grid.
"""

import torch
from torch import Tensor

from mmbench.extras import optional
from mmbench.models.diffusion.sampler import LONGEST, POWERS, Grid, Score
from mmbench.models.diffusion.sde import VPSDE
from mmbench.protocols.arguments import among, between

EARLIEST = 1e-3
"""The time below which networks of noise are not trained: where the sampling of Song et al.'s code
for Score-based generative modeling through stochastic differential equations, 2021,
https://arxiv.org/abs/2011.13456, ends. About the noise of the first of DDPM's 1,000 levels."""


class DDIM:
    """Moves from T to `EARLIEST` on a grid of times, then to the estimate of the data.

    All noise is drawn in one call, before the first step. Few steps make narrow structure
    narrower still: under a true score, 50 even ones keep 0.78 of a deviation of 0.1, where a
    quadratic grid, finer near 0, keeps 0.94 (appendix D.2 of the paper has both grids).

    Args:
        steps: Evaluations of the score, at least 2.
        grid: Times evenly spaced ("uniform"), or their square roots ("quadratic").
        clip: Whether estimates of the data are held to [-1, 1], as DDPM does for pictures.
    """

    def __init__(self, steps: int = 50, grid: Grid = "uniform", clip: bool = True) -> None:
        between(2, LONGEST, steps=steps)
        among("grid", grid, POWERS)
        self.steps, self.power, self.clip = steps, POWERS[grid], clip

    def shorten(self) -> None:
        """Leaves as few steps as there can be, to try what draws by it."""
        self.steps = 2

    @property
    def evaluations(self) -> int:
        """Evaluations of the score that a sample costs."""
        return self.steps

    @torch.no_grad()
    def sample(
        self, score: Score, sde: VPSDE, z: Tensor, free: Tensor, generator: torch.Generator
    ) -> Tensor:
        """As `Sampler.sample`: (B, D), given coordinates put back.

        Raises:
            ImportError: diffusers is not installed.
        """
        diffusers = optional("diffusers", "DDIM", "diffusers", "diffusion")
        first, last = EARLIEST ** (1 / self.power), sde.T ** (1 / self.power)
        times = torch.linspace(first, last, self.steps, dtype=torch.float64) ** self.power
        kept = sde.alpha(times) ** 2
        before = torch.cat([torch.ones(1, dtype=torch.float64), kept[:-1]])
        betas = (1 - kept / before).tolist()
        scheduler = diffusers.DDIMScheduler(self.steps, trained_betas=betas, clip_sample=self.clip)
        scheduler.set_timesteps(self.steps)
        r = torch.where(free, torch.empty_like(z).normal_(generator=generator), z)
        for i in scheduler.timesteps.tolist():
            t = times[i].item()
            noise = score(r, t).mul(-sde.sigma(t))
            r = scheduler.step(noise, i, r, use_clipped_model_output=self.clip).prev_sample
            r = torch.where(free, r, z)
        return r
