"""MoPoE: a mixture of products of experts, over all subsets of modalities.

Sutter, Daunhawer and Vogt, Generalized multimodal ELBO, 2021, https://arxiv.org/abs/2105.02470.
"""

import torch
from torch import Tensor

from mmbench.baselines.posteriors import Gaussian, choose, pick, product, product_of_all
from mmbench.baselines.vae import MultimodalVAE
from mmbench.core.data import Batch


class MoPoE(MultimodalVAE):
    """q(z | x) = 1/(2^M - 1) Σ_S Π_{m in S} q(z | xᵐ), products normalised (equation 6).

    As in the authors' code, the prior is an expert in the product of all modalities only.
    """

    version = 2
    title = "Mixture-of-products-of-experts VAE"
    paper = (
        "Sutter, Daunhawer, Vogt: Generalized multimodal ELBO, 2021, "
        "https://arxiv.org/abs/2105.02470"
    )

    def objective(self, x: Batch, present: Tensor, noise: torch.Generator) -> Tensor:
        """Equation 9: E_q log p(x | z) - β 1/(2^M - 1) Σ_S KL(q_S || p).

        An example that lacks modalities has the subsets of those that it has.
        """
        z, kl = self.drawn(x, present, noise)
        return (self.log_likelihood(z, x, present) - self.annealed_beta() * kl).mean()

    def drawn(self, x: Batch, present: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """For training: z (B, D) of a component for each example, and the divergence (B,)."""
        q, held = self.products(x, present)
        z = pick(q, choose(held, noise, stratified=True)).sample(noise)
        return z, (held * q.divergence()).sum(0) / held.sum(0)

    def products(self, x: Batch, present: Tensor) -> tuple[Gaussian, Tensor]:
        """The posterior of every subset (2^M - 1, B, D), and (2^M - 1, B): 1 where it exists."""
        M = len(self.names)
        codes = torch.arange(1, 2**M, device=present.device)
        members = (codes[:, None] >> torch.arange(M, device=present.device) & 1).float()
        missing = members @ (1 - present)  # how many of a subset an example lacks
        held = (missing == 0).float()
        whole = (members.sum(1, keepdim=True) == M).float()
        # Where a subset does not exist the prior keeps its product finite; it does not count.
        prior = torch.maximum(whole, 1 - held)
        return product(self.experts(x, present), members, prior), held

    def posterior(self, given: Batch, noise: torch.Generator) -> Gaussian:
        """The product q_S(z | x_S) of what is given."""
        return product_of_all(self.experts(given), prior=len(given) == len(self.names))


class MoPoEStar(MoPoE):
    """MoPoE*: MoPoE trained as Diff-MVAE* is, with a moving average of its parameters.

    Wesego, Rooshenas: Multimodal ELBO with Diffusion Decoders, 2024,
    https://arxiv.org/abs/2408.16883, section 4.
    """

    version = 3
