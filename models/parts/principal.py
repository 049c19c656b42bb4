"""The principal components of a latent.

Where an encoder ends in few live units, its latents vary in fewer directions than they have
coordinates, and a score network then spends its width on directions in which there is nothing but
the diffusion's own noise. Components leave these out. They share one scale, so that those of small
variance, which a decoder hardly shows, stay small.
"""

import torch
from torch import Tensor, nn

LEAST = 1e-6
"""The share of the largest variance below which a direction counts as one that does not vary."""


class Principal(nn.Module):
    """An affine map from a latent to its first principal components, and back.

    Over the latents that it learns from, the components have mean 0 and, on average, variance 1.

    Args:
        latent: D, the size of the latent.
        components: K, at most D.
    """

    mean: Tensor
    into: Tensor
    back: Tensor

    def __init__(self, latent: int, components: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(latent))
        self.register_buffer("into", torch.eye(latent, components))
        self.register_buffer("back", torch.eye(components, latent))

    def learn(self, z: Tensor) -> None:
        """Learns the components of latents (n, D), n > 1.

        Those beyond the directions in which the latents vary are 0 of every latent.
        """
        exact = z.double()
        variances, directions = torch.linalg.eigh(torch.cov(exact.T).view(2 * [z.shape[1]]))
        # Eigenvectors have no sign of their own, and libraries differ in it.
        largest = directions.abs().argmax(0, keepdim=True)
        directions = directions * directions.gather(0, largest).sign()
        varies = variances > LEAST * variances.max()
        K = self.into.shape[1]
        kept = (directions * varies).flip(1)[:, :K]
        scale = variances.flip(0)[:K].mean().clamp_min(1e-12).sqrt()
        self.mean.copy_(exact.mean(0))
        self.into.copy_(kept / scale)
        self.back.copy_(kept.T * scale)

    @property
    def empty(self) -> int:
        """How many components are 0 of every latent."""
        return int((self.into == 0).all(0).sum())

    def forward(self, z: Tensor) -> Tensor:
        """(n, D) -> (n, K)."""
        return (z - self.mean) @ self.into

    def inverse(self, c: Tensor) -> Tensor:
        """The latents (n, D) of components (n, K), with the mean of all others."""
        return c @ self.back + self.mean
