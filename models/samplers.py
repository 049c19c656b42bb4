"""Samplers of the reverse diffusion, joint and conditional.

A sampler moves on a grid of times 0 = t_0 < ... < t_N = T, from noise at T to latents at 0. Every
move is linear in the state, its score and fresh noise,

    r ← a r + b s(r, t) + c ε,    ε ~ N(0, I),

so samplers differ only in the grid, in the coefficients of a move down and in the order of moves:
RePaint also moves up, by the exact kernel of the forward process. After each move the coordinates
that are given are put back (Algorithm 3), so the score always sees them clean.

Algorithm and equation numbers are those of Bounoua, Franzese and Michiardi, "Multi-modal latent
diffusion", 2024, https://doi.org/10.3390/e26040320, appendix A.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor

from mmbench.models.sde import VPSDE
from mmbench.protocol import construct
from mmbench.registry import nearest

Score = Callable[[Tensor, float], Tensor]
"""s(r, t): (B, D) -> (B, D), the score of the free coordinates of r at time t given the others.

What it returns at the coordinates that are given is ignored.
"""

Step = Callable[[VPSDE, float, float], tuple[float, float, float]]
"""(sde, t, s) -> a, b and c of a move down from time t to s < t; c = 0 where s = 0."""


def euler_maruyama(sde: VPSDE, t: float, s: float) -> tuple[float, float, float]:
    """One step of the Euler-Maruyama scheme for the reverse process (equation 11)."""
    B = (t - s) * sde.beta(t)
    return 1 + B / 2, B, B**0.5 if s > 0 else 0.0


def exact_posterior(sde: VPSDE, t: float, s: float) -> tuple[float, float, float]:
    """Tweedie's estimate ẑ = (r + σ_t² s(r, t)) / α_t of the latents, then q(r_s | r_t, ẑ).

    Ho, Jain and Abbeel, "Denoising diffusion probabilistic models", 2020,
    https://arxiv.org/abs/2006.11239, Algorithm 2, on the continuous process.
    """
    a, b, std = sde.posterior(s, t)
    alpha_t, sigma_t = sde.alpha(t), sde.sigma(t)
    return a + b / alpha_t, b * sigma_t**2 / alpha_t, std


STEPS: dict[str, Step] = {"euler": euler_maruyama, "ancestral": exact_posterior}


class Sampler(ABC):
    """Draws latents by reversing the diffusion.

    Args:
        steps: N, the number of intervals of the time grid, at least 1.
    """

    def __init__(self, steps: int) -> None:
        if steps < 1:
            raise ValueError(f"steps is {steps}, expected at least 1")
        self.steps = steps

    @abstractmethod
    def step(self, sde: VPSDE, t: float, s: float) -> tuple[float, float, float]:
        """a, b and c of the move down from time t to s < t."""

    def times(self, T: float) -> list[float]:
        """The grid t_0 = 0 to t_N = T, evenly spaced."""
        return [T * n / self.steps for n in range(self.steps + 1)]

    def schedule(self) -> list[int]:
        """The grid's indices in the order in which they are visited, from N to 0."""
        return list(range(self.steps, -1, -1))

    @property
    def evaluations(self) -> int:
        """Evaluations of the score that a sample costs: one for each move down."""
        return sum(down < up for up, down in pairwise(self.schedule()))

    @torch.no_grad()
    def sample(
        self, score: Score, sde: VPSDE, z: Tensor, free: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Draws the free coordinates given the others (Algorithm 3); jointly if all are free.

        Noise is drawn for all coordinates, so that a free one meets the same noise whichever
        others are given.

        Args:
            score: Of the free coordinates.
            sde: The process to reverse.
            z: (B, D), float32 or float64: the given coordinates; the others are ignored.
            free: (D,), bool: the coordinates to draw.
            generator: Source of all noise, on z's device.

        Returns:
            (B, D) of z's type; what is given comes back as it was.

        Raises:
            ValueError: A shape or type is wrong.
        """
        if z.ndim != 2 or z.dtype not in (torch.float32, torch.float64):
            raise ValueError(
                f"z is {tuple(z.shape)} of {z.dtype}, expected (B, D) of float32 or float64"
            )
        if free.shape != z.shape[1:] or free.dtype != torch.bool:
            raise ValueError(
                f"free is {tuple(free.shape)} of {free.dtype}, "
                f"expected {tuple(z.shape[1:])} of torch.bool"
            )
        times = self.times(sde.T)
        noise = torch.empty_like(z).normal_(generator=generator)
        r = torch.where(free, noise, z)
        for i, j in pairwise(self.schedule()):
            t, s = times[i], times[j]
            if s < t:
                a, b, c = self.step(sde, t, s)
                r = (a * r).add_(score(r, t), alpha=b)
            else:
                a, c = sde.transition(t, s)
                r = a * r
            if c > 0:
                r.add_(noise.normal_(generator=generator), alpha=c)
            torch.where(free, r, z, out=r)
        return r


class Euler(Sampler):
    """Euler-Maruyama, Algorithm 3.

    Args:
        steps: N, the number of steps, at least 1.

    Raises:
        ValueError: `steps` is below 1.
    """

    def __init__(self, steps: int = 1000) -> None:
        super().__init__(steps)

    def step(self, sde: VPSDE, t: float, s: float) -> tuple[float, float, float]:
        """a, b and c of equation 11, discretised."""
        return euler_maruyama(sde, t, s)


class Ancestral(Sampler):
    """DDPM's sampler: estimates the latents, then draws from the exact posterior.

    Its samples are too narrow by O(1/N), because the estimate is taken as exact: under a true
    score, 50 steps lose a tenth of a unit variance. The quadratic grid, finer near 0, keeps more
    of narrow structure and loses nothing of wide structure: Song, Meng and Ermon, "Denoising
    diffusion implicit models", 2021, https://arxiv.org/abs/2010.02502, appendix D.2.

    Args:
        steps: N, the number of steps, at least 1.
        grid: Times T n / N ("uniform") or T (n / N)² ("quadratic").

    Raises:
        ValueError: A value is out of its range.
    """

    def __init__(
        self, steps: int = 50, grid: Literal["uniform", "quadratic"] = "quadratic"
    ) -> None:
        super().__init__(steps)
        if grid not in ("uniform", "quadratic"):
            raise ValueError(f"grid is {grid!r}{nearest(str(grid), ('uniform', 'quadratic'))}")
        self.grid = grid

    def step(self, sde: VPSDE, t: float, s: float) -> tuple[float, float, float]:
        """a, b and c of the exact posterior."""
        return exact_posterior(sde, t, s)

    def times(self, T: float) -> list[float]:
        """The grid t_0 = 0 to t_N = T."""
        power = {"uniform": 1, "quadratic": 2}[self.grid]
        return [T * (n / self.steps) ** power for n in range(self.steps + 1)]


class RePaint(Sampler):
    """Goes down the grid with repeated jumps back up, which let the coordinates harmonise.

    Lugmayr et al., "RePaint: inpainting using denoising diffusion probabilistic models", 2022,
    https://arxiv.org/abs/2201.09865, algorithm 1 and section 4.2. There it serves to condition an
    unconditional score; here the score is conditional already and what remains is a corrector.
    The multi-modal papers use steps 250, resamplings 10, jump 10 (appendix A.5): 2,410 evaluations
    and 2,160 moves up.

    Resampling repeats the errors of the step: with exact posteriors on a coarse grid the samples
    are narrower still (25, 10, 1 below 0.2 loses a third of a unit variance under a true score).

    Args:
        steps: N, the number of intervals of the grid (their t_T).
        resamplings: How often each stretch of `jump` intervals is walked (their jump_n_sample).
        jump: Intervals in one jump (their jump_length), below `steps`.
        below: Resamples only stretches that start at a time below this fraction of T, 0 to 1.
        step: The moves down: Euler-Maruyama, as in the papers, or the exact posterior.

    Raises:
        ValueError: A value is out of its range.
    """

    def __init__(
        self,
        steps: int = 250,
        resamplings: int = 10,
        jump: int = 10,
        below: float = 1.0,
        step: Literal["euler", "ancestral"] = "euler",
    ) -> None:
        super().__init__(steps)
        if resamplings < 1:
            raise ValueError(f"resamplings is {resamplings}, expected at least 1")
        if not 1 <= jump < steps:
            raise ValueError(f"jump is {jump}, expected at least 1 and less than steps, {steps}")
        if not 0 <= below <= 1:
            raise ValueError(f"below is {below}, expected from 0 to 1")
        if step not in STEPS:
            raise ValueError(f"step is {step!r}{nearest(str(step), STEPS)}")
        self.resamplings, self.jump, self.below = resamplings, jump, below
        self._step = STEPS[step]

    def step(self, sde: VPSDE, t: float, s: float) -> tuple[float, float, float]:
        """a, b and c of the move down."""
        return self._step(sde, t, s)

    def schedule(self) -> list[int]:
        """The grid's indices in the order in which they are visited, from N to 0.

        The published schedule counts noise levels from 0 and ends at -1; here each of its entries
        is one more, so that index n is the time n T / N.
        """
        visited: list[int] = []
        n = self.steps
        for j in reversed(range(0, self.steps - self.jump, self.jump)):
            if j / self.steps < self.below:
                low, high = j + 1, j + 1 + self.jump
                visited += range(n, low, -1)
                visited += [*range(low, high), *range(high, low, -1)] * (self.resamplings - 1)
                n = low
        return visited + list(range(n, -1, -1))


SAMPLERS: dict[str, type[Sampler]] = {"euler": Euler, "ancestral": Ancestral, "repaint": RePaint}


def make_sampler(settings: Mapping[str, Any]) -> Sampler:
    """The sampler of a protocol's table `evaluation.sampler`.

    Args:
        settings: The name of a sampler under "name", and its arguments.

    Raises:
        ValueError: There is no such sampler, or it does not take these settings.
    """
    arguments = dict(settings)
    name = arguments.pop("name", None)
    if name not in SAMPLERS:
        told = "no name" if name is None else f"the name {name!r}"
        raise ValueError(f"the sampler has {told}{nearest(str(name), SAMPLERS)}")
    return construct(SAMPLERS[name], arguments, f"the sampler {name!r}")  # type: ignore[no-any-return]
