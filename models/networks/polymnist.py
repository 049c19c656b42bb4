"""Encoder and decoder for each modality of PolyMNIST: (3, 28, 28).

Layers as in Sutter, Daunhawer, Vogt, Generalized multimodal ELBO, 2021,
https://arxiv.org/abs/2105.02470, with the linear head that the MLD authors add to the encoder.
"""

from torch import nn

from mmbench.architecture import Networks
from mmbench.core.data import Modality


def _encoder(modality: Modality, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU(),
        nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU(),
        nn.Conv2d(64, 128, 3, 2, 1), nn.ReLU(),
        nn.Flatten(),  # (B, 128, 4, 4) -> (B, 2048)
        nn.Linear(2048, outputs), nn.ReLU(),
        nn.Linear(outputs, outputs),
    )  # fmt: skip


def _decoder(modality: Modality, latent: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(latent, 2048), nn.ReLU(),
        nn.Unflatten(1, (128, 4, 4)),
        nn.ConvTranspose2d(128, 64, 3, 2, 1), nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 3, 2, 1, 1), nn.ReLU(),
        nn.ConvTranspose2d(32, 3, 3, 2, 1, 1),
    )  # fmt: skip


image = Networks(_encoder, _decoder)
