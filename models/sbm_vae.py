"""SBM-VAE: one score network over the latents of independent VAEs; conditions by in-painting.

Wesego and Rooshenas, "Score-based multimodal autoencoder", 2024, https://arxiv.org/abs/2305.15708.
Stage 1 trains one VAE a modality. Stage 2 trains a score network on the means of all latents of an
example together, as the channels of a small picture. It learns the joint law alone: to condition,
it is shown the given latents noised to the time of every evaluation.

The noise of the given latents is fresh at every evaluation. (The authors' code adds the latent
itself, scaled by σ_t, where the noise should be.) In-painting is approximate even with the true
score: what it draws is derived in tests/models/test_sbm_vae.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmbench.architecture import Architecture
from mmbench.baselines.posteriors import Gaussian
from mmbench.core.data import Batch, Modality, Split
from mmbench.core.model import Embedded, LatentModel
from mmbench.models.diffusion.samplers import make_sampler
from mmbench.models.diffusion.sde import VPSDE
from mmbench.models.parts.latent_unet import LatentUNet
from mmbench.models.parts.matching import Guidance, Matching
from mmbench.registry import expect_modalities, nearest
from mmbench.training.memory_format import LaidOut
from mmbench.training.precision import autocast
from mmbench.training.trainer import Optimisation, Trainer

ROWS = 1024  # examples encoded or decoded at a time


class UnimodalVAE(LaidOut):
    """A VAE of one modality: a Gaussian posterior, the prior N(0, I)."""

    def __init__(self, architecture: Architecture, latent: int, beta: float) -> None:
        super().__init__()
        self.architecture, self.beta = architecture, beta
        self.encoder = architecture.encoder(2 * latent)
        self.decoder = architecture.decoder(latent)

    def posterior(self, x: Tensor) -> Gaussian:
        """q(z | x), (B, D)."""
        return Gaussian.of(self.encoder(x))

    def loss(self, x: Tensor, noise: torch.Generator) -> Tensor:
        """-log p(x | z) + β KL(q(z | x) || p(z)), mean over the batch."""
        q = self.posterior(x)
        output = self.decoder(q.sample(noise))
        log_p = self.architecture.likelihood.log_prob(output, x)
        return (self.beta * q.divergence() - log_p).mean()


class SBMVAE(LatentModel):
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
        beta_min: Of the variance-preserving diffusion, at time 0.
        beta_max: Of the variance-preserving diffusion, at time 1.
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
    takes_incomplete: ClassVar[bool] = True
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
        super().__init__()
        self.names = [m.name for m in modalities]
        M = len(self.names)
        if latent < 1:
            raise ValueError(f"latent is {latent}, expected at least 1")
        betas = dict.fromkeys(self.names, beta) if isinstance(beta, float | int) else beta
        special = vaes or {}
        for key, named in (("beta", betas), ("vaes", special)):
            for name in named:
                if name not in self.names:
                    raise ValueError(f"{key} names a modality {name!r}{nearest(name, self.names)}")
        for name in self.names:
            if not betas.get(name, -1) >= 0:
                raise ValueError(f"beta has {betas.get(name)} for {name!r}, expected at least 0")
        if self.needs_guidance and guidance is None:
            raise ValueError("there is no guidance, expected a table of its scale and training")
        self.latent, self.score = latent, score
        self.stage1 = {m: special.get(m, vae) for m in self.names}
        self.sde = VPSDE(beta_min, beta_max)
        self.sampler = make_sampler(sampler or {"name": "predictor-corrector"})
        self.vaes = nn.ModuleDict(
            {m: UnimodalVAE(architectures[m], latent, betas[m]) for m in self.names}
        )
        self.score_network = LatentUNet(M, latent, channels, layers, attention)
        self.place = {m: slice(i * latent, (i + 1) * latent) for i, m in enumerate(self.names)}
        # Each is made after those that begin as they do without it.
        self.guidance = guidance
        self.matching = None if guidance is None else Matching(M, latent, guidance.width)

    @property
    def evaluations(self) -> int:
        """Evaluations of the score network a sample; a guided one has as many gradients."""
        return self.sampler.evaluations

    def fit(self, train: Split, trainer: Trainer) -> None:
        """Trains the VAEs, then the score network and the guidance on their latents.

        An example that lacks modalities counts for the VAEs of those that it has.

        Raises:
            ValueError: Every example lacks a modality.
        """
        for m in self.names:
            self._fit_vae(m, train, trainer)
        z = self._means(train)

        def score_matching(rows: Tensor, noise: torch.Generator) -> Tensor:
            return self.score_matching_loss(z[rows], noise)

        latents = hashlib.sha256(z.cpu().numpy().data).hexdigest()
        content = [latents, self.sde.beta_min, self.sde.beta_max]
        network = self.score_network
        trainer.minimise("score", network, score_matching, len(z), self.score, content=content)
        if self.matching is not None and self.guidance is not None:
            matching, how = self.matching, self.guidance.training

            def cross_entropy(rows: Tensor, noise: torch.Generator) -> Tensor:
                return matching.loss(z[rows], self.sde, noise)

            trainer.minimise("matching", matching, cross_entropy, len(z), how)

    def _fit_vae(self, m: str, train: Split, trainer: Trainer) -> None:
        vae = self._vae(m)
        examples = train.present(m).nonzero()[:, 0]

        def loss(rows: Tensor, noise: torch.Generator) -> Tensor:
            return vae.loss(train.batch(examples[rows], [m])[m], noise)

        content = [train.fingerprint([m]), vae.architecture.recipe, vae.beta]
        trainer.minimise(f"vae {m}", vae, loss, len(examples), self.stage1[m], content=content)

    def score_matching_loss(self, z: Tensor, noise: torch.Generator) -> Tensor:
        """σ_t² ‖s(r_t, t) - ∇ log q(r_t | z)‖², which is the squared error of the noise.

        Args:
            z: (B, M D) latents.
            noise: Source of times and noise.

        Returns:
            Mean over examples and coordinates.
        """
        t = torch.rand(len(z), generator=noise, device=z.device)
        ε = torch.randn(z.shape, generator=noise, device=z.device)
        error: Tensor = self.score_network(self.sde.perturb(z, t, ε), t) - ε
        return (error**2).mean()

    @torch.no_grad()
    def _means(self, train: Split) -> Tensor:
        """The posterior means of the training examples that lack nothing, (N, M D)."""
        whole = torch.stack([train.present(m) for m in self.names]).all(0).nonzero()[:, 0]
        if not len(whole):
            raise ValueError("every training example lacks a modality, and the score network "
                             "needs examples that lack none")  # fmt: skip
        z = torch.empty(len(whole), len(self.names) * self.latent, device=train.device)
        for m in self.names:
            views = Split({m: train.tensors[m]})  # each once, however many examples share it
            chunks = torch.arange(len(views), device=train.device).split(ROWS)
            means = torch.cat([self._vae(m).posterior(views.batch(c)[m]).mean for c in chunks])
            z[:, self.place[m]] = means[train.index[m][whole] if m in train.index else whole]
        return z

    @torch.no_grad()
    def encode(self, given: Batch, n: int, generator: torch.Generator) -> Tensor:
        """Mean latents of what is given and, in-painted, those of the rest: (n, M D)."""
        z = torch.zeros(n, len(self.names) * self.latent, device=self._device)
        free = torch.ones(z.shape[1], dtype=torch.bool, device=z.device)
        for m, code in self.embed(given).items():
            z[:, self.place[m]] = code
            free[self.place[m]] = False
        if not free.any():
            return z
        fresh = torch.empty_like(z)

        def score(r: Tensor, t: float) -> Tensor:
            if given:
                noised = self.sde.perturb(r, t, fresh.normal_(generator=generator))
                r = torch.where(free, r, noised)
            return self.joint_score(r, t, given)

        return self.sampler.sample(score, self.sde, z, free, generator)

    def joint_score(self, r: Tensor, t: float, given: Collection[str] = ()) -> Tensor:
        """The score of all latents noised to time t, guided if any are given.

        Args:
            r: (B, M D).
            t: The time.
            given: The modalities given.

        Returns:
            (B, M D).
        """
        times = r.new_full((len(r),), t)
        with autocast(self.score.precision, r.device):
            noise: Tensor = self.score_network(r, times)
        score = noise.to(r.dtype) / -self.sde.sigma(t)
        if self.matching is None or self.guidance is None or not (given and self.guidance.scale):
            return score
        known = [i for i, m in enumerate(self.names) if m in given]
        return score + self.guidance.scale * self.matching.gradient(r, t, known)

    @torch.no_grad()
    def decode(self, z: Tensor, targets: Sequence[str]) -> Batch:
        """Decodes latents (n, M D)."""
        return {m: self._show(m, z[:, self.place[m]]) for m in targets}

    def _show(self, m: str, z: Tensor) -> Tensor:
        vae = self._vae(m)
        return torch.cat([vae.architecture.show(vae.decoder(c)) for c in z.split(ROWS)])

    def generate(
        self, given: Batch, targets: Sequence[str], n: int, generator: torch.Generator
    ) -> Batch:
        """Draws the targets given other modalities; targets that are given skip the diffusion."""
        expect_modalities((*given, *targets), self.names)
        if set(targets) <= set(given):
            codes = self.embed(given)
            with torch.no_grad():
                return {m: self._show(m, codes[m]) for m in targets}
        return super().generate(given, targets, n, generator)

    @torch.no_grad()
    def embed(self, given: Batch) -> Embedded:
        """The posterior mean of each modality given, the same for all subsets."""
        if isinstance(given, Embedded):
            return given
        return Embedded({
            m: torch.cat([self._vae(m).posterior(c).mean for c in x.split(ROWS)])
            for m, x in given.items()
        })  # fmt: skip

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device

    def _vae(self, name: str) -> UnimodalVAE:
        vae = self.vaes[name]
        assert isinstance(vae, UnimodalVAE)  # for the type checker
        return vae


class SBMVAEC(SBMVAE):
    """The same with a guidance, which a classifier of matching latents gives.

    Args and what they mean are those of `SBMVAE`; `guidance` must be set.
    """

    title = "Score-based multimodal autoencoder with contrastive guidance"
    needs_guidance: ClassVar[bool] = True
