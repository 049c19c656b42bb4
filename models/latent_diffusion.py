"""Latent diffusion: autoencoders of single modalities, and a diffusion over all their latents.

What MLD and its variants share (table 4): stage 1 trains one deterministic autoencoder a modality
(equation 2), stage 2 a score network on the concatenated, standardised latents. They differ in how
the score network is trained and in how it conditions, which is what subclasses say.

Bounoua, Franzese, Michiardi: Multi-modal Latent Diffusion, 2023,
https://arxiv.org/abs/2306.04445.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from mmbench.architecture import Architecture
from mmbench.core.data import Batch, Modality, Split
from mmbench.core.model import Embedded, LatentModel
from mmbench.models.diffusion.sampler import Score
from mmbench.models.diffusion.samplers import make_sampler
from mmbench.models.diffusion.score import ScoreNetwork
from mmbench.models.diffusion.sde import VPSDE
from mmbench.models.parts.augment import trivial_augment_wide
from mmbench.models.parts.autoencoder import Autoencoder
from mmbench.registry import expect_modalities, nearest
from mmbench.training.precision import autocast
from mmbench.training.trainer import Optimisation, Trainer

ROWS = 1024  # examples encoded or decoded at a time

Statistics = Literal["all", "batch"]
"""Which examples' latents give the mean and deviation that standardise them."""


class LatentDiffusion(LatentModel):
    """A diffusion over the latents of independent autoencoders.

    Args:
        modalities: The data set's, in the order of their latents.
        architectures: Networks and likelihood of each modality.
        latent: Latent size of each modality, or one for all (table 8).
        autoencoder: How each autoencoder is trained (table 8).
        autoencoders: How those of some modalities are trained instead.
        augmented: Images whose autoencoder is trained on augmented ones (section D.1).
        score: How the score network is trained (table 9; EMA 0.999).
        width: Of the score network.
        blocks: Levels of the score network.
        time_embedding: Size of its time embedding.
        groups: Of its group normalisations.
        statistics: Whose mean and deviation standardise the latents: of "all" training examples,
            or of the first "batch" of the second stage, as in the paper (section A.1). They have
            the same expectation; all examples do not depend on which batch comes first.
        sampler: The sampler's name, under "name", and its parameters.
    """

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
        blocks: int = 2,
        time_embedding: int = 512,
        groups: int = 32,
        statistics: Statistics = "all",
        sampler: dict[str, Any],
    ) -> None:
        super().__init__()
        self.names = [m.name for m in modalities]
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
        self.sde = VPSDE()
        self.sampler = make_sampler(sampler)
        self.score, self.statistics = score, statistics
        self.stage1 = {m: special.get(m, autoencoder) for m in self.names}
        self.augmented = augmented
        self.autoencoders = nn.ModuleDict(
            {m: Autoencoder(architectures[m], sizes[m]) for m in self.names}
        )
        D = sum(sizes[m] for m in self.names)
        self.score_network = ScoreNetwork(D, self.times, width, blocks, time_embedding, groups)
        self.register_buffer("latents_mean", torch.zeros(D))
        self.register_buffer("latents_std", torch.ones(D))
        # owner[j] = i where coordinate j of the latent belongs to modality i
        owner = [i for i, m in enumerate(self.names) for _ in range(sizes[m])]
        self.register_buffer("owner", torch.tensor(owner), persistent=False)
        ends = accumulate(sizes[m] for m in self.names)
        self.place = {m: slice(e - sizes[m], e) for m, e in zip(self.names, ends, strict=True)}

    @property
    def times(self) -> int:
        """How many times the score network is told: one for each modality."""
        return len(self.names)

    @abstractmethod
    def diffusion_loss(
        self, z: Tensor, noise: torch.Generator, present: Tensor | None = None
    ) -> Tensor:
        """What the score network is trained with, for a batch.

        Args:
            z: (B, D) standardised latents.
            noise: Source of all that is random.
            present: (B, M), 1 where an example has a modality; by default it has all.
        """

    def conditional_score(self, given: Batch, z: Tensor, generator: torch.Generator) -> Score:
        """The score of all that is not given, as a sampler takes it.

        By Algorithm 3: what is given has the time 0, all else the time of the diffusion.

        Args:
            given: The modalities conditioned on.
            z: (B, D) standardised latents, with a meaning where they are given.
            generator: Source of noise, for a variant that needs some.
        """
        diffused = self._not(given)

        def score(r: Tensor, t: float) -> Tensor:
            return self.predicted_noise(r, (t * diffused)[None]).div_(-self.sde.sigma(t))

        return score

    def predicted_noise(self, r: Tensor, tau: Tensor) -> Tensor:
        """What the score network makes of r (B, D), in the precision in which it was trained.

        Args:
            r: (B, D) latents, diffused where τ > 0.
            tau: (1, times), the same for all.

        Returns:
            (B, D) of r's type.
        """
        with autocast(self.score.precision, r.device):
            noise: Tensor = self.score_network(r, tau)
        return noise.to(r.dtype)

    def free(self, given: Batch) -> Tensor:
        """Which coordinates of the latents are not given: (D,), bool."""
        return self._not(given)[self.owner].bool()

    def _not(self, given: Batch) -> Tensor:
        """(M,), 1 for each modality that is not given."""
        return torch.tensor([m not in given for m in self.names], device=self.owner.device).float()

    @property
    def evaluations(self) -> int:
        """Evaluations of the score network a sample."""
        return self.sampler.evaluations

    def fit(self, train: Split, trainer: Trainer) -> None:
        """Trains the autoencoders, then the score network on their latents.

        An example that lacks modalities counts with those that it has. A score network narrower
        than the latents is told of: the noise of all of them does not pass through it.
        """
        D, width = len(self.latents_mean), self.score_network.inward.out_features
        if width < D:
            trainer.progress.say(
                f"width is {width}, less than the {D} latents, whose noise the score network "
                "cannot tell in full: expect poor samples"
            )
        for m in self.names:
            self._fit_autoencoder(m, train, trainer)
        examples = None
        if self.statistics == "batch":
            examples = trainer.order("score", 0, len(train))[: self.score.batch_size]
        latents = self._standardised_latents(train, examples)
        present = None
        if train.incomplete:
            present = torch.stack([train.present(m) for m in self.names], 1).float()

        def loss(rows: Tensor, noise: torch.Generator) -> Tensor:
            here = None if present is None else present[rows]
            return self.diffusion_loss(latents[rows], noise, here)

        trainer.minimise("score", self.score_network, loss, len(train), self.score)

    def _fit_autoencoder(self, m: str, train: Split, trainer: Trainer) -> None:
        ae = self._autoencoder(m)
        examples = train.present(m).nonzero()[:, 0]
        augment = trivial_augment_wide() if m in self.augmented else None

        def loss(rows: Tensor, _: torch.Generator) -> Tensor:
            x = train.batch(examples[rows], [m])[m]
            return ae.loss(x if augment is None else augment(x))

        content = [train.fingerprint([m]), ae.architecture.recipe, augment is not None]
        trainer.minimise(
            f"autoencoder {m}", ae, loss, len(examples), self.stage1[m], content=content
        )

    @torch.no_grad()
    def _standardised_latents(self, train: Split, examples: Tensor | None = None) -> Tensor:
        """All latents of a split, (N, D); sets the statistics that standardise them.

        Those of an absent modality have no meaning.

        Args:
            train: The split.
            examples: Those whose statistics count; by default all.

        Raises:
            ValueError: Fewer than two of the examples have some modality.
        """
        counts = torch.ones(len(train), dtype=torch.bool, device=train.device)
        if examples is not None:
            counts.zero_()[examples] = True
        z = torch.zeros(len(train), len(self.latents_mean), device=train.device)
        for m in self.names:
            here, encoder = self.place[m], self._autoencoder(m).encoder
            views = Split({m: train.tensors[m]})  # each once, however many examples share it
            chunks = torch.arange(len(views), device=train.device).split(ROWS)
            codes = torch.cat([encoder(views.batch(rows)[m]) for rows in chunks])
            z[:, here] = codes[train.index[m]] if m in train.index else codes
            known = z[train.present(m) & counts, here].double()
            if len(known) < 2:
                raise ValueError(f"{len(known)} of the examples that standardise the latents have "
                                 f"{m!r}, expected at least 2")  # fmt: skip
            self.latents_mean[here] = known.mean(0).float()
            self.latents_std[here] = known.std(0).clamp_min(1e-6).float()
        return z.sub_(self.latents_mean).div_(self.latents_std)

    @torch.no_grad()
    def encode(self, given: Batch, n: int, generator: torch.Generator) -> Tensor:
        """Standardised latents of what is given and, drawn by the sampler, of the rest: (n, D)."""
        z = self._given_latents(given, n)
        if set(self.names) <= set(given):
            return z
        score = self.conditional_score(given, z, generator)
        return self.sampler.sample(score, self.sde, z, self.free(given), generator)

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
        expect_modalities((*given, *targets), self.names)
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
