"""Encoder and decoder for each modality of PolyMNIST: (3, 28, 28).

Layers as in Sutter, Daunhawer, Vogt, Generalized multimodal ELBO, 2021,
https://arxiv.org/abs/2105.02470, with the linear head that the MLD authors add to the encoder. Its
hidden layer is as wide as the outputs; of a VAE theirs is as wide as the means alone.
"""

from torch import nn

from mmbench.architecture import Networks
from mmbench.core.data import Modality


def _encoder(modality: Modality, outputs: int) -> nn.Module:
    layers: list[nn.Module] = []
    for a, b in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(a, b, 3, 2, 1), nn.ReLU()]
    # (B, 128, 4, 4) -> (B, 2048)
    layers += [nn.Flatten(), nn.Linear(2048, outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(outputs, outputs))


def _decoder(modality: Modality, latent: int) -> nn.Module:
    layers = [nn.Linear(latent, 2048), nn.ReLU(), nn.Unflatten(1, (128, 4, 4))]
    layers += [nn.ConvTranspose2d(128, 64, 3, 2, 1), nn.ReLU()]
    layers += [nn.ConvTranspose2d(64, 32, 3, 2, 1, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(32, 3, 3, 2, 1, 1))


image = Networks(_encoder, _decoder)
