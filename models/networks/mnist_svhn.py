"""Encoders and decoders for MNIST-SVHN: mnist (1, 28, 28) and svhn (3, 32, 32).

Layers as in Shi, Siddharth, Paige and Torr, Variational mixture-of-experts autoencoders for
multi-modal deep generative models, 2019, https://arxiv.org/abs/1911.03393, which the long MLD
paper reuses (section D.2).
"""

from torch import nn

from mmbench.architecture import Networks
from mmbench.core.data import Modality


def _mnist_encoder(modality: Modality, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, outputs))


def _mnist_decoder(modality: Modality, latent: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(latent, 400), nn.ReLU(),
        nn.Linear(400, 784), nn.Unflatten(1, (1, 28, 28)), nn.Sigmoid(),
    )  # fmt: skip


def _svhn_encoder(modality: Modality, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 32, 4, 2, 1), nn.ReLU(),
        nn.Conv2d(32, 64, 4, 2, 1), nn.ReLU(),
        nn.Conv2d(64, 128, 4, 2, 1), nn.ReLU(),
        nn.Conv2d(128, outputs, 4),  # (B, 128, 4, 4) -> (B, outputs, 1, 1)
        nn.Flatten(),
    )  # fmt: skip


def _svhn_decoder(modality: Modality, latent: int) -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (latent, 1, 1)),
        nn.ConvTranspose2d(latent, 128, 4), nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 4, 2, 1), nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ReLU(),
        nn.ConvTranspose2d(32, 3, 4, 2, 1), nn.Sigmoid(),
    )  # fmt: skip


mnist = Networks(_mnist_encoder, _mnist_decoder)
svhn = Networks(_svhn_encoder, _svhn_decoder)
