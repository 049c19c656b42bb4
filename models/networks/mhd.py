"""Encoders and decoders for MHD: image (1, 28, 28), trajectory (200,), sound (1, 32, 128).

Layers as in Vasco et al., Leveraging hierarchy in multimodal generative models for effective
cross-modality inference, 2022, https://arxiv.org/abs/2110.03608, which the long MLD paper reuses
(section D.2).
"""

from torch import nn

from mmbench.architecture import Networks
from mmbench.core.data import Modality


def images(channels: int) -> Networks:
    """Networks for images (1, 28, 28), of so many channels in the first convolution."""
    first, second = channels, 2 * channels
    flat = second * 7 * 7

    def encoder(modality: Modality, outputs: int) -> nn.Module:
        layers = [nn.Conv2d(1, first, 4, 2, 1, bias=False), nn.SiLU()]
        layers += [nn.Conv2d(first, second, 4, 2, 1, bias=False), nn.SiLU(), nn.Flatten()]
        layers += [*_silu(flat, 128), *_silu(128, 128), nn.Linear(128, outputs)]
        return nn.Sequential(*layers)

    def decoder(modality: Modality, latent: int) -> nn.Module:
        layers = [*_silu(latent, 128), *_silu(128, 128), *_silu(128, flat)]
        layers += [nn.Unflatten(1, (second, 7, 7))]
        layers += [nn.ConvTranspose2d(second, first, 4, 2, 1, bias=False), nn.SiLU()]
        return nn.Sequential(
            *layers, nn.ConvTranspose2d(first, 1, 4, 2, 1, bias=False), nn.Sigmoid()
        )

    return Networks(encoder, decoder)


def _silu(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs), nn.SiLU()]


def _dense(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.LeakyReLU()]


def trajectories(width: int) -> Networks:
    """Networks for trajectories (200,), of three hidden layers of some width."""

    def hidden(inputs: int) -> list[nn.Module]:
        return [*_dense(inputs, width), *_dense(width, width), *_dense(width, width)]

    def encoder(modality: Modality, outputs: int) -> nn.Module:
        return nn.Sequential(*hidden(200), nn.Linear(width, outputs))

    def decoder(modality: Modality, latent: int) -> nn.Module:
        return nn.Sequential(*hidden(latent), nn.Linear(width, 200), nn.Sigmoid())

    return Networks(encoder, decoder)


def _sound_encoder(modality: Modality, outputs: int) -> nn.Module:
    # all mel bands of a frame at once: (B, 1, 32, 128) -> (B, 128, 32, 1)
    layers = [nn.Conv2d(1, 128, (1, 128), bias=False), nn.BatchNorm2d(128), nn.ReLU()]
    for a, b in ((128, 128), (128, 256)):
        layers.append(nn.Conv2d(a, b, (4, 1), (2, 1), (1, 0), bias=False))
        layers += [nn.BatchNorm2d(b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(2048, outputs))


def _sound_decoder(modality: Modality, latent: int) -> nn.Module:
    layers = [nn.Linear(latent, 2048), nn.BatchNorm1d(2048), nn.ReLU()]
    layers.append(nn.Unflatten(1, (256, 8, 1)))
    for a, b in ((256, 128), (128, 128)):
        layers.append(nn.ConvTranspose2d(a, b, (4, 1), (2, 1), (1, 0), bias=False))
        layers += [nn.BatchNorm2d(b), nn.ReLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(128, 1, (1, 128), bias=False), nn.Sigmoid())


image = images(32)
trajectory = trajectories(512)
sound = Networks(_sound_encoder, _sound_decoder)
