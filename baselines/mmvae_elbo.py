"""MMVAE as an ELBO: a mixture of Gaussian experts, the form that MLD is compared with.

Shi, Siddharth, Paige and Torr, Variational mixture-of-experts autoencoders for multi-modal deep
generative models, 2019, https://arxiv.org/abs/1911.03393, proposed the mixture; Sutter, Daunhawer
and Vogt, Generalized multimodal ELBO, 2021, https://arxiv.org/abs/2105.02470, give the ELBO of
their code, which the MLD papers call MMVAE.
"""

import torch
from torch import Tensor

from mmbench.baselines.posteriors import Gaussian, choose, draw_from_mixture, drawn_expert, pick
from mmbench.baselines.vae import MultimodalVAE
from mmbench.core.data import Batch


class MMVAEElbo(MultimodalVAE):
    """q(z | x_S) = 1/|S| Σ q(z | xᵐ), Gaussian experts."""

    title = "Mixture-of-experts VAE, Gaussian, trained on the ELBO"
    paper = (
        "Shi, Siddharth, Paige, Torr: Variational mixture-of-experts autoencoders for multi-modal "
        "deep generative models, 2019, https://arxiv.org/abs/1911.03393"
    )

    def objective(self, x: Batch, present: Tensor, noise: torch.Generator) -> Tensor:
        """E_q log p(x | z) - β 1/M Σ KL(q(z | xᵐ) || p), a bound: KL is convex."""
        experts = self.experts(x)
        z = pick(experts, choose(present, noise, stratified=True)).sample(noise)
        kl = (present * experts.divergence()).sum(0) / present.sum(0)
        return (self.log_likelihood(z, x, present) - self.annealed_beta() * kl).mean()

    def posterior(self, given: Batch, noise: torch.Generator) -> Gaussian:
        """An expert of what is given, drawn for each example."""
        return drawn_expert(self.experts(given), noise)

    def draw(self, x: Batch, samples: int, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """Samples z (K, B, D) of the mixture and their log-densities (K, B)."""
        return draw_from_mixture(self.experts(x), samples, noise)
