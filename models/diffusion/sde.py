"""The variance-preserving diffusion that latents pass through.

    dr = −½ β(t) r dt + √β(t) dW,    β(t) = β_min + t (β_max − β_min),    0 ≤ t ≤ T    (9)

Between two times s ≤ t it scales by α and adds noise of deviation σ:

    q(r_t | r_s) = N(α_{t|s} r_s, σ²_{t|s} I),    α²_{t|s} = exp(−B),    σ²_{t|s} = 1 − exp(−B),

where B = ∫ β from s to t = (t − s) β((s + t) / 2), because β is linear. From s = 0, where r = z,
this is the perturbation kernel q(r | z, t) = N(α_t z, σ_t² I), equation 10.

Equation numbers are those of Bounoua, Franzese and Michiardi, "Multi-modal latent diffusion",
2024, https://doi.org/10.3390/e26040320, appendix A.2; the process is the VP SDE of Song et al.,
"Score-based generative modeling through stochastic differential equations", 2021,
https://arxiv.org/abs/2011.13456.
"""

import math
from typing import TypeVar

import torch
from torch import Tensor

Time = TypeVar("Time", float, Tensor)
"""One time for all examples, or one for each: (B,) or (B, 1). Results have the same form."""


class VPSDE:
    """The variance-preserving process, with every Gaussian that follows from it.

    Args:
        beta_min: β at time 0, at least 0.
        beta_max: β at time 1, above 0 and at least `beta_min`.
        T: The time at which the process ends, above 0.

    Raises:
        ValueError: A value is out of its range.
    """

    def __init__(self, beta_min: float = 0.1, beta_max: float = 20.0, T: float = 1.0) -> None:
        if not 0 <= beta_min < math.inf:
            raise ValueError(f"beta_min is {beta_min}, expected at least 0")
        if not (beta_min <= beta_max < math.inf and beta_max > 0):
            raise ValueError(
                f"beta_max is {beta_max}, expected above 0 and at least beta_min, {beta_min}"
            )
        if not 0 < T < math.inf:
            raise ValueError(f"T is {T}, expected above 0")
        self.beta_min, self.beta_max, self.T = beta_min, beta_max, T

    def beta(self, t: Time) -> Time:
        """β(t)."""
        return self.beta_min + t * (self.beta_max - self.beta_min)

    def alpha(self, t: Time) -> Time:
        """α_t, the scale of z in r_t (equation 10)."""
        return _of("exp", -t * self.beta(t / 2) / 2)

    def sigma(self, t: Time) -> Time:
        """σ_t, the standard deviation of the noise in r_t (equation 10)."""
        return _of("sqrt", -_of("expm1", -t * self.beta(t / 2)))

    def perturb(self, z: Tensor, t: Time, noise: Tensor) -> Tensor:
        """r_t = α_t z + σ_t ε (B, D), of the perturbation kernel (equation 10).

        z and the noise ε are (B, D), t is a number, (B,) or (B, 1).
        """
        alpha_t, sigma_t = self.alpha(t), self.sigma(t)
        if isinstance(alpha_t, Tensor) and alpha_t.ndim == 1:
            alpha_t, sigma_t = alpha_t[:, None], sigma_t[:, None]
        return alpha_t * z + sigma_t * noise

    def transition(self, s: Time, t: Time) -> tuple[Time, Time]:
        """α_{t|s} and σ_{t|s} of q(r_t | r_s), for s ≤ t.

        Raises:
            ValueError: s is after t.
        """
        if torch.as_tensor(s > t).any():
            raise ValueError(f"the transition goes from time {s} back to {t}, expected s <= t")
        B = (t - s) * self.beta((s + t) / 2)
        return _of("exp", -B / 2), _of("sqrt", -_of("expm1", -B))

    def posterior(self, s: Time, t: Time) -> tuple[Time, Time, Time]:
        """a, b and std of q(r_s | r_t, z) = N(a r_t + b z, std² I), for s < t.

        At s = 0 these are exactly 0, 1 and 0.

        Raises:
            ValueError: s is after t.
        """
        alpha, sigma = self.transition(s, t)
        sigma_s, sigma_t = self.sigma(s), self.sigma(t)
        return (
            alpha * (sigma_s / sigma_t) ** 2,
            self.alpha(s) * (sigma / sigma_t) ** 2,
            sigma * (sigma_s / sigma_t),
        )


def _of(function: str, x: Time) -> Time:
    """An elementary function, by its name in both torch and math."""
    return getattr(torch if isinstance(x, Tensor) else math, function)(x)
