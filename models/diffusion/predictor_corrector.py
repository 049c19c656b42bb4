"""The predictor-corrector sampler: every step down the grid after moves that stay at their time.

The corrector's moves are Langevin's, which leave the law of r_t as it is and so mend what the
steps before got wrong; the predictor is Euler-Maruyama:

    r ← r + δ s(r, t) + √(2δ) ε,    δ = 2 (snr ‖ε‖ / ‖s‖)²,    ε ~ N(0, I).

Song et al., "Score-based generative modeling through stochastic differential equations", 2021,
https://arxiv.org/abs/2011.13456, algorithms 3 and 5. They take both norms from the batch, and then
a sample depends on the others of its batch. Here they are √D for the noise and √D / σ_t for the
score, that of the kernel q(r_t | z), on which a score network is trained: δ = 2 (snr σ_t)². The
true score is no longer than that in root mean square, so the moves are no longer than theirs.
Their factor 1 - β_i, close to 1, is left out.
"""

from collections.abc import Sequence
from typing import Literal

from mmbench.models.diffusion.sampler import MOST, Grid, Sampler
from mmbench.models.diffusion.sde import VPSDE
from mmbench.protocols.arguments import between


class PredictorCorrector(Sampler):
    """Steps down with Langevin corrections; see the module.

    Args:
        steps: N, the number of steps down, at least 1.
        corrections: Langevin moves before each of them, at least 0.
        snr: The corrector's signal-to-noise ratio, above 0; Song et al. take 0.16.
        below: Corrects only at times up to this fraction of T, 0 to 1.
        step: The moves down: Euler-Maruyama, as in the paper, or the exact posterior.
        grid: The grid of times: "uniform" as in the paper, or "quadratic".
    """

    def __init__(
        self,
        steps: int = 1000,
        corrections: int = 1,
        snr: float = 0.16,
        below: float = 1.0,
        step: Literal["euler", "ancestral"] = "euler",
        grid: Grid = "uniform",
    ) -> None:
        super().__init__(steps, grid, step)
        between(0, MOST, corrections=corrections)
        if not 0 < snr <= 1000:
            raise ValueError(f"snr is {snr}, expected more than 0 and at most 1000")
        if not 0 <= below <= 1:
            raise ValueError(f"below is {below}, expected from 0 to 1")
        self.corrections, self.snr, self.below = corrections, snr, below

    def correction(self, sde: VPSDE, t: float) -> tuple[float, float]:
        """δ and √(2δ) of the corrector's move at t."""
        δ = 2 * (self.snr * sde.sigma(t)) ** 2
        return δ, (2 * δ) ** 0.5

    @property
    def evaluations(self) -> int:
        """Evaluations of the score that a sample costs: one for each move."""
        return self.steps + self.corrections * sum(t <= self.below for t in self.times(1.0)[1:])

    def corrections_at(self, sde: VPSDE, t: float) -> Sequence[tuple[float, float]]:
        """δ and √(2δ) of each of Langevin's moves at time t."""
        return [self.correction(sde, t)] * (self.corrections if t <= self.below * sde.T else 0)
