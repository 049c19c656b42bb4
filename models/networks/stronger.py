"""The image autoencoder of MLD*: that of latent diffusion, made deterministic.

Rombach, Blattmann, Lorenz, Esser and Ommer, "High-resolution image synthesis with latent
diffusion models", 2022, https://arxiv.org/abs/2112.10752, in the widths of the MLD authors' code:
128, 128, 256 and 512 channels of two residual blocks each, attention in the middle, and at 64
pixels a latent of one channel of 8 x 8 values. The blocks are diffusers'.
"""

from typing import Any

from torch import Tensor, nn

from mmbench.architecture import Networks
from mmbench.core.data import Modality
from mmbench.extras import optional


def _blocks() -> Any:
    what = "the image autoencoder of MLD*"
    return optional("diffusers.models.autoencoders.vae", what, "diffusers", "diffusion")


def _side(modality: Modality, halvings: int) -> int:
    _, height, width = modality.shape
    if height != width or height % 2**halvings:
        square = f"expected a square whose side is a multiple of {2**halvings}"
        raise ValueError(f"{modality.name!r} is {height} x {width} pixels, {square}")
    return int(height // 2**halvings)


def _channels(latent: int, side: int) -> int:
    """Channels of the latent picture: enough for the latent, or a few before a dense layer."""
    return latent // side**2 if latent % side**2 == 0 else 4


class Spatial(nn.Module):
    """Flattens a latent picture, or makes one of a flat latent."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """(B, *) -> (B, *shape)."""
        return x.reshape(len(x), *self.shape)


def networks(widths: tuple[int, ...], blocks: int, groups: int) -> Networks:
    """The autoencoder with so many channels and residual blocks at each level.

    A picture is halved between levels. A latent that does not fill a whole number of channels goes
    through a dense layer.
    """
    halvings = len(widths) - 1

    def encoder(modality: Modality, outputs: int) -> nn.Module:
        side = _side(modality, halvings)
        body = _blocks().Encoder(
            in_channels=modality.shape[0],
            out_channels=_channels(outputs, side),
            down_block_types=("DownEncoderBlock2D",) * len(widths),
            block_out_channels=widths,
            layers_per_block=blocks,
            norm_num_groups=groups,
            double_z=False,
        )
        flat = _channels(outputs, side) * side**2
        last = nn.Identity() if flat == outputs else nn.Linear(flat, outputs)
        return nn.Sequential(body, Spatial((flat,)), last)

    def decoder(modality: Modality, latent: int) -> nn.Module:
        side = _side(modality, halvings)
        channels = _channels(latent, side)
        flat = channels * side**2
        first = nn.Identity() if flat == latent else nn.Linear(latent, flat)
        body = _blocks().Decoder(
            in_channels=channels,
            out_channels=modality.shape[0],
            up_block_types=("UpDecoderBlock2D",) * len(widths),
            block_out_channels=widths,
            layers_per_block=blocks,  # and one more each, as in latent diffusion
            norm_num_groups=groups,
        )
        return nn.Sequential(first, Spatial((channels, side, side)), body)

    return Networks(encoder, decoder)


image = networks((128, 128, 256, 512), blocks=2, groups=32)
"""The authors': 64 pixels make 8 x 8 values a channel, 128 pixels 16 x 16."""

digit = networks((128, 128, 256), blocks=2, groups=32)
"""For pictures of 28 or 32 pixels: 7 x 7 or 8 x 8 values a channel."""

small_image = networks((32, 64, 64), blocks=1, groups=16)
"""For two cores."""
