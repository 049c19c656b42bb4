"""MVAE: a product of experts, trained on a sum of ELBOs.

Wu and Goodman, Multimodal generative models for scalable weakly-supervised learning, 2018,
https://arxiv.org/abs/1802.05335.
"""

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor

from mmbench.architecture import Architecture
from mmbench.baselines.mixture_prior import PostHoc
from mmbench.baselines.posteriors import Gaussian, product, product_of_all
from mmbench.baselines.vae import MultimodalVAE
from mmbench.core.data import Batch, Modality
from mmbench.training.trainer import Optimisation


class MVAE(MultimodalVAE):
    """q(z | x_S) = p(z) Π q(z | xᵐ), normalised, for any subset S (equation 4).

    Args:
        modalities: As in `MultimodalVAE`, like all parameters that are not listed here.
        weights: λ of equation 3: modality -> factor of its log-likelihood.
        subsampled: k of equation 5: random subsets a batch, beside all modalities and each alone.
    """

    proper: Tensor  # (subsets, M), 1 for a member
    version = 2
    title = "Multimodal variational autoencoder (product of experts)"
    paper = (
        "Wu, Goodman: Multimodal generative models for scalable weakly-supervised learning, 2018, "
        "https://arxiv.org/abs/1802.05335"
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
        annealing: int = 0,
        subsampled: int = 0,
    ) -> None:
        super().__init__(
            modalities, architectures, latent, training, beta, weights, joint, annealing
        )
        M = len(self.names)
        proper = [s for k in range(2, M) for s in combinations(range(M), k)]
        if not 0 <= subsampled <= len(proper):
            raise ValueError(
                f"subsampled is {subsampled}, expected 0 to {len(proper)}, the number of proper "
                "subsets of two or more modalities"
            )
        self.subsampled = subsampled
        members = torch.tensor([[float(m in s) for m in range(M)] for s in proper])
        self.register_buffer("proper", members, persistent=False)

    def objective(self, x: Batch, present: Tensor, noise: torch.Generator) -> Tensor:
        """Equation 5: ELBO(x) + Σ ELBO(xᵐ) + k ELBOs of random subsets."""
        M = len(self.names)
        members = torch.cat([torch.ones(1, M), torch.eye(M)]).to(present.device)
        if self.subsampled:
            order = torch.randperm(len(self.proper), generator=noise, device=present.device)
            chosen = self.proper[order[: self.subsampled]]
            members = torch.cat([members, chosen])
        q = product(self.experts(x, present), members, torch.ones(len(members), 1).to(members))
        z = q.sample(noise)  # (S, B, D)
        elbo = -self.annealed_beta() * q.divergence()  # (S, B)
        for i, m in enumerate(self.names):
            held = members[:, i].nonzero()[:, 0]  # the subsets whose ELBO reconstructs it
            log_p = self.weights[i] * present[i] * self.log_prob(m, z[held], x[m])
            elbo = elbo.index_add(0, held, log_p)
        return elbo.sum(0).mean()

    def posterior(self, given: Batch, noise: torch.Generator) -> Gaussian:
        """Equation 4's product."""
        return product_of_all(self.experts(given), prior=True)
