"""Autoencoders of single modalities: the first stage of every diffusion over latents."""

import torch
from torch import Tensor

from mmbench.architecture import Architecture
from mmbench.baselines.posteriors import Gaussian
from mmbench.core.data import Split
from mmbench.training.memory_format import LaidOut

ROWS = 1024  # examples encoded or decoded at a time


class Autoencoder(LaidOut):
    """A deterministic autoencoder, as in section 4 of the MLD paper.

    Bounoua, Franzese, Michiardi: Multi-modal Latent Diffusion, 2023,
    https://arxiv.org/abs/2306.04445.

    Args:
        architecture: The networks and the likelihood of the modality.
        latent: D, the size of the latent.
        outputs: The encoder's outputs, D by default.
    """

    def __init__(self, architecture: Architecture, latent: int, outputs: int = 0) -> None:
        super().__init__()
        self.architecture = architecture
        self.encoder = architecture.encoder(outputs or latent)
        self.decoder = architecture.decoder(latent)

    def loss(self, x: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """Equation 2 with l = -log p(x | decoder(encoder(x))), mean over the batch."""
        return -self.architecture.likelihood.log_prob(self.decoder(self.encoder(x)), x).mean()

    def code(self, x: Tensor) -> Tensor:
        """The latents of a batch, (B, D)."""
        return self.encoder(x)

    def codes(self, x: Tensor) -> Tensor:
        """The latents of any number of examples, (N, D)."""
        return torch.cat([self.code(c) for c in x.split(ROWS)])

    def codes_of(self, split: Split, name: str) -> Tensor:
        """The latents of a modality of a split, (N, D); meaningless where it is absent.

        Each view is encoded once, however many examples share it.
        """
        views = Split({name: split.tensors[name]})
        chunks = torch.arange(len(views), device=split.device).split(ROWS)
        codes = torch.cat([self.code(views.batch(rows)[name]) for rows in chunks])
        return codes[split.index[name]] if name in split.index else codes

    def show(self, z: Tensor) -> Tensor:
        """Decodes latents (N, D) into data, (N, *shape)."""
        return torch.cat([self.architecture.show(self.decoder(c)) for c in z.split(ROWS)])


class UnimodalVAE(Autoencoder):
    """A VAE with a Gaussian posterior and the prior N(0, I); its code is the posterior mean.

    Args:
        architecture: The networks and the likelihood of the modality.
        latent: D, the size of the latent.
        beta: β, the weight of the divergence from the prior.
    """

    def __init__(self, architecture: Architecture, latent: int, beta: float) -> None:
        super().__init__(architecture, latent, 2 * latent)
        self.beta = beta

    def posterior(self, x: Tensor) -> Gaussian:
        """q(z | x), (B, D)."""
        return Gaussian.of(self.encoder(x))

    def code(self, x: Tensor) -> Tensor:
        """The posterior means of a batch, (B, D)."""
        return self.posterior(x).mean

    def loss(self, x: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """-log p(x | z) + β KL(q(z | x) || p(z)), mean over the batch."""
        assert noise is not None  # for the type checker
        q = self.posterior(x)
        output = self.decoder(q.sample(noise))
        log_p = self.architecture.likelihood.log_prob(output, x)
        return (self.beta * q.divergence() - log_p).mean()
