"""MLD*: MLD with a stronger image autoencoder.

Bounoua, Franzese, Michiardi: Masked Multi-time Diffusion for Multi-modal Generative Modeling, 2023
(the workshop version of Multi-modal Latent Diffusion), section C.3: all but the image's
autoencoder, which is deterministic and trained with the mean squared error, is as in MLD.
"""

from typing import ClassVar

from mmbench.models.mld import MLD


class MLDStar(MLD):
    """MLD with another autoencoder for images; its parameter `image` is required."""

    title: ClassVar[str] = "Multi-modal latent diffusion, stronger image autoencoder"
    paper: ClassVar[str] = (
        "Bounoua, Franzese, Michiardi: Masked Multi-time Diffusion for Multi-modal Generative "
        "Modeling, 2023 (a workshop version of https://arxiv.org/abs/2306.04445)"
    )
    needs_image: ClassVar[bool] = True
