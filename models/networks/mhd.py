"""Encoders and decoders for MHD: image (1, 28, 28), trajectory (200,), sound (1, 32, 128).

Layers as in Vasco et al., Leveraging hierarchy in multimodal generative models for effective
cross-modality inference, 2022, https://arxiv.org/abs/2110.03608, which the long MLD paper reuses
(section D.2).
"""

from torch import nn

from mmbench.core import Modality
from mmbench.models.architecture import Networks


def _image_encoder(modality: Modality, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 32, 4, 2, 1, bias=False), nn.SiLU(),
        nn.Conv2d(32, 64, 4, 2, 1, bias=False), nn.SiLU(),
        nn.Flatten(),  # (B, 64, 7, 7) -> (B, 3136)
        nn.Linear(3136, 128), nn.SiLU(),
        nn.Linear(128, 128), nn.SiLU(),
        nn.Linear(128, outputs),
    )  # fmt: skip


def _image_decoder(modality: Modality, latent: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(latent, 128), nn.SiLU(),
        nn.Linear(128, 128), nn.SiLU(),
        nn.Linear(128, 3136), nn.SiLU(),
        nn.Unflatten(1, (64, 7, 7)),
        nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False), nn.SiLU(),
        nn.ConvTranspose2d(32, 1, 4, 2, 1, bias=False),
        nn.Sigmoid(),
    )  # fmt: skip


def _dense(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.LeakyReLU()]


def _trajectory_encoder(modality: Modality, outputs: int) -> nn.Module:
    return nn.Sequential(
        *_dense(200, 512), *_dense(512, 512), *_dense(512, 512), nn.Linear(512, outputs)
    )


def _trajectory_decoder(modality: Modality, latent: int) -> nn.Module:
    return nn.Sequential(
        *_dense(latent, 512), *_dense(512, 512), *_dense(512, 512), nn.Linear(512, 200),
        nn.Sigmoid(),
    )  # fmt: skip


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


def _strided_sound_encoder(modality: Modality, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.SiLU(),
        nn.Conv2d(16, 32, 4, 2, 1, bias=False), nn.BatchNorm2d(32), nn.SiLU(),
        nn.Conv2d(32, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.SiLU(),
        nn.Flatten(),  # (B, 64, 4, 16) -> (B, 4096)
        nn.Linear(4096, 256), nn.SiLU(),
        nn.Linear(256, outputs),
    )  # fmt: skip


def _strided_sound_decoder(modality: Modality, latent: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(latent, 256), nn.SiLU(),
        nn.Linear(256, 4096), nn.SiLU(), nn.Unflatten(1, (64, 4, 16)),
        nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False), nn.BatchNorm2d(32), nn.SiLU(),
        nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.SiLU(),
        nn.ConvTranspose2d(16, 1, 4, 2, 1),
        nn.Sigmoid(),
    )  # fmt: skip


image = Networks(_image_encoder, _image_decoder)
trajectory = Networks(_trajectory_encoder, _trajectory_decoder)
sound = Networks(_sound_encoder, _sound_decoder)
strided_sound = Networks(_strided_sound_encoder, _strided_sound_decoder)
"""For the twin: MHD's own layers mix all bands at once and want more examples and epochs."""
