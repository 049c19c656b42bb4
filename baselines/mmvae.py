"""MMVAE: a mixture of Laplace experts, trained on an importance-weighted bound.

Shi, Siddharth, Paige and Torr, Variational mixture-of-experts autoencoders for multi-modal deep
generative models, 2019, https://arxiv.org/abs/1911.03393.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from mmbench.architecture import Architecture
from mmbench.baselines.mixture_prior import PostHoc
from mmbench.baselines.posteriors import (
    Laplace,
    draw_from_mixture,
    drawn_expert,
    mixture_log_prob,
    scales,
    stack,
)
from mmbench.baselines.vae import MultimodalVAE
from mmbench.core.data import Batch, Modality
from mmbench.protocols.arguments import at_least
from mmbench.training.trainer import Optimisation


class MMVAE(MultimodalVAE):
    """q(z | x_S) = 1/|S| Σ q(z | xᵐ), Laplace experts and a Laplace prior of learned scale.

    Args:
        modalities: As in `MultimodalVAE`, like all parameters that are not listed here.
        beta: Weight of log p(z) - log q(z | x); 1 in the paper.
        samples: K samples of each expert.
        estimator: "iwae" for the gradient of the bound, "dreg" for the doubly reparameterised one
            (Tucker, Lawson, Gu and Maddison, 2019, https://arxiv.org/abs/1810.04152): the
            encoders' gradient weighs by w², as derived there for one expert; the authors'
            released code weighs by w.
    """

    title = "Mixture-of-experts VAE, Laplace, trained on an importance-weighted bound"
    paper = (
        "Shi, Siddharth, Paige, Torr: Variational mixture-of-experts autoencoders for multi-modal "
        "deep generative models, 2019, https://arxiv.org/abs/1911.03393"
    )

    def __init__(
        self,
        modalities: Sequence[Modality],
        architectures: dict[str, Architecture],
        *,
        latent: int,
        training: Optimisation,
        beta: float = 1.0,
        weights: dict[str, float] | None = None,
        joint: PostHoc | None = None,
        samples: int = 10,
        estimator: Literal["iwae", "dreg"] = "dreg",
    ) -> None:
        super().__init__(modalities, architectures, latent, training, beta, weights, joint)
        at_least(1, samples=samples)
        self.samples, self.estimator = samples, estimator

    def build(self) -> None:
        """One parameter more than other methods: the scale of the prior."""
        super().build()
        self.prior_logits = nn.Parameter(torch.zeros(self.latent))

    def laplaces(self, x: Batch) -> Laplace:
        """q(z | xᵐ) of each modality in x: (len(x), B, D)."""
        y = self.encoded(x)
        return stack([Laplace.of(y[m]) for m in self.names if m in y])

    def objective(self, x: Batch, present: Tensor, noise: torch.Generator) -> Tensor:
        """1/M Σ_m of the bound with K samples of expert m (equation 3's looser form, A.2)."""
        experts = self.laplaces(x)
        z = experts.sample(noise, (self.samples,)).transpose(0, 1)  # (M, K, B, D)
        q = experts.detach() if self.estimator == "dreg" else experts
        divergence = self.prior(1).log_prob(z) - mixture_log_prob(q, z, present)
        log_w = self.log_likelihood(z, x, present) + self.beta * divergence  # (M, K, B)
        bound = importance_weighted(log_w, z, self.estimator)
        return ((present * bound).sum(0) / present.sum(0)).mean()

    def posterior(self, given: Batch, noise: torch.Generator) -> Laplace:
        """An expert of what is given, drawn for each example."""
        return drawn_expert(self.laplaces(given), noise)

    def draw(self, x: Batch, samples: int, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """Samples z (K, B, D) of the mixture and their log-densities (K, B)."""
        return draw_from_mixture(self.laplaces(x), samples, noise)

    def prior(self, n: int) -> Laplace:
        """Laplace of learned scale, (n, D)."""
        scale = scales(self.prior_logits).expand(n, -1)
        return Laplace(torch.zeros_like(scale), scale)


def importance_weighted(log_w: Tensor, z: Tensor, estimator: Literal["iwae", "dreg"]) -> Tensor:
    """Log 1/K Σ w_k (M, B), or for "dreg" a value with that estimator's gradient.

    log_w (M, K, B) was computed from the samples z (M, K, B, D), for "dreg" with log q of detached
    parameters.
    """
    if estimator == "iwae":
        return log_w.logsumexp(1) - math.log(log_w.shape[1])
    w = log_w.detach().softmax(1)
    if z.requires_grad:
        z.register_hook(lambda gradient: w[..., None] * gradient)
    return (w * log_w).sum(1)
