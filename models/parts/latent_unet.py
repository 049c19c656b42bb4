"""A convolutional score network over latents that are stacked as the channels of a small picture.

Wesego and Rooshenas, "Score-based multimodal autoencoder", 2024, https://arxiv.org/abs/2305.15708:
M latents of equal size D become a picture of M channels. Their U-Net has ConvNeXt blocks and
linear attention; this one is `UNet2DModel` of the library diffusers, with residual blocks and
attention, in the same widths.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmbench.extras import optional
from mmbench.protocols.arguments import between, divided

CLOCK = 1000  # times from 0 to 1 become the 1,000 steps of the library's embedding


class LatentUNet(nn.Module):
    """Predicts the noise in r_t: s(r, t) = -forward(r, t) / σ_t.

    Args:
        modalities: M, the channels of the picture.
        latent: D, its pixels.
        channels: Channels of each level of the U-Net; each level halves the height and the width.
        layers: Residual blocks of a level.
        attention: Whether blocks end with self-attention over the pixels; the middle one always
            does.
        groups: Groups of the group normalisations.

    Raises:
        ImportError: diffusers is not installed.
        ValueError: `latent` does not make a picture that can be halved so often, a width is not a
            multiple of `groups`, or a number is below 1.
    """

    def __init__(
        self,
        modalities: int,
        latent: int,
        channels: Sequence[int],
        layers: int = 2,
        attention: bool = True,
        groups: int = 8,
    ) -> None:
        super().__init__()
        diffusers = optional("diffusers", "SBM-VAE's score network", "diffusers", "diffusion")
        between(1, 1000, layers=layers)
        divided(groups, **{f"channels[{i}]": n for i, n in enumerate(channels)})
        height, width = picture(latent, len(channels))
        if height * width == 4 ** (len(channels) - 1) and min(channels[-2:]) == groups:
            raise ValueError(
                f"channels has {groups} where the picture is one pixel, expected at least "
                f"{2 * groups}: a group of the normalisation would have one value"
            )
        self.shape = modalities, height, width
        kind = "Attn" if attention else ""
        network = diffusers.UNet2DModel(
            in_channels=modalities,
            out_channels=modalities,
            block_out_channels=tuple(channels),
            down_block_types=(f"{kind}DownBlock2D",) * len(channels),
            up_block_types=(f"{kind}UpBlock2D",) * len(channels),
            layers_per_block=layers,
            norm_num_groups=groups,
            attention_head_dim=groups,
        )
        nn.init.zeros_(network.conv_out.weight)
        nn.init.zeros_(network.conv_out.bias)
        self.network: nn.Module = network

    def forward(self, r: Tensor, t: Tensor) -> Tensor:
        """The noise (B, M D) in latents r (B, M D), side by side, at times (B,) from 0 to 1."""
        x = r.view(-1, *self.shape).contiguous(memory_format=torch.channels_last)
        return self.network(x, CLOCK * t).sample.flatten(1)


def picture(latent: int, levels: int) -> tuple[int, int]:
    """Height and width of the picture of a latent, as near to a square as can be.

    Its pixels are the latent's coordinates; the U-Net halves both sides `levels - 1` times.

    Raises:
        ValueError: There is no such picture, or `levels` is below 1.
    """
    if levels < 1:
        raise ValueError("channels is empty, expected the width of at least one level")
    side = 2 ** (levels - 1)
    sides = range(side, int(max(latent, 0) ** 0.5) + 1, side)
    fits = [h for h in sides if latent % h == 0 and latent // h % side == 0]
    if not fits:
        nearest = max(1, round((latent**0.5 if latent > 0 else 0) / side)) * side
        example = f"expected for example {nearest**2}, {nearest} x {nearest}"
        raise ValueError(
            f"latent is {latent}, which makes no picture that {levels} levels halve; {example}"
        )
    return fits[-1], latent // fits[-1]
