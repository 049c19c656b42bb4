"""MVTCAE: a product of experts, trained to keep the total correlation between modalities.

Hwang, Kim, Kim and Kim, Multi-view representation learning via total correlation objective, 2021,
https://proceedings.neurips.cc/paper/2021/hash/65a99bb7a3115fdede20da98b08a370f-Abstract.html.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmbench.architecture import Architecture
from mmbench.baselines.mixture_prior import PostHoc
from mmbench.baselines.posteriors import Gaussian, product_of_all
from mmbench.baselines.vae import MultimodalVAE
from mmbench.core.data import Batch, Modality
from mmbench.training.trainer import Optimisation


class MVTCAE(MultimodalVAE):
    """q(z | x_S) = Π q(z | xᵐ), normalised, without the prior as an expert.

    Args:
        modalities: As in `MultimodalVAE`, like all parameters that are not listed here.
        beta: β, the weight of all divergences.
        alpha: α of equation 9, between the variational (0) and the conditional (1) information
            bottleneck.
    """

    version = 2
    title = "Multi-view total correlation autoencoder (product of experts)"
    paper = (
        "Hwang, Kim, Kim, Kim: Multi-view representation learning via total correlation "
        "objective, 2021, https://openreview.net/forum?id=Pf6RGNo1Kn"
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
        alpha: float = 5 / 6,
    ) -> None:
        super().__init__(modalities, architectures, latent, training, beta, weights, joint)
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha is {alpha}, expected 0 to 1")
        self.alpha = alpha

    def objective(self, x: Batch, present: Tensor, noise: torch.Generator) -> Tensor:
        """(M - α)/M E log p(x | z) - β [α/M Σ KL(q || q(z | xᵐ)) + (1 - α) KL(q || p)]."""
        M, α = len(self.names), self.alpha
        experts = self.experts(x, present)
        q = product_of_all(experts, prior=False)
        reconstruction = self.log_likelihood(q.sample(noise), x, present)
        conditional = torch.zeros_like(reconstruction)
        for m in range(M):  # an absent expert has no divergence: inf of no meaning is masked
            log_variance = experts.log_variance[m].masked_fill(present[m][:, None] == 0, 0)
            kl = q.divergence(Gaussian(experts.mean[m], log_variance))
            conditional = conditional + present[m] * kl
        divergence = α / M * conditional + (1 - α) * q.divergence()
        return ((M - α) / M * reconstruction - self.beta * divergence).mean()

    def posterior(self, given: Batch, noise: torch.Generator) -> Gaussian:
        """The product of what is given."""
        return product_of_all(self.experts(given), prior=False)
