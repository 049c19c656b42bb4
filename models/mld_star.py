"""MLD*: MLD with a stronger image autoencoder.

Bounoua, Franzese, Michiardi: Masked Multi-time Diffusion for Multi-modal Generative Modeling, 2023
(the workshop version of Multi-modal Latent Diffusion), section C.3: all but the image's
autoencoder, which is deterministic and trained with the mean squared error, is as in MLD.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch

from mmbench.architecture import Architecture, Likelihood, architecture
from mmbench.core.data import Modality
from mmbench.models.latent_diffusion import Statistics
from mmbench.models.mld import MLD
from mmbench.models.parts.autoencoder import Autoencoder
from mmbench.seeds import derive
from mmbench.training.trainer import Optimisation

SQUARED_ERROR = Likelihood("normal", scale=0.5**0.5)


class MLDStar(MLD):
    """MLD with another autoencoder for images.

    Args:
        modalities: As of `MLD`, like those below but image.
        architectures: Networks and likelihood of each modality.
        image: The networks of images, "module:object".
        latent: Latent size of each modality, or one for all.
        autoencoder: How each autoencoder is trained.
        score: How the score network is trained.
        width: Of the score network.
        autoencoders: How those of some modalities are trained instead.
        augmented: Images whose autoencoder is trained on augmented ones.
        d: Probability that all modalities are diffused.
        blocks: Levels of the score network.
        time_embedding: Size of its time embedding.
        groups: Of its group normalisations.
        statistics: Whose mean and deviation standardise the latents.
        masks: Whether each "example" has a subset A1 of its own, or each "batch" one.
        sampler: The sampler's name, under "name", and its parameters.

    Raises:
        ValueError: There is no image, or its latent does not suit the networks.
    """

    title: ClassVar[str] = "Multi-modal latent diffusion, stronger image autoencoder"
    paper: ClassVar[str] = (
        "Bounoua, Franzese, Michiardi: Masked Multi-time Diffusion for Multi-modal Generative "
        "Modeling, 2023 (a workshop version of https://arxiv.org/abs/2306.04445)"
    )

    def __init__(
        self,
        modalities: Sequence[Modality],
        architectures: dict[str, Architecture],
        *,
        image: str,
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
        sampler: dict[str, Any],
    ) -> None:
        super().__init__(
            modalities,
            architectures,
            latent=latent,
            autoencoder=autoencoder,
            score=score,
            width=width,
            autoencoders=autoencoders,
            augmented=augmented,
            d=d,
            blocks=blocks,
            time_embedding=time_embedding,
            groups=groups,
            statistics=statistics,
            masks=masks,
            sampler=sampler,
        )
        images = [m for m in modalities if m.kind == "image"]
        if not images:
            raise ValueError("MLD* has another autoencoder for images, and there is no image")
        for m in images:
            here = self.place[m.name]
            # MLD's own was built and is replaced, so that all others begin as they do in MLD and
            # are shared with it.
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(derive(torch.initial_seed(), "stronger", m.name))
                stronger = architecture(m, image, SQUARED_ERROR)
                self.autoencoders[m.name] = Autoencoder(stronger, here.stop - here.start)
