"""What all samplers of the reverse diffusion share, joint and conditional.

A sampler moves on a grid of times 0 = t_0 < ... < t_N = T, from noise at T to latents at 0. Every
move is linear in the state, its score and fresh noise,

    r ← a r + b s(r, t) + c ε,    ε ~ N(0, I),

so samplers differ only in the grid, in the coefficients of a move down and in the order of moves:
RePaint also moves up, by the exact kernel of the forward process. A multi-step solver adds a
multiple of how the estimate of the latents, ẑ = (r + σ_t² s) / α_t, changed since its last move.
After each move the coordinates that are given are put back (Algorithm 3), so the score always sees
them clean.

Algorithm and equation numbers are those of Bounoua, Franzese and Michiardi, "Multi-modal latent
diffusion", 2024, https://doi.org/10.3390/e26040320, appendix A.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from mmbench.models.diffusion.sde import VPSDE
from mmbench.protocols.arguments import among, between

Score = Callable[[Tensor, float], Tensor]
"""s(r, t): (B, D) -> (B, D), the score of the free coordinates of r at time t given the others.

Its values at given coordinates are ignored.
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


LONGEST = 100_000
"""The most steps of a grid; the papers' have at most 1,000."""

MOST = 1000
"""The most times that a sampler repeats what it does at one time."""

Grid = Literal["uniform", "quadratic"]
"""Times T n / N, or T (n / N)²: finer near 0, where the structure of the latents is."""

POWERS: dict[str, int] = {"uniform": 1, "quadratic": 2}


class Sampler:
    """Draws latents by reversing the diffusion.

    Args:
        steps: N, the number of intervals of the time grid, 1 to `LONGEST`.
        grid: The grid of times.
        step: The move down: "euler" for Euler-Maruyama, "ancestral" for the exact posterior.

    Raises:
        ValueError: An argument, of a subclass too, is out of its range.
    """

    def __init__(self, steps: int, grid: Grid = "uniform", step: str = "euler") -> None:
        between(1, LONGEST, steps=steps)
        among("grid", grid, POWERS)
        among("step", step, STEPS)
        self.steps, self.grid, self.move = steps, grid, STEPS[step]
        self.short = False

    def shorten(self) -> None:
        """Leaves a single move, from T to 0, to try what draws by it."""
        self.short = True

    def step(self, sde: VPSDE, t: float, s: float) -> tuple[float, float, float]:
        """a, b and c of the move down from time t to s < t."""
        return self.move(sde, t, s)

    def corrections_at(self, sde: VPSDE, t: float) -> Sequence[tuple[float, float]]:
        """Factors b, c of the moves that stay at time t, before the move down; by default none."""
        return ()

    def slope(self, sde: VPSDE, u: float, t: float, s: float) -> float | None:
        """For a multi-step solver, the multiple of ẑ's change from u to t in the move to s < t.

        None for a solver that does not look back.
        """
        return None

    def times(self, T: float) -> list[float]:
        """The grid t_0 = 0 to t_N = T."""
        power, N = POWERS[self.grid], self.steps
        return [T * n / N if power == 1 else T * (n / N) ** power for n in range(N + 1)]

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
            score: The score of the free coordinates.
            sde: The process to reverse.
            z: (B, D), float32 or float64: the given coordinates; the others are ignored.
            free: (D,), bool: the coordinates to draw.
            generator: Source of all noise, on z's device.

        Returns:
            (B, D) of z's type; what is given comes back as it was.

        Raises:
            ValueError: A shape or type is wrong.
        """
        found, wanted = tuple(z.shape), "(B, D) of float32 or float64"
        if z.ndim != 2 or z.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"z is {found} of {z.dtype}, expected {wanted}")
        found, wanted = tuple(free.shape), f"{tuple(z.shape[1:])} of torch.bool"
        if free.shape != z.shape[1:] or free.dtype != torch.bool:
            raise ValueError(f"free is {found} of {free.dtype}, expected {wanted}")
        times = self.times(sde.T)
        noise = torch.empty_like(z).normal_(generator=generator)
        r = torch.where(free, noise, z)
        last: tuple[float, Tensor] | None = None  # of a multi-step solver: where it was, and ẑ
        for i, j in pairwise([self.steps, 0] if self.short else self.schedule()):
            t, s = times[i], times[j]
            if s < t:
                a, b, c = self.step(sde, t, s)
                for δ, spread in self.corrections_at(sde, t):
                    ε = torch.empty_like(r).normal_(generator=generator)
                    r = torch.where(free, r + δ * score(r, t) + spread * ε, r)
                now = score(r, t)
                multiple = self.slope(sde, last[0] if last else t, t, s)
                if multiple is None:
                    r = (a * r).add_(now, alpha=b)
                else:
                    estimate = (r + sde.sigma(t) ** 2 * now) / sde.alpha(t)
                    r = (a * r).add_(now, alpha=b)
                    if last:
                        r.add_(estimate - last[1], alpha=multiple)
                    last = t, estimate
            else:
                a, c = sde.transition(t, s)
                r = a * r
            if c > 0:
                r.add_(noise.normal_(generator=generator), alpha=c)
            torch.where(free, r, z, out=r)
        return r
