"""SBM-VAE: one score network over the latents of independent VAEs; conditions by inpainting.

Wesego and Rooshenas, "Score-based multimodal autoencoder", 2024, https://arxiv.org/abs/2305.15708.
Stage 1 trains one VAE a modality. Stage 2 trains a score network on the means of all latents of an
example together, as the channels of a small picture. It learns the joint law alone: to condition,
it is shown the given latents noised to the time of every evaluation.

The noise of the given latents is fresh at every evaluation. (The authors' code adds the latent
itself, scaled by σ_t, where the noise should be.) Inpainting is approximate even with the true
score: what it draws is derived in tests/models/test_sbm_vae.py.
"""

import hashlib
from collections.abc import Collection, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmbench.architecture import Architecture
from mmbench.core.data import Batch, Modality, Split
from mmbench.models.diffusion.sampler import Score
from mmbench.models.diffusion.sde import VPSDE
from mmbench.models.parts.autoencoder import UnimodalVAE
from mmbench.models.parts.diffused_latents import DiffusedLatents
from mmbench.models.parts.latent_unet import LatentUNet
from mmbench.models.parts.matching import Guidance, Matching
from mmbench.protocols.arguments import by_modality
from mmbench.registry import expect_modalities
from mmbench.training.precision import autocast
from mmbench.training.trainer import Optimisation, Trainer


class SBMVAE(DiffusedLatents):
    """A score-based model of the latents of independent VAEs.

    Args:
        modalities: The data set's, in the order of their latents.
        architectures: Networks and likelihood of each modality.
        latent: D, the size of every modality's latent.
        vae: How each VAE is trained.
        score: How the score network is trained.
        channels: Widths of the score network's levels.
        beta: β, the weight of the divergence from the prior: of each modality, or one for all.
        vaes: How the VAEs of some modalities are trained instead.
        layers: Residual blocks of a level of the score network.
        attention: Whether every level has self-attention.
        beta_min: β of the variance-preserving diffusion at time 0.
        beta_max: β of the variance-preserving diffusion at time 1.
        sampler: Name and parameters: "predictor-corrector", which is the default with 1,000 steps,
            or one of `mmbench.models.diffusion.samplers`.
        guidance: How a classifier of matching latents guides what is drawn given something; none
            by default.
    """

    title: ClassVar[str] = "Score-based multimodal autoencoder"
    paper: ClassVar[str] = (
        "Wesego, Rooshenas: Score-based multimodal autoencoder, 2024, "
        "https://arxiv.org/abs/2305.15708"
    )
    stage = "vae"
    needs_guidance: ClassVar[bool] = False

    def __init__(
        self,
        modalities: Sequence[Modality],
        architectures: dict[str, Architecture],
        *,
        latent: int,
        vae: Optimisation,
        score: Optimisation,
        channels: list[int],
        beta: float | dict[str, float] = 1.0,
        vaes: dict[str, Optimisation] | None = None,
        layers: int = 2,
        attention: bool = True,
        beta_min: float = 0.1,
        beta_max: float = 20.0,
        sampler: dict[str, Any] | None = None,
        guidance: Guidance | None = None,
    ) -> None:
        names = [m.name for m in modalities]
        M = len(names)
        sizes, betas = by_modality("latent", latent, names, 1), by_modality("beta", beta, names, 0)
        expect_modalities(vaes or {}, names, "vaes")
        if self.needs_guidance and guidance is None:
            raise ValueError("there is no guidance, expected a table of its scale and training")
        stage1 = {m: (vaes or {}).get(m, vae) for m in names}
        sde = VPSDE(beta_min, beta_max)
        super().__init__(sizes, stage1, sde, sampler or {"name": "predictor-corrector"})
        self.score, self.betas = score, betas
        self.vaes = nn.ModuleDict(
            {m: UnimodalVAE(architectures[m], latent, betas[m]) for m in names}
        )
        self.score_network = LatentUNet(M, latent, channels, layers, attention)
        # Built last, so that all else begins as it does without it.
        self.guidance = guidance
        self.matching = None if guidance is None else Matching(M, latent, guidance.width)

    @property
    def parts(self) -> nn.ModuleDict:
        """The VAE of each modality."""
        return self.vaes

    def variant(self, name: str) -> object:
        """Its β."""
        return self.betas[name]

    def fit(self, train: Split, trainer: Trainer) -> None:
        """Trains the VAEs, then the score network and the guidance on their latents.

        An example that lacks modalities counts for the VAEs of the others only.

        Raises:
            ValueError: Every example lacks a modality.
        """
        complete = train.complete(self.names)
        if not len(complete):
            raise ValueError("every training example lacks a modality, expected some that do not")
        for m in self.names:
            self.fit_autoencoder(m, train, trainer)
        z = self._means(train, complete)
        latents = hashlib.sha256(z.cpu().numpy().data).hexdigest()
        content = [latents, self.sde.beta_min, self.sde.beta_max]
        network, matching = self.score_network, self.matching

        def denoise(rows: Tensor, noise: torch.Generator) -> Tensor:
            return self.score_matching_loss(z[rows], noise)

        trainer.minimise("score", network, denoise, len(z), self.score, content=content)
        if matching is not None and self.guidance is not None:

            def classify(rows: Tensor, noise: torch.Generator) -> Tensor:
                return matching.loss(z[rows], self.sde, noise)

            trainer.minimise("matching", matching, classify, len(z), self.guidance.training)

    def score_matching_loss(self, z: Tensor, noise: torch.Generator) -> Tensor:
        """σ_t² ‖s(r_t, t) - ∇ log q(r_t | z)‖², the squared error of the noise, of z (B, M D).

        It is the mean over examples and coordinates.
        """
        t = torch.rand(len(z), generator=noise, device=z.device)
        ε = torch.randn(z.shape, generator=noise, device=z.device)
        error: Tensor = self.score_network(self.sde.perturb(z, t, ε), t) - ε
        return (error**2).mean()

    @torch.no_grad()
    def _means(self, train: Split, rows: Tensor) -> Tensor:
        """The posterior means of some training examples (N,), side by side: (N, M D)."""
        return torch.cat([self.autoencoder(m).codes_of(train, m)[rows] for m in self.names], 1)

    def conditional_score(self, given: Batch, z: Tensor, generator: torch.Generator) -> Score:
        """Inpainting: the joint score, what is given being noised anew at every evaluation."""
        free = self.free(given)

        def score(r: Tensor, t: float) -> Tensor:
            r = self.in_painted(r, t, free, generator) if given else r
            return self.joint_score(r, t, given)

        return score

    def joint_score(self, r: Tensor, t: float, given: Collection[str] = ()) -> Tensor:
        """The score (B, M D) of all latents r (B, M D) at time t, guided if any are given."""
        times = r.new_full((len(r),), t)
        with autocast(self.score.precision, r.device):
            noise: Tensor = self.score_network(r, times)
        score = noise.to(r.dtype) / -self.sde.sigma(t)
        if self.matching is None or self.guidance is None or not (given and self.guidance.scale):
            return score
        known = [i for i, m in enumerate(self.names) if m in given]
        return score + self.guidance.scale * self.matching.gradient(r, t, known)


class SBMVAEC(SBMVAE):
    """SBM-VAE guided by a classifier of matching latents; its parameter `guidance` is required."""

    title = "Score-based multimodal autoencoder with contrastive guidance"
    needs_guidance: ClassVar[bool] = True
