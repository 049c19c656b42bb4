"""Encoders and decoders for CelebAMask-HQ: image (3, 128, 128), mask and attributes (18,).

Residual networks as in Wesego and Rooshenas, Score-based multimodal autoencoder, 2024,
https://arxiv.org/abs/2305.15708, in the widths of the code that the MLD authors and they share.
"""

from __future__ import annotations

from torch import Tensor, nn

from mmbench.architecture import Networks
from mmbench.core.data import Modality


class Block(nn.Module):
    """GELU(skip(x) + f(x)), f: 3 x 3 convolution, norm, GELU, 3 x 3 convolution, norm."""

    def __init__(self, inputs: int, hidden: int, width: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(inputs, hidden, 3, padding=1, bias=False), nn.BatchNorm2d(hidden), nn.GELU(),
            nn.Conv2d(hidden, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
        )  # fmt: skip
        self.skip: nn.Module = nn.Identity()
        if inputs != width:
            self.skip = nn.Conv2d(inputs, width, 1, bias=False)
        self.gelu = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, width, H, W)."""
        out: Tensor = self.gelu(self.skip(x) + self.residual(x))
        return out


def _first(channels: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, 64, 5, padding=2, bias=False), nn.BatchNorm2d(64), nn.LeakyReLU(0.1),
        nn.AvgPool2d(2),
    ]  # fmt: skip


def _larger(factor: int) -> nn.Module:
    return nn.Upsample(scale_factor=factor, mode="bilinear")


def _image_encoder(modality: Modality, outputs: int) -> nn.Module:
    channels, height, width = modality.shape
    return nn.Sequential(
        *_first(channels),
        Block(64, 128, 128), nn.AvgPool2d(2),
        Block(128, 256, 256), nn.AvgPool2d(2),
        Block(256, 512, 256), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(256 * (height // 16) * (width // 16), outputs),
    )  # fmt: skip


def _image_decoder(modality: Modality, latent: int) -> nn.Module:
    channels, height, width = modality.shape
    return nn.Sequential(
        nn.Linear(latent, 512 * (height // 8) * (width // 8)), nn.ReLU(),
        nn.Unflatten(1, (512, height // 8, width // 8)),
        Block(512, 256, 256), _larger(2),
        Block(256, 128, 128), _larger(2),
        Block(128, 64, 64), _larger(2),
        Block(64, 64, 64), nn.Conv2d(64, channels, 5, padding=2), nn.Sigmoid(),
    )  # fmt: skip


def _mask_encoder(modality: Modality, outputs: int) -> nn.Module:
    channels, height, width = modality.shape
    return nn.Sequential(
        *_first(channels),
        Block(64, 128, 128), nn.AvgPool2d(4),
        Block(128, 256, 256), nn.AvgPool2d(4),
        nn.Flatten(), nn.Linear(256 * (height // 32) * (width // 32), outputs),
    )  # fmt: skip


def _mask_decoder(modality: Modality, latent: int) -> nn.Module:
    """Logits where the likelihood is Bernoulli's; the authors' code squashes and squares."""
    channels, height, width = modality.shape
    return nn.Sequential(
        nn.Linear(latent, 256 * (height // 32) * (width // 32)), nn.ReLU(),
        nn.Unflatten(1, (256, height // 32, width // 32)),
        Block(256, 128, 128), _larger(4),
        Block(128, 64, 64), _larger(4),
        Block(64, 64, 64), _larger(2), nn.Conv2d(64, channels, 5, padding=2),
    )  # fmt: skip


ATTRIBUTES = (128, 256, 512, 512, 512)


def _attributes_encoder(modality: Modality, outputs: int) -> nn.Module:
    return _dense(modality.shape[0], ATTRIBUTES, outputs)


def _attributes_decoder(modality: Modality, latent: int) -> nn.Module:
    """Logits."""
    return _dense(latent, ATTRIBUTES[::-1], modality.shape[0])


def _dense(inputs: int, widths: tuple[int, ...], outputs: int) -> nn.Module:
    layers: list[nn.Module] = []
    for a, b in zip((inputs, *widths), widths, strict=False):
        layers += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))


image = Networks(_image_encoder, _image_decoder)
mask = Networks(_mask_encoder, _mask_decoder)
attributes = Networks(_attributes_encoder, _attributes_decoder)
