"""MLD: a masked multi-time diffusion over the latents of independent autoencoders.

Bounoua, Franzese, Michiardi: Multi-modal Latent Diffusion, 2023,
https://arxiv.org/abs/2306.04445. One score network is trained by masked multi-time diffusion
(Algorithm 2), which serves joint and conditional generation (Algorithm 3).
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from mmbench.architecture import Architecture, architecture
from mmbench.core.data import Modality
from mmbench.core.likelihood import Likelihood
from mmbench.models.latent_diffusion import LatentDiffusion, Statistics
from mmbench.models.parts.autoencoder import Autoencoder
from mmbench.seeds import derive
from mmbench.training.trainer import Optimisation

SQUARED_ERROR = Likelihood("normal", scale=0.5**0.5)


class MLD(LatentDiffusion):
    """Multi-modal latent diffusion.

    Args:
        modalities: As in `LatentDiffusion`, like all parameters that are not listed here.
        d: Probability that all modalities are diffused, ν(∅) of section 4.1 (table 9).
        masks: "example" draws a subset A1 for each example, "batch" one for each batch, as
            Algorithm 2 does: the same objective at a higher variance.
        image: The registered name of networks for the autoencoders of images, where they differ
            from the data set's: see `mmbench.models.mld_star`.

    Raises:
        ValueError: d is no probability, there are too few modalities for it, or `image` is missing
            or the data set has no image.
        LookupError: No network is registered as `image`.
    """

    title: ClassVar[str] = "Multi-modal latent diffusion"
    needs_image: ClassVar[bool] = False

    def __init__(
        self,
        modalities: Sequence[Modality],
        architectures: dict[str, Architecture],
        *,
        latent: int | dict[str, int],
        autoencoder: Optimisation,
        score: Optimisation,
        width: int,
        autoencoders: dict[str, Optimisation] | None = None,
        augmented: Sequence[str] = (),
        d: float = 0.5,
        blocks: int = 2,
        time_embedding: int = 512,
        groups: int = 32,
        statistics: Statistics = "all",
        masks: Literal["example", "batch"] = "example",
        image: str | None = None,
        components: int | dict[str, int] | None = None,
        sampler: dict[str, Any],
    ) -> None:
        if not 0 <= d <= 1:
            raise ValueError(f"d is {d}, expected a probability")
        if len(modalities) < 2 and d < 1:
            raise ValueError(f"d is {d} with one modality, expected 1 or at least two modalities")
        first = (modalities, architectures, latent, autoencoder, score, width, sampler)
        sizes = (blocks, time_embedding, groups)
        super().__init__(*first, autoencoders, augmented, *sizes, statistics, components)
        self.d, self.masks = d, masks
        if image is not None:
            self._replace_images(modalities, image)
        elif self.needs_image:
            raise ValueError("image is missing, expected the name of the networks of images")

    def _replace_images(self, modalities: Sequence[Modality], network: str) -> None:
        """Replaces the autoencoders of images by those of a network.

        They are replaced once MLD's own are built, and from a random stream of their own, so that
        all other networks begin as they do in MLD and are shared with it.
        """
        images = [m for m in modalities if m.kind == "image"]
        if not images:
            raise ValueError(f"image names networks for images, {network}, but no modality is one")
        for m in images:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(derive(torch.initial_seed(), "stronger", m.name))
                stronger = architecture(m, network, SQUARED_ERROR)
                self.autoencoders[m.name] = Autoencoder(stronger, self.latents[m.name])

    def diffusion_loss(
        self, z: Tensor, noise: torch.Generator, present: Tensor | None = None
    ) -> Tensor:
        """Algorithm 2 for a batch; the network predicts the noise."""
        B = len(z)
        diffused = self._diffused(B, noise)  # (B, M), 1 for A1
        if present is None:
            present = torch.ones_like(diffused)
        else:
            diffused = diffused * present
            diffused = torch.where(diffused.sum(1, keepdim=True) > 0, diffused, present)
        t = torch.rand(B, 1, generator=noise, device=z.device)
        ε = torch.randn(z.shape, generator=noise, device=z.device)
        mask, known = diffused[:, self.owner], present[:, self.owner]  # (B, D), m(A1), m(A1 ∪ A2)
        r = torch.where(mask > 0, self.sde.perturb(z, t, ε), torch.where(known > 0, z, ε))
        error: Tensor = mask * (self.score_network(r, diffused * t + (1 - present)) - ε)
        omega = known.sum(1) / mask.sum(1)  # equation 12: 1 + dim(A2) / dim(A1)
        return (omega * (error**2).sum(1)).mean()

    def _diffused(self, B: int, noise: torch.Generator) -> Tensor:
        """Draws A1 for each example: (B, M), 1 where a modality is diffused.

        A2 is empty with probability d, or else any proper non-empty subset (section 4.1; its ν
        also counts the full set, which leaves nothing to diffuse).
        """
        device, M = noise.device, len(self.names)
        everything = 2**M - 1
        code = torch.randint(1, max(everything, 2), (B,), generator=noise, device=device)
        alone = torch.rand(B, generator=noise, device=device) < self.d
        code[alone] = everything
        if self.masks == "batch":
            code = code[:1].expand(B)
        return (code[:, None] >> torch.arange(M, device=device) & 1).float()
