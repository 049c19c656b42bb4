"""A Gaussian mixture fitted to a trained posterior, to draw z from instead of the prior.

Ghosh, Sajjadi, Vergari, Black and Schölkopf, From variational to deterministic autoencoders, 2020,
https://arxiv.org/abs/1903.12436, fit it to the aggregate of posterior means; here by
scikit-learn.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mmbench.baselines.posteriors import choose
from mmbench.extras import optional
from mmbench.protocols.arguments import at_least
from mmbench.seeds import derive


@dataclass(frozen=True)
class PostHoc:
    """How joint generation draws z after training.

    Attributes:
        components: Components of the Gaussian mixture.
    """

    components: int = 10

    def __post_init__(self) -> None:
        at_least(1, components=self.components)


def library() -> Any:
    """What fits the mixture.

    Raises:
        ImportError: scikit-learn is not installed.
    """
    what = "a mixture fitted to the posterior"
    return optional("sklearn.mixture", what, "scikit-learn", "mixture")


class MixturePrior(nn.Module):
    """Σ π_k N(μ_k, L_k L_kᵀ) on a latent of size D."""

    weights: Tensor
    means: Tensor
    factors: Tensor

    def __init__(self, size: int, components: int) -> None:
        super().__init__()
        self.register_buffer("weights", torch.full((components,), 1 / components))
        self.register_buffer("means", torch.zeros(components, size))
        self.register_buffer("factors", torch.eye(size).repeat(components, 1, 1))

    def fit(self, z: Tensor, seed: int) -> None:
        """Fits the mixture to z (N, D) by expectation maximisation.

        Raises:
            ImportError: scikit-learn is not installed.
            ValueError: There are fewer rows than components.
        """
        state = derive(seed, "mixture prior") % 2**32
        found = library().GaussianMixture(len(self.weights), random_state=state)
        found.fit(z.cpu().double().numpy())
        self.weights.copy_(torch.from_numpy(found.weights_))
        self.means.copy_(torch.from_numpy(found.means_))
        self.factors.copy_(torch.linalg.cholesky(torch.from_numpy(found.covariances_)))

    def sample(self, n: int, noise: torch.Generator) -> Tensor:
        """Draws z: (n, D)."""
        k = choose(self.weights[:, None].expand(-1, n), noise)
        ε = torch.randn(n, self.means.shape[1], generator=noise, device=self.means.device)
        return self.means[k] + torch.einsum("nij,nj->ni", self.factors[k], ε)
