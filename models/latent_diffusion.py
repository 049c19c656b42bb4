"""Latent diffusion: autoencoders of single modalities, and a diffusion over all their latents.

What MLD and its variants share (table 4): stage 1 trains one deterministic autoencoder a modality
(equation 2), stage 2 a score network on the concatenated, standardised latents. Subclasses
define how the score network is trained and how it conditions.

Bounoua, Franzese, Michiardi: Multi-modal Latent Diffusion, 2023,
https://arxiv.org/abs/2306.04445.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from mmbench.architecture import Architecture
from mmbench.core.data import Batch, Modality, Split
from mmbench.models.diffusion.sampler import Score
from mmbench.models.diffusion.score import ScoreNetwork
from mmbench.models.diffusion.sde import VPSDE
from mmbench.models.parts.autoencoder import Autoencoder
from mmbench.models.parts.diffused_latents import DiffusedLatents
from mmbench.models.parts.principal import Principal
from mmbench.protocols.arguments import between, by_modality
from mmbench.registry import expect_modalities
from mmbench.training.precision import autocast
from mmbench.training.trainer import Optimisation, Trainer

Statistics = Literal["all", "batch"]
"""The examples whose mean and deviation standardise the latents."""


class LatentDiffusion(DiffusedLatents):
    """A diffusion over the latents of independent autoencoders.

    Args:
        modalities: The data set's modalities, in the order of their latents.
        architectures: Networks and likelihood of each modality.
        latent: Latent size of each modality, or one for all (table 8).
        autoencoder: How each autoencoder is trained (table 8).
        autoencoders: How the autoencoders of some modalities are trained instead.
        augmented: Image modalities whose autoencoders are trained on augmented images (section
            D.1).
        score: How the score network is trained (table 9; EMA 0.999).
        width: Width of the score network.
        blocks: Levels of the score network.
        time_embedding: Size of its time embedding.
        groups: Groups of its group normalisations.
        statistics: The examples whose mean and deviation standardise the latents: "all" training
            examples, or the first "batch" of the second stage, as in the paper (section A.1). Both
            have the same expectation, but the former does not depend on the order of examples.
        sampler: The sampler's name, under "name", and its parameters.
        components: How many principal components of each modality's latents the score network
            models (see `mmbench.models.parts.principal`), a number for each or one for all. By
            default it models the latents themselves, as in the paper.
    """

    paper: ClassVar[str] = (
        "Bounoua, Franzese, Michiardi: Multi-modal Latent Diffusion, 2023, "
        "https://arxiv.org/abs/2306.04445"
    )
    has_sampler: ClassVar[bool] = True
    one_time: ClassVar[bool] = False
    """Whether the score network takes one time for all modalities, or one for each."""
    owner: Tensor
    latents_mean: Tensor
    latents_std: Tensor

    def __init__(
        self,
        modalities: Sequence[Modality],
        architectures: dict[str, Architecture],
        latent: int | dict[str, int],
        autoencoder: Optimisation,
        score: Optimisation,
        width: int,
        sampler: dict[str, Any],
        autoencoders: dict[str, Optimisation] | None = None,
        augmented: Sequence[str] = (),
        blocks: int = 2,
        time_embedding: int = 512,
        groups: int = 32,
        statistics: Statistics = "all",
        components: int | dict[str, int] | None = None,
    ) -> None:
        names = [m.name for m in modalities]
        self.latents = sizes = by_modality("latent", latent, names, 1)
        if components is not None:
            sizes = by_modality("components", components, names, 1)
            for m in names:
                between(1, self.latents[m], **{f"components.{m}": sizes[m]})
        special = autoencoders or {}
        expect_modalities(special, names, "autoencoders")
        expect_modalities(augmented, names, "augmented")
        stage1 = {m: special.get(m, autoencoder) for m in names}
        super().__init__(sizes, stage1, VPSDE(), sampler, augmented)
        self.score, self.statistics = score, statistics
        self.autoencoders = nn.ModuleDict(
            {m: Autoencoder(architectures[m], self.latents[m]) for m in names}
        )
        few = [] if components is None else names
        self.principal = nn.ModuleDict({m: Principal(self.latents[m], sizes[m]) for m in few})
        D, times = self.size, 1 if self.one_time else len(names)
        self.score_network = ScoreNetwork(D, times, width, blocks, time_embedding, groups)
        self.register_buffer("latents_mean", torch.zeros(D))
        self.register_buffer("latents_std", torch.ones(D))
        # owner[j] = i where coordinate j of the latent belongs to modality i
        owner = [i for i, m in enumerate(names) for _ in range(sizes[m])]
        self.register_buffer("owner", torch.tensor(owner), persistent=False)

    @property
    def parts(self) -> nn.ModuleDict:
        """The autoencoder of each modality."""
        return self.autoencoders

    @abstractmethod
    def diffusion_loss(
        self, z: Tensor, noise: torch.Generator, present: Tensor | None = None
    ) -> Tensor:
        """The loss of the score network for a batch.

        Args:
            z: (B, D) standardised latents.
            noise: Source of all randomness.
            present: (B, M), 1 where an example has a modality; by default it has all of them. To
                the network an absent modality is pure noise, as at t = 1, and the loss leaves it
                out.
        """

    def conditional_score(self, given: Batch, z: Tensor, generator: torch.Generator) -> Score:
        """Algorithm 3: given modalities have time 0, all others the time of the diffusion."""
        diffused = [m not in given for m in self.names]
        times = torch.tensor(diffused, device=self.owner.device).float()

        def score(r: Tensor, t: float) -> Tensor:
            return self.predicted_noise(r, (t * times)[None]).div_(-self.sde.sigma(t))

        return score

    def predicted_noise(self, r: Tensor, tau: Tensor) -> Tensor:
        """The score network's output (B, D), in the precision in which it was trained.

        r (B, D) is diffused where τ > 0; tau (1, times) is the same for all. The result has r's
        type.
        """
        with autocast(self.score.precision, r.device):
            noise: Tensor = self.score_network(r, tau)
        return noise.to(r.dtype)

    def doubts(self) -> Iterator[str]:
        """A score network narrower than the latents cannot predict the noise of all of them."""
        width = self.score_network.inward.out_features
        if width < self.size:
            narrow = f"a score network of width {width} is narrower than the latent size"
            yield f"{narrow} {self.size}: expect poor samples"

    def fit(self, train: Split, trainer: Trainer) -> None:
        """Trains the autoencoders, then the score network on their latents.

        An example that lacks modalities is trained on with those that it has.

        Raises:
            ValueError: Fewer than two examples that standardise the latents have a modality.
            FloatingPointError: A loss is not finite.
        """
        counts = torch.ones(len(train), dtype=torch.bool, device=train.device)
        if self.statistics == "batch":
            first = trainer.order("score", 0, len(train))[: self.score.batch_size]
            counts.zero_()[first] = True
        for m in self.names:
            if (found := int((train.present(m) & counts).sum())) < 2:
                raise ValueError(
                    f"{found} of the examples that standardise the latents have {m!r}, "
                    "expected at least 2"
                )
        for m in self.names:
            self.fit_autoencoder(m, train, trainer)
        latents = self._standardised_latents(train, counts)
        for m in self.principal:
            if empty := self._principal(m).empty:
                trainer.progress.say(
                    f"the latents of {m} vary in fewer directions than components.{m} asks for: "
                    f"{empty} of its components are empty"
                )
        present = None
        if train.incomplete:
            present = torch.stack([train.present(m) for m in self.names], 1).float()

        def loss(rows: Tensor, noise: torch.Generator) -> Tensor:
            here = None if present is None else present[rows]
            return self.diffusion_loss(latents[rows], noise, here)

        trainer.minimise("score", self.score_network, loss, len(train), self.score)

    @torch.no_grad()
    def _standardised_latents(self, train: Split, counts: Tensor | None = None) -> Tensor:
        """All latents (N, D), standardised by those examples that count (N,), by default all.

        The model keeps the statistics.
        """
        z = torch.zeros(len(train), self.size, device=train.device)
        for m in self.names:
            here = self.place[m]
            codes, rows = self.autoencoder(m).codes_of(train, m), train.present(m)
            rows = rows if counts is None else rows & counts
            if m in self.principal:
                self._principal(m).learn(codes[rows])
                z[:, here] = self._principal(m)(codes)
                continue
            z[:, here] = codes
            known = codes[rows].double()
            self.latents_mean[here] = known.mean(0).float()
            self.latents_std[here] = known.std(0).clamp_min(1e-6).float()
        return z.sub_(self.latents_mean).div_(self.latents_std)

    def _principal(self, name: str) -> Principal:
        found = self.principal[name]
        assert isinstance(found, Principal)  # for the type checker
        return found

    @torch.no_grad()
    def show(self, name: str, z: Tensor) -> Tensor:
        """Decodes one modality's standardised latents (n, its size): (n, *shape)."""
        here = self.place[name]
        code = z * self.latents_std[here] + self.latents_mean[here]
        if name in self.principal:
            code = self._principal(name).inverse(code)
        return super().show(name, code)

    def embedding(self, name: str, x: Tensor) -> Tensor:
        """The standardised latents of one modality (n, *shape): (n, its size)."""
        here = self.place[name]
        code = super().embedding(name, x)
        if name in self.principal:
            code = self._principal(name)(code)
        return (code - self.latents_mean[here]) / self.latents_std[here]
