"""Encoders and decoders for CelebAMask-HQ: image (3, 128, 128), mask and attributes (18,).

Residual networks as in Wesego and Rooshenas, Score-based multimodal autoencoder, 2024,
https://arxiv.org/abs/2305.15708, in the widths of the code that the MLD authors and they share.
There the encoders halve the channels of their last block: the first half becomes the latent, or
the means of a VAE, and the second the log-variances. Here both heads of a VAE see the first half.
"""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from mmbench.architecture import Networks
from mmbench.core.data import Modality

IMAGE_DOWN = ((64, 128, 128), (128, 256, 256), (256, 512, 256))
"""Input, hidden and output channels of each block of the encoder."""
MASK_DOWN = ((64, 128, 128), (128, 256, 128))
IMAGE_UP = ((512, 512, 256), (256, 256, 128), (128, 128, 64))
"""The same for the decoder; the picture is enlarged after each block."""
MASK_UP = IMAGE_UP[1:]
ATTRIBUTES = (128, 256, 512, 512, 512)


class Block(nn.Module):
    """a(skip(x) + f(x)), f: 3 x 3 convolution, norm, a, 3 x 3 convolution, norm.

    The activation is a GELU by default. The skip is a 1 x 1 convolution where the width changes,
    or where it is `projected`.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        width: int,
        activation: nn.Module | None = None,
        projected: bool = False,
    ) -> None:
        super().__init__()
        self.activation = activation or nn.GELU()
        first = nn.Conv2d(inputs, hidden, 3, padding=1, bias=False)
        second = nn.Conv2d(hidden, width, 3, padding=1, bias=False)
        norms = nn.BatchNorm2d(hidden), nn.BatchNorm2d(width)
        self.residual = nn.Sequential(first, norms[0], self.activation, second, norms[1])
        self.skip: nn.Module = nn.Identity()
        if projected or inputs != width:
            self.skip = nn.Conv2d(inputs, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, width, H, W)."""
        out: Tensor = self.activation(self.skip(x) + self.residual(x))
        return out


def _encoder(
    modality: Modality, outputs: int, blocks: Sequence[tuple[int, int, int]], pool: int
) -> nn.Module:
    """A convolution and a pool of 2, then each block and a pool."""
    channels, height, width = modality.shape
    first = nn.Conv2d(channels, 64, 5, padding=2, bias=False)
    layers = [first, nn.BatchNorm2d(64), nn.LeakyReLU(0.1), nn.AvgPool2d(2)]
    for widths in blocks[:-1]:
        layers += [Block(*widths), nn.AvgPool2d(pool)]
    layers += [Block(*blocks[-1], projected=True), nn.AvgPool2d(pool)]  # half of twice as wide
    factor = 2 * pool ** len(blocks)
    size = blocks[-1][-1] * (height // factor) * (width // factor)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(size, outputs))


def _decoder(
    modality: Modality,
    latent: int,
    blocks: Sequence[tuple[int, int, int]],
    factor: int,
    squash: bool,
) -> nn.Module:
    """A dense layer, then each block and an enlargement by `factor`, and a block at full size.

    It returns logits unless it squashes; the authors' code squashes masks, and squares the error.
    """
    channels, height, width = modality.shape
    smallest = factor ** len(blocks)
    shape = (blocks[0][0], height // smallest, width // smallest)
    layers: list[nn.Module] = [nn.Linear(latent, shape[0] * shape[1] * shape[2]), nn.ReLU()]
    layers.append(nn.Unflatten(1, shape))
    for widths in blocks:
        layers += [Block(*widths), nn.Upsample(scale_factor=factor, mode="bilinear")]
    layers += [Block(64, 64, 64, nn.LeakyReLU(0.2)), nn.Conv2d(64, channels, 5, padding=2)]
    return nn.Sequential(*layers, *([nn.Sigmoid()] if squash else []))


def _dense(inputs: int, widths: tuple[int, ...], outputs: int) -> nn.Module:
    layers: list[nn.Module] = []
    for a, b in zip((inputs, *widths), widths, strict=False):
        layers += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))


image = Networks(
    partial(_encoder, blocks=IMAGE_DOWN, pool=2),
    partial(_decoder, blocks=IMAGE_UP, factor=2, squash=True),
)
mask = Networks(
    partial(_encoder, blocks=MASK_DOWN, pool=4),
    partial(_decoder, blocks=MASK_UP, factor=4, squash=False),
)
attributes = Networks(
    lambda modality, outputs: _dense(modality.shape[0], ATTRIBUTES, outputs),
    lambda modality, latent: _dense(latent, ATTRIBUTES[::-1], modality.shape[0]),
)
