"""Encoders and decoders for mhd-mini: image (1, 28, 28), trajectory (200,), sound (1, 32, 128).

Images and trajectories have MHD's networks at half the width, which take half of the time and lose
a point of the coherence of reconstructions. MHD's layers for sound mix all bands at once, and want
more examples and epochs than the twin has; these halve both axes.
"""

from torch import nn

from mmbench.architecture import Networks
from mmbench.core.data import Modality
from mmbench.models.networks import mhd, stronger


def _sound_encoder(modality: Modality, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.SiLU(),
        nn.Conv2d(8, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.SiLU(),
        nn.Conv2d(16, 32, 4, 2, 1, bias=False), nn.BatchNorm2d(32), nn.SiLU(),
        nn.Flatten(),  # (B, 32, 4, 16) -> (B, 2048)
        nn.Linear(2048, 128), nn.SiLU(),
        nn.Linear(128, outputs),
    )  # fmt: skip


def _sound_decoder(modality: Modality, latent: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(latent, 128), nn.SiLU(),
        nn.Linear(128, 2048), nn.SiLU(), nn.Unflatten(1, (32, 4, 16)),
        nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.SiLU(),
        nn.ConvTranspose2d(16, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.SiLU(),
        nn.ConvTranspose2d(8, 1, 4, 2, 1),
        nn.Sigmoid(),
    )  # fmt: skip


image = mhd.images(16)
trajectory = mhd.trajectories(256)
sound = Networks(_sound_encoder, _sound_decoder)

stronger_image = stronger.networks((8, 16, 16), blocks=1, groups=8)
"""Of MLD*: the fewest channels of its kind, for two cores."""
