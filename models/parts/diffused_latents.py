"""The latents of independent autoencoders, side by side, and a diffusion over all of them.

What MLD, SBM-VAE and their variants share: stage 1 trains an autoencoder for each modality; to
generate, what is given is encoded and a sampler draws the latents of the rest.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmbench.core.data import Batch, Split
from mmbench.core.model import Embedded, LatentModel
from mmbench.models.diffusion.sampler import Sampler, Score
from mmbench.models.diffusion.samplers import make_sampler
from mmbench.models.diffusion.sde import VPSDE
from mmbench.models.parts.augment import trivial_augment_wide
from mmbench.models.parts.autoencoder import Autoencoder
from mmbench.registry import expect_modalities
from mmbench.training.trainer import Optimisation, Trainer


class DiffusedLatents(LatentModel):
    """A model of the concatenated latents (B, D) of one autoencoder for each modality.

    Args:
        sizes: Latent size of each modality, in the order of the latents.
        stage1: How each autoencoder is trained.
        sde: The diffusion.
        sampler: The sampler's name, under "name", and its parameters.
        augmented: Images whose autoencoder is trained on augmented ones.
    """

    takes_incomplete: ClassVar[bool] = True
    stage: ClassVar[str] = "autoencoder"
    """How the title of an autoencoder's training begins."""

    def __init__(
        self,
        sizes: Mapping[str, int],
        stage1: dict[str, Optimisation],
        sde: VPSDE,
        sampler: dict[str, Any],
        augmented: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.names, self.stage1, self.augmented = list(sizes), stage1, augmented
        self.sde = sde
        self.sampler: Sampler = make_sampler(sampler)
        ends = list(accumulate(sizes.values()))
        self.size = ends[-1]  # D
        self.place = {m: slice(e - sizes[m], e) for m, e in zip(sizes, ends, strict=True)}

    @property
    @abstractmethod
    def parts(self) -> nn.ModuleDict:
        """The autoencoder of each modality."""

    @abstractmethod
    def conditional_score(self, given: Batch, z: Tensor, generator: torch.Generator) -> Score:
        """The score of all that is not given, as a sampler takes it.

        Args:
            given: The modalities conditioned on.
            z: (B, D) latents, meaningful where they are given.
            generator: The source of noise, for a method that needs some.
        """

    @property
    def evaluations(self) -> int:
        """Evaluations of the score network for each sample."""
        return self.sampler.evaluations

    def autoencoder(self, name: str) -> Autoencoder:
        """The autoencoder of a modality."""
        ae = self.parts[name]
        assert isinstance(ae, Autoencoder)  # for the type checker
        return ae

    def variant(self, name: str) -> object:
        """What else the result of an autoencoder's training depends on, as JSON."""
        return name in self.augmented

    def fit_autoencoder(self, m: str, train: Split, trainer: Trainer) -> None:
        """Trains the autoencoder of a modality on the examples that have it."""
        ae = self.autoencoder(m)
        augment = trivial_augment_wide() if m in self.augmented else None
        examples = train.complete([m])

        def loss(rows: Tensor, noise: torch.Generator) -> Tensor:
            x = train.batch(examples[rows], [m])[m]
            return ae.loss(x if augment is None else augment(x), noise)

        content = [train.fingerprint([m]), ae.architecture.recipe, self.variant(m)]
        stage = f"{self.stage} {m}"
        trainer.minimise(stage, ae, loss, len(examples), self.stage1[m], content=content)

    def free(self, given: Batch) -> Tensor:
        """Which coordinates of the latents are not given: (D,), bool."""
        free = torch.ones(self.size, dtype=torch.bool, device=self._device)
        for m in given:
            free[self.place[m]] = False
        return free

    def in_painted(self, r: Tensor, t: float, free: Tensor, generator: torch.Generator) -> Tensor:
        """Latents r (B, D) at time t with what is given, and clean, diffused by fresh noise."""
        ε = torch.empty_like(r).normal_(generator=generator)
        return torch.where(free, r, self.sde.perturb(r, t, ε))

    @torch.no_grad()
    def encode(self, given: Batch, n: int, generator: torch.Generator) -> Tensor:
        """The latents: encoded where given, drawn by the sampler elsewhere: (n, D)."""
        z = self._given_latents(given, n)
        if set(self.names) <= set(given):
            return z
        score = self.conditional_score(given, z, generator)
        return self.sampler.sample(score, self.sde, z, self.free(given), generator)

    @torch.no_grad()
    def decode(self, z: Tensor, targets: Sequence[str]) -> Batch:
        """Decodes latents (n, D)."""
        return {m: self.show(m, z[:, self.place[m]]) for m in targets}

    @torch.no_grad()
    def show(self, name: str, z: Tensor) -> Tensor:
        """Decodes the latents of one modality, (n, its size): (n, *shape)."""
        return self.autoencoder(name).show(z)

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
        """The latents of each modality given, the same for all subsets."""
        if isinstance(given, Embedded):
            return given
        return Embedded({m: self.embedding(m, x) for m, x in given.items()})

    def embedding(self, name: str, x: Tensor) -> Tensor:
        """The latents of one modality (n, *shape): (n, its size)."""
        return self.autoencoder(name).codes(x)

    def _given_latents(self, given: Batch, n: int) -> Tensor:
        z = torch.zeros(n, self.size, device=self._device)
        for m, code in self.embed(given).items():
            z[:, self.place[m]] = code
        return z

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device
