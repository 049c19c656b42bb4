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
    dense = [nn.Linear(latent, 400), nn.ReLU(), nn.Linear(400, 784)]
    return nn.Sequential(*dense, nn.Unflatten(1, (1, 28, 28)), nn.Sigmoid())


def _svhn_encoder(modality: Modality, outputs: int) -> nn.Module:
    layers: list[nn.Module] = []
    for a, b in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(a, b, 4, 2, 1), nn.ReLU()]
    # (B, 128, 4, 4) -> (B, outputs, 1, 1)
    return nn.Sequential(*layers, nn.Conv2d(128, outputs, 4), nn.Flatten())


def _svhn_decoder(modality: Modality, latent: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Unflatten(1, (latent, 1, 1))]
    layers += [nn.ConvTranspose2d(latent, 128, 4), nn.ReLU()]
    for a, b in ((128, 64), (64, 32)):
        layers += [nn.ConvTranspose2d(a, b, 4, 2, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(32, 3, 4, 2, 1), nn.Sigmoid())


mnist = Networks(_mnist_encoder, _mnist_decoder)
svhn = Networks(_svhn_encoder, _svhn_decoder)
