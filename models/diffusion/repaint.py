"""RePaint: a walk down the reverse diffusion with repeated jumps back up."""

from typing import Literal

from mmbench.models.diffusion.sampler import MOST, POWERS, Grid, Sampler
from mmbench.models.diffusion.sde import VPSDE
from mmbench.protocols.arguments import between


class RePaint(Sampler):
    """Goes down the grid with repeated jumps back up, which let the coordinates harmonise.

    Lugmayr et al., "RePaint: inpainting using denoising diffusion probabilistic models", 2022,
    https://arxiv.org/abs/2201.09865, algorithm 1 and section 4.2. There it conditions an
    unconditional score; here the score is conditional already, and RePaint is a corrector.
    The multi-modal papers use steps 250, resamplings 10, jump 10 (appendix A.5): 2,410 evaluations
    and 2,160 moves up.

    Resampling repeats the errors of the step: with exact posteriors on a coarse grid the samples
    are narrower still (25, 10, 1 below 0.2 loses a third of a unit variance under a true score),
    because their variance is right only where the latents are known exactly. The mean is right
    for all latents; `variance` sets how much more noise a move down adds.

    Args:
        steps: N, the number of intervals of the grid (their t_T).
        resamplings: How often each stretch of `jump` intervals is walked (their jump_n_sample).
        jump: Intervals in one jump (their jump_length), below `steps`.
        below: Resamples only the stretches from t_{j+1} to t_{j+1+jump} with t_j below this
            fraction of T, 0 to 1: the published schedule counts t_{j+1} as its level j.
        step: The moves down: Euler-Maruyama, as in the papers, or the exact posterior.
        grid: The grid of times: "uniform" as in the papers, or "quadratic".
        variance: The exact posterior's noise, 0 to 1: 0 is its own, right where the latents are
            a point; 1 that of the forward kernel, right where they are N(0, I); between them it is
            interpolated geometrically, as in Nichol and Dhariwal, "Improved denoising diffusion
            probabilistic models", 2021, https://arxiv.org/abs/2102.09672, equation 15.
        noise: Factor of the noise of the moves down, from 1: a little more restores the spread
            that coarse moves lose by resampling where latents are narrow.
            Karras, Aittala, Aila and Laine, "Elucidating the design space of diffusion-based
            generative models", 2022, https://arxiv.org/abs/2206.00364, section 4: their S_noise,
            up to 1.007.
    """

    def __init__(
        self,
        steps: int = 250,
        resamplings: int = 10,
        jump: int = 10,
        below: float = 1.0,
        step: Literal["euler", "ancestral"] = "euler",
        grid: Grid = "uniform",
        variance: float = 0.0,
        noise: float = 1.0,
    ) -> None:
        super().__init__(steps, grid, step)
        between(1, MOST, resamplings=resamplings)
        if not 1 <= jump < steps:
            raise ValueError(f"jump is {jump}, expected at least 1 and less than steps, {steps}")
        if not 0 <= below <= 1:
            raise ValueError(f"below is {below}, expected from 0 to 1")
        if not 0 <= variance <= 1 or (variance and step != "ancestral"):
            expected = "expected from 0 to 1 with 'ancestral'"
            raise ValueError(f"variance is {variance} with the step {step!r}, {expected}")
        if not 1 <= noise < 2:
            raise ValueError(f"noise is {noise}, expected a factor from 1 to below 2")
        self.resamplings, self.jump, self.below = resamplings, jump, below
        self.variance, self.noise = variance, noise

    def step(self, sde: VPSDE, t: float, s: float) -> tuple[float, float, float]:
        """a, b and c of the move down."""
        a, b, c = super().step(sde, t, s)
        if self.variance and s > 0:
            c = c ** (1 - self.variance) * sde.transition(s, t)[1] ** self.variance
        return a, b, self.noise * c

    def schedule(self) -> list[int]:
        """The grid's indices in the order in which they are visited, from N to 0.

        The published schedule counts noise levels from 0 and ends at -1; here each of its entries
        is one more, so that index n is the grid's time t_n.
        """
        visited: list[int] = []
        n = self.steps
        for j in reversed(range(0, self.steps - self.jump, self.jump)):
            if (j / self.steps) ** POWERS[self.grid] < self.below:
                low, high = j + 1, j + 1 + self.jump
                visited += range(n, low, -1)
                visited += [*range(low, high), *range(high, low, -1)] * (self.resamplings - 1)
                n = low
        return visited + list(range(n, -1, -1))
