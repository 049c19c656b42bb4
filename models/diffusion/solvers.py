"""Solvers of the reverse diffusion: Euler-Maruyama, ancestral, exponential integrators.

`s(r, t)` is the score, ẑ = (r + σ_t² s) / α_t the estimate of the latents that it stands for, and
λ_t = log(α_t / σ_t).
"""

import math

from mmbench.models.diffusion.sampler import Grid, Sampler
from mmbench.models.diffusion.sde import VPSDE


class Euler(Sampler):
    """Euler-Maruyama, Algorithm 3.

    Args:
        steps: N, the number of steps, at least 1.
    """

    def __init__(self, steps: int = 1000) -> None:
        super().__init__(steps)


class Ancestral(Sampler):
    """DDPM's sampler: estimates the latents, then draws from the exact posterior.

    Its samples are too narrow by O(1/N), because the estimate is taken as exact: under a true
    score, 50 steps lose a tenth of a unit variance. The quadratic grid, finer near 0, keeps more
    of narrow structure and loses nothing of wide structure: Song, Meng and Ermon, "Denoising
    diffusion implicit models", 2021, https://arxiv.org/abs/2010.02502, appendix D.2.

    Args:
        steps: N, the number of steps, at least 1.
        grid: Times T n / N ("uniform") or T (n / N)² ("quadratic").
    """

    def __init__(self, steps: int = 50, grid: Grid = "quadratic") -> None:
        super().__init__(steps, grid, "ancestral")


class Exponential(Sampler):
    """DPM-Solver++: the linear part of the reverse process exactly, ẑ as a polynomial of λ.

    Lu, Zhou, Bao, Chen, Li and Zhu, "DPM-Solver++: fast solver for guided sampling of diffusion
    probabilistic models", 2022, https://arxiv.org/abs/2211.01095: of order 2 its multi-step
    solvers 2M and, with noise, SDE-2M; the last step is of order 1. Of order 1 it is DDIM, and
    with noise the ancestral sampler.

    Args:
        steps: N, the number of steps, at least 1.
        order: 1 or 2.
        noise: Whether it solves the reverse SDE, or the ODE of the same marginals.
        grid: The grid of times.
    """

    def __init__(
        self, steps: int = 25, order: int = 2, noise: bool = True, grid: Grid = "quadratic"
    ) -> None:
        super().__init__(steps, grid, "ancestral")
        if order not in (1, 2):
            raise ValueError(f"order is {order}, expected 1 or 2")
        self.order, self.noise = order, noise

    def step(self, sde: VPSDE, t: float, s: float) -> tuple[float, float, float]:
        """a, b and c of the step of order 1."""
        if self.noise:
            return super().step(sde, t, s)
        k, keep, alpha_t = self._weight(sde, t, s), sde.sigma(s) / sde.sigma(t), sde.alpha(t)
        return keep + k / alpha_t, k * sde.sigma(t) ** 2 / alpha_t, 0.0

    def slope(self, sde: VPSDE, u: float, t: float, s: float) -> float | None:
        """The second-order term: half of ẑ's weight, times the ratio of the steps in λ."""
        if self.order == 1:
            return None
        if s == 0 or u == t:
            return 0.0
        λ_u, λ_t, λ_s = (math.log(sde.alpha(x) / sde.sigma(x)) for x in (u, t, s))
        return self._weight(sde, t, s) / 2 * (λ_s - λ_t) / (λ_t - λ_u)

    def _weight(self, sde: VPSDE, t: float, s: float) -> float:
        """The weight of ẑ: α_s (1 − e^(−h)), with noise α_s (1 − e^(−2h)), h = λ_s − λ_t."""
        # e^(-h), which is 0 at s = 0
        shrink = sde.alpha(t) * sde.sigma(s) / (sde.sigma(t) * sde.alpha(s))
        return sde.alpha(s) * (1 - shrink ** (2 if self.noise else 1))
