"""Encoders and decoders for mhd-mini: image (1, 28, 28), trajectory (200,), sound (1, 32, 128).

Images and trajectories have MHD's networks at half the width, which take half the time and lose
one point of coherence of reconstructions. MHD's layers for sound mix all bands at once, and need
more examples and epochs than the twin has; these halve both axes.
"""

from torch import nn

from mmbench.architecture import Networks
from mmbench.core.data import Modality
from mmbench.models.networks import mhd, stronger


def _sound_encoder(modality: Modality, outputs: int) -> nn.Module:
    layers: list[nn.Module] = []
    for a, b in ((1, 8), (8, 16), (16, 32)):
        layers += [nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.SiLU()]
    # (B, 32, 4, 16) -> (B, 2048)
    layers += [nn.Flatten(), nn.Linear(2048, 128), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(128, outputs))


def _sound_decoder(modality: Modality, latent: int) -> nn.Module:
    layers = [nn.Linear(latent, 128), nn.SiLU(), nn.Linear(128, 2048), nn.SiLU()]
    layers.append(nn.Unflatten(1, (32, 4, 16)))
    for a, b in ((32, 16), (16, 8)):
        layers += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.SiLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Sigmoid())


image = mhd.images(16)
trajectory = mhd.trajectories(256)
sound = Networks(_sound_encoder, _sound_decoder)

stronger_image = stronger.networks((8, 16, 16), blocks=1, groups=8)
"""For MLD*: the fewest channels of its kind, for two cores."""
