"""Encoders and decoders for CelebAMask-HQ: image (3, 128, 128), mask and attributes (18,).

Residual networks as in Wesego and Rooshenas, Score-based multimodal autoencoder, 2024,
https://arxiv.org/abs/2305.15708, in the widths of the code that the MLD authors and they share.
"""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from mmbench.architecture import Networks
from mmbench.core.data import Modality

IMAGE_DOWN = ((64, 128, 128), (128, 256, 256), (256, 512, 256))
"""Input, hidden and output channels of each block of the encoder."""
MASK_DOWN = IMAGE_DOWN[:2]
IMAGE_UP = ((512, 256, 256, 2), (256, 128, 128, 2), (128, 64, 64, 2), (64, 64, 64, 1))
"""The same for the decoder, and the factor by which the picture is enlarged after each block."""
MASK_UP = ((256, 128, 128, 4), (128, 64, 64, 4), (64, 64, 64, 2))
ATTRIBUTES = (128, 256, 512, 512, 512)


class Block(nn.Module):
    """GELU(skip(x) + f(x)), f: 3 x 3 convolution, norm, GELU, 3 x 3 convolution, norm."""

    def __init__(self, inputs: int, hidden: int, width: int) -> None:
        super().__init__()
        first = nn.Conv2d(inputs, hidden, 3, padding=1, bias=False)
        second = nn.Conv2d(hidden, width, 3, padding=1, bias=False)
        norms = nn.BatchNorm2d(hidden), nn.BatchNorm2d(width)
        self.residual = nn.Sequential(first, norms[0], nn.GELU(), second, norms[1])
        self.skip: nn.Module = nn.Identity()
        if inputs != width:
            self.skip = nn.Conv2d(inputs, width, 1, bias=False)
        self.gelu = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, width, H, W)."""
        return self.gelu(self.skip(x) + self.residual(x))


def _encoder(
    modality: Modality, outputs: int, blocks: Sequence[tuple[int, int, int]], pool: int
) -> nn.Module:
    """A convolution and a pool of 2, then each block and a pool."""
    channels, height, width = modality.shape
    first = nn.Conv2d(channels, 64, 5, padding=2, bias=False)
    layers = [first, nn.BatchNorm2d(64), nn.LeakyReLU(0.1), nn.AvgPool2d(2)]
    for widths in blocks:
        layers += [Block(*widths), nn.AvgPool2d(pool)]
    factor = 2 * pool ** len(blocks)
    size = blocks[-1][-1] * (height // factor) * (width // factor)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(size, outputs))


def _decoder(
    modality: Modality,
    latent: int,
    blocks: Sequence[tuple[int, int, int, int]],
    smallest: int,
    squash: bool,
) -> nn.Module:
    """A dense layer to 1 / `smallest` of the sides, then each block and an enlargement.

    It returns logits unless it squashes; the authors' code squashes masks, and squares the error.
    """
    channels, height, width = modality.shape
    shape = (blocks[0][0], height // smallest, width // smallest)
    layers: list[nn.Module] = [nn.Linear(latent, shape[0] * shape[1] * shape[2]), nn.ReLU()]
    layers.append(nn.Unflatten(1, shape))
    for *widths, factor in blocks:
        layers.append(Block(*widths))
        if factor > 1:
            layers.append(nn.Upsample(scale_factor=factor, mode="bilinear"))
    last = [nn.Sigmoid()] if squash else []
    return nn.Sequential(*layers, nn.Conv2d(64, channels, 5, padding=2), *last)


def _dense(inputs: int, widths: tuple[int, ...], outputs: int) -> nn.Module:
    layers: list[nn.Module] = []
    for a, b in zip((inputs, *widths), widths, strict=False):
        layers += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))


image = Networks(
    partial(_encoder, blocks=IMAGE_DOWN, pool=2),
    partial(_decoder, blocks=IMAGE_UP, smallest=8, squash=True),
)
mask = Networks(
    partial(_encoder, blocks=MASK_DOWN, pool=4),
    partial(_decoder, blocks=MASK_UP, smallest=32, squash=False),
)
attributes = Networks(
    lambda modality, outputs: _dense(modality.shape[0], ATTRIBUTES, outputs),
    lambda modality, latent: _dense(latent, ATTRIBUTES[::-1], modality.shape[0]),
)
