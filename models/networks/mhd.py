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
        return nn.Sequential(
            nn.Conv2d(1, first, 4, 2, 1, bias=False), nn.SiLU(),
            nn.Conv2d(first, second, 4, 2, 1, bias=False), nn.SiLU(),
            nn.Flatten(),  # (B, second, 7, 7) -> (B, flat)
            nn.Linear(flat, 128), nn.SiLU(),
            nn.Linear(128, 128), nn.SiLU(),
            nn.Linear(128, outputs),
        )  # fmt: skip

    def decoder(modality: Modality, latent: int) -> nn.Module:
        return nn.Sequential(
            nn.Linear(latent, 128), nn.SiLU(),
            nn.Linear(128, 128), nn.SiLU(),
            nn.Linear(128, flat), nn.SiLU(),
            nn.Unflatten(1, (second, 7, 7)),
            nn.ConvTranspose2d(second, first, 4, 2, 1, bias=False), nn.SiLU(),
            nn.ConvTranspose2d(first, 1, 4, 2, 1, bias=False),
            nn.Sigmoid(),
        )  # fmt: skip

    return Networks(encoder, decoder)


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
    return nn.Sequential(
        # all mel bands of a frame at once: (B, 1, 32, 128) -> (B, 128, 32, 1)
        nn.Conv2d(1, 128, (1, 128), bias=False), nn.BatchNorm2d(128), nn.ReLU(),
        nn.Conv2d(128, 128, (4, 1), (2, 1), (1, 0), bias=False), nn.BatchNorm2d(128), nn.ReLU(),
        nn.Conv2d(128, 256, (4, 1), (2, 1), (1, 0), bias=False), nn.BatchNorm2d(256), nn.ReLU(),
        nn.Flatten(),  # (B, 256, 8, 1) -> (B, 2048)
        nn.Linear(2048, outputs),
    )  # fmt: skip


def _sound_decoder(modality: Modality, latent: int) -> nn.Module:
    return nn.Sequential(
        *[nn.Linear(latent, 2048), nn.BatchNorm1d(2048), nn.ReLU(), nn.Unflatten(1, (256, 8, 1))],
        nn.ConvTranspose2d(256, 128, (4, 1), (2, 1), (1, 0), bias=False),
        nn.BatchNorm2d(128), nn.ReLU(),
        nn.ConvTranspose2d(128, 128, (4, 1), (2, 1), (1, 0), bias=False),
        nn.BatchNorm2d(128), nn.ReLU(),
        nn.ConvTranspose2d(128, 1, (1, 128), bias=False),
        nn.Sigmoid(),
    )  # fmt: skip


image = images(32)
trajectory = trajectories(512)
sound = Networks(_sound_encoder, _sound_decoder)
