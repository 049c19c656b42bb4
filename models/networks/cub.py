"""Encoders and decoders for CUB: image (3, 64, 64) and sentence (32,) tokens.

Residual networks as in Daunhawer, Sutter, Chin-Cheong, Palumbo and Vogt, On the limitations of
multimodal VAEs, 2022, https://openreview.net/forum?id=w-CPUXXrAj, which the long MLD paper reuses
(section D.2), in the widths of the MLD authors' code.
"""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from mmbench.architecture import Networks
from mmbench.core.data import Modality

PICTURE = (64, 128, 256)  # channels as the picture is halved
SENTENCE = (64, 96, 128, 160)  # channels as the sentence is halved


class PictureBlock(nn.Module):
    """x + 0.1 f(x), with a 1 x 1 convolution where the width changes."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        hidden = min(inputs, width)
        first = nn.Conv2d(inputs, hidden, 3, padding=1)
        second = nn.Conv2d(hidden, width, 3, padding=1)
        self.residual = nn.Sequential(nn.LeakyReLU(0.2), first, nn.LeakyReLU(0.2), second)
        self.skip: nn.Module = nn.Identity()
        if inputs != width:
            self.skip = nn.Conv2d(inputs, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, width, H, W)."""
        return self.skip(x) + 0.1 * self.residual(x)


def _image_encoder(modality: Modality, outputs: int) -> nn.Module:
    channels, height, width = modality.shape
    small, large = PICTURE[0], PICTURE[-1]
    layers = [nn.Conv2d(channels, small, 3, padding=1), PictureBlock(small, small)]
    for a, b in pairwise(PICTURE):
        layers += [nn.AvgPool2d(3, 2, 1), PictureBlock(a, b)]
    last = nn.Linear(large * (height // 4) * (width // 4), outputs)
    return nn.Sequential(*layers, nn.LeakyReLU(0.2), nn.Flatten(), last)


def _image_decoder(modality: Modality, latent: int) -> nn.Module:
    channels, height, width = modality.shape
    small, large = PICTURE[0], PICTURE[-1]
    layers: list[nn.Module] = [nn.Linear(latent, large * (height // 4) * (width // 4))]
    layers.append(nn.Unflatten(1, (large, height // 4, width // 4)))
    for a, b in pairwise(PICTURE[::-1]):
        layers += [PictureBlock(a, b), nn.Upsample(scale_factor=2)]
    layers += [PictureBlock(small, small), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(small, channels, 3, padding=1))


class SentenceBlock(nn.Module):
    """2 g(x) + 0.3 f(x), where f and g double the length of x if `longer`, or else halve it."""

    def __init__(self, inputs: int, width: int, longer: bool) -> None:
        super().__init__()
        convolution = nn.ConvTranspose1d if longer else nn.Conv1d
        first = [nn.BatchNorm1d(inputs), nn.ReLU(), nn.Conv1d(inputs, inputs, 1), nn.Dropout(0.5)]
        second = [nn.BatchNorm1d(inputs), nn.ReLU(), convolution(inputs, width, 4, 2, 1)]
        self.residual = nn.Sequential(*first, *second, nn.Dropout(0.5))
        self.skip = nn.Sequential(convolution(inputs, width, 4, 2, 1), nn.BatchNorm1d(width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, L) -> (B, width, L / 2 or 2 L)."""
        return 2 * self.skip(x) + 0.3 * self.residual(x)


class SentenceEncoder(nn.Module):
    """Tokens (B, 32) -> (B, outputs)."""

    def __init__(self, modality: Modality, outputs: int) -> None:
        super().__init__()
        self.words = len(modality.words)
        self.first = nn.Conv1d(self.words, 32, 4, 2, 1)
        widths = (32, *SENTENCE)
        self.blocks = nn.Sequential(*[SentenceBlock(a, b, False) for a, b in pairwise(widths)])
        self.last = nn.Linear(SENTENCE[-1] * (modality.shape[0] // 32), outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, 32) int64 -> (B, outputs)."""
        x = F.one_hot(tokens, self.words).to(self.first.weight.dtype).transpose(1, 2)
        return self.last(F.relu(self.blocks(self.first(x)).flatten(1)))


class SentenceDecoder(nn.Module):
    """A latent (B, latent) -> logits of the words (B, 32, words)."""

    def __init__(self, modality: Modality, latent: int) -> None:
        super().__init__()
        self.shape = (SENTENCE[-1], modality.shape[0] // 32)
        self.first = nn.Linear(latent, self.shape[0] * self.shape[1])
        widths = (*SENTENCE[::-1], 32)
        self.blocks = nn.Sequential(*[SentenceBlock(a, b, True) for a, b in pairwise(widths)])
        self.last = nn.ConvTranspose1d(32, len(modality.words), 4, 2, 1)

    def forward(self, z: Tensor) -> Tensor:
        """(B, latent) -> (B, 32, words)."""
        logits: Tensor = self.last(self.blocks(self.first(z).unflatten(1, self.shape)))
        return logits.transpose(1, 2)


image = Networks(_image_encoder, _image_decoder)
sentence = Networks(SentenceEncoder, SentenceDecoder)
