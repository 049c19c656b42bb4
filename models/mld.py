"""MLD: a masked multi-time diffusion over the latents of independent autoencoders.

Bounoua, Franzese, Michiardi: Multi-modal Latent Diffusion, 2023,
https://arxiv.org/abs/2306.04445. Stage 1 trains one deterministic autoencoder a modality
(equation 2). Stage 2 trains one score network on the concatenated, standardised latents by masked
multi-time diffusion (Algorithm 2), which serves joint and conditional generation (Algorithm 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmbench.core import Batch, Embedded, LatentModel, Modality, Split
from mmbench.models.architecture import Architecture
from mmbench.models.augment import trivial_augment_wide
from mmbench.models.samplers import make_sampler
from mmbench.models.score import ScoreNetwork
from mmbench.models.sde import VPSDE
from mmbench.registry import nearest
from mmbench.train import Optimisation, Trainer

ROWS = 1024  # examples encoded or decoded at a time


class Autoencoder(nn.Module):
    """A deterministic autoencoder of one modality."""

    def __init__(self, architecture: Architecture, latent: int) -> None:
        super().__init__()
        self.architecture = architecture
        self.encoder = architecture.encoder(latent)
        self.decoder = architecture.decoder(latent)

    def loss(self, x: Tensor) -> Tensor:
        """Equation 2 with l = -log p(x | decoder(encoder(x))), mean over the batch."""
        return -self.architecture.likelihood.log_prob(self.decoder(self.encoder(x)), x).mean()


class MLD(LatentModel):
    """Multi-modal latent diffusion.

    Args:
        modalities: The data set's, in the order of their latents.
        architectures: Networks and likelihood of each modality.
        latent: Latent size of each modality, or one for all (table 8).
        autoencoder: How each autoencoder is trained (table 8).
        autoencoders: How those of some modalities are trained instead.
        augmented: Images whose autoencoder is trained on augmented ones (section D.1).
        score: How the score network is trained (table 9; EMA 0.999).
        d: Probability that all modalities are diffused, ν(∅) of section 4.1 (table 9).
        width: Of the score network.
        blocks: Levels of the score network.
        time_embedding: Size of its time embedding.
        groups: Of its group normalisations.
        sampler: The sampler's name, under "name", and its parameters.
    """

    title: ClassVar[str] = "Multi-modal latent diffusion"
    paper: ClassVar[str] = (
        "Bounoua, Franzese, Michiardi: Multi-modal Latent Diffusion, 2023, "
        "https://arxiv.org/abs/2306.04445"
    )
    has_sampler: ClassVar[bool] = True
    takes_incomplete: ClassVar[bool] = True
    owner: Tensor
    latents_mean: Tensor
    latents_std: Tensor

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
        sampler: dict[str, Any],
    ) -> None:
        super().__init__()
        self.names = [m.name for m in modalities]
        M = len(self.names)
        sizes = dict.fromkeys(self.names, latent) if isinstance(latent, int) else latent
        special = autoencoders or {}
        for key, named in (
            ("latent", sizes), ("autoencoders", special), ("augmented", augmented)
        ):  # fmt: skip
            for name in named:
                if name not in self.names:
                    raise ValueError(f"{key} names a modality {name!r}{nearest(name, self.names)}")
        for name in self.names:
            if sizes.get(name, 0) < 1:
                raise ValueError(f"latent has {sizes.get(name)} for {name!r}, expected at least 1")
        if not 0 <= d <= 1:
            raise ValueError(f"d is {d}, expected a probability")
        if M < 2 and d < 1:
            raise ValueError("masked diffusion needs at least two modalities")
        self.d = d
        self.sde = VPSDE()
        self.sampler = make_sampler(sampler)
        self.score = score
        self.stage1 = {m: special.get(m, autoencoder) for m in self.names}
        self.augmented = augmented
        self.autoencoders = nn.ModuleDict(
            {m: Autoencoder(architectures[m], sizes[m]) for m in self.names}
        )
        D = sum(sizes[m] for m in self.names)
        self.score_network = ScoreNetwork(D, M, width, blocks, time_embedding, groups)
        self.register_buffer("latents_mean", torch.zeros(D))
        self.register_buffer("latents_std", torch.ones(D))
        # owner[j, i] = 1 where coordinate j of the latent belongs to modality i
        owner = torch.block_diag(*[torch.ones(sizes[m], 1) for m in self.names])
        self.register_buffer("owner", owner, persistent=False)
        ends = accumulate(sizes[m] for m in self.names)
        self.place = {m: slice(e - sizes[m], e) for m, e in zip(self.names, ends, strict=True)}

    @property
    def evaluations(self) -> int:
        """Evaluations of the score network a sample."""
        return self.sampler.evaluations

    def fit(self, train: Split, trainer: Trainer) -> None:
        """Trains the autoencoders, then the score network on their latents.

        An example that lacks modalities counts with those that it has.
        """
        for m in self.names:
            self._fit_autoencoder(m, train, trainer)
        latents = self._standardised_latents(train)
        present = None
        if train.incomplete:
            present = torch.stack([train.present(m) for m in self.names], 1).float()

        def masked_diffusion(rows: Tensor, noise: torch.Generator) -> Tensor:
            here = None if present is None else present[rows]
            return self.masked_diffusion_loss(latents[rows], noise, here)

        trainer.minimise("score", self.score_network, masked_diffusion, len(train), self.score)

    def _fit_autoencoder(self, m: str, train: Split, trainer: Trainer) -> None:
        ae = self._autoencoder(m)
        examples = train.present(m).nonzero()[:, 0]
        augment = trivial_augment_wide() if m in self.augmented else None

        def loss(rows: Tensor, _: torch.Generator) -> Tensor:
            x = train.batch(examples[rows], [m])[m]
            return ae.loss(x if augment is None else augment(x))

        trainer.minimise(f"autoencoder {m}", ae, loss, len(examples), self.stage1[m])

    def masked_diffusion_loss(
        self, z: Tensor, noise: torch.Generator, present: Tensor | None = None
    ) -> Tensor:
        """Algorithm 2 for a batch, with the noise as the network's target.

        The paper draws one subset a batch; one an example is the same objective at a lower
        variance.

        Args:
            z: (B, D) standardised latents.
            noise: Source of subsets, times and noise.
            present: (B, M), 1 where an example has a modality; by default it has all. One that is
                absent is pure noise to the network, as at t = 1, and no part of the loss.
        """
        B = len(z)
        diffused = self._diffused(B, noise)  # (B, M), 1 for A1
        if present is None:
            present = torch.ones_like(diffused)
        else:
            diffused = diffused * present
            diffused = torch.where(diffused.sum(1, keepdim=True) > 0, diffused, present)
        t = torch.rand(B, 1, generator=noise, device=z.device)
        ε = torch.randn(z.shape, generator=noise, device=z.device)
        mask, known = diffused @ self.owner.T, present @ self.owner.T  # (B, D), m(A1), m(A1 ∪ A2)
        r = torch.where(mask > 0, self.sde.perturb(z, t, ε), torch.where(known > 0, z, ε))
        error = mask * (self.score_network(r, diffused * t + (1 - present)) - ε)
        omega = known.sum(1) / mask.sum(1)  # equation 12: 1 + dim(A2) / dim(A1)
        loss: Tensor = (omega * (error**2).sum(1)).mean()
        return loss

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
        return (code[:, None] >> torch.arange(M, device=device) & 1).float()

    @torch.no_grad()
    def _standardised_latents(self, train: Split) -> Tensor:
        """All latents of a split, (N, D); sets the statistics that standardise them.

        Those of an absent modality have no meaning.

        The paper takes mean and deviation from the first batch; the whole split has the same
        expectation and does not depend on which batch comes first.
        """
        z = torch.zeros(len(train), len(self.latents_mean), device=train.device)
        for m in self.names:
            here, encoder = self.place[m], self._autoencoder(m).encoder
            views = Split({m: train.tensors[m]})  # each once, however many examples share it
            chunks = torch.arange(len(views), device=train.device).split(ROWS)
            codes = torch.cat([encoder(views.batch(rows)[m]) for rows in chunks])
            z[:, here] = codes[train.index[m]] if m in train.index else codes
            known = z[train.present(m), here].double()
            self.latents_mean[here] = known.mean(0).float()
            self.latents_std[here] = known.std(0).clamp_min(1e-6).float()
        return z.sub_(self.latents_mean).div_(self.latents_std)

    @torch.no_grad()
    def encode(self, given: Batch, n: int, generator: torch.Generator) -> Tensor:
        """Standardised latents of what is given and, drawn by Algorithm 3, of the rest: (n, D)."""
        z = self._given_latents(given, n)
        diffused = torch.tensor([m not in given for m in self.names], device=z.device).float()
        if not diffused.any():
            return z

        def score(r: Tensor, t: float) -> Tensor:
            tau = (t * diffused).expand(len(r), -1)
            noise: Tensor = self.score_network(r, tau)
            return noise.div_(-self.sde.sigma(t))

        free = (self.owner @ diffused).bool()  # (D,)
        return self.sampler.sample(score, self.sde, z, free, generator)

    @torch.no_grad()
    def decode(self, z: Tensor, targets: Sequence[str]) -> Batch:
        """Decodes standardised latents (n, D)."""
        return {m: self.show(m, z[:, self.place[m]]) for m in targets}

    @torch.no_grad()
    def show(self, name: str, z: Tensor) -> Tensor:
        """Decodes one modality's standardised latents (n, its size): (n, *shape)."""
        here, ae = self.place[name], self._autoencoder(name)
        z = z * self.latents_std[here] + self.latents_mean[here]
        return torch.cat([ae.architecture.show(ae.decoder(c)) for c in z.split(ROWS)])

    def generate(
        self, given: Batch, targets: Sequence[str], n: int, generator: torch.Generator
    ) -> Batch:
        """Draws the targets given other modalities; targets that are given skip the diffusion."""
        for m in (*given, *targets):
            if m not in self.names:
                raise ValueError(f"there is no modality {m!r}{nearest(m, self.names)}")
        if set(targets) <= set(given):
            return self.decode(self._given_latents(given, n), targets)
        return super().generate(given, targets, n, generator)

    @torch.no_grad()
    def embed(self, given: Batch) -> Embedded:
        """Standardised latents of each modality given, the same for all subsets."""
        out = {}
        for m, x in given.items():
            here, encoder = self.place[m], self._autoencoder(m).encoder
            code = torch.cat([encoder(c) for c in x.split(ROWS)])
            out[m] = (code - self.latents_mean[here]) / self.latents_std[here]
        return Embedded(out)

    def _given_latents(self, given: Batch, n: int) -> Tensor:
        z = torch.zeros(n, len(self.latents_mean), device=self.latents_mean.device)
        codes = given if isinstance(given, Embedded) else self.embed(given)
        for m, code in codes.items():
            z[:, self.place[m]] = code
        return z

    def _autoencoder(self, name: str) -> Autoencoder:
        ae = self.autoencoders[name]
        assert isinstance(ae, Autoencoder)  # for the type checker
        return ae
