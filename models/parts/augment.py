"""Augmentation of training images."""

from collections.abc import Callable

import torch
from torch import Tensor

from mmbench.extras import optional


def trivial_augment_wide() -> Callable[[Tensor], Tensor]:
    """One random operation of random strength an image: (B, 1 or 3, H, W) in [0, 1] -> the same.

    Müller and Hutter, TrivialAugment: Tuning-free yet state-of-the-art data augmentation, 2021,
    https://arxiv.org/abs/2103.10158, by torchvision, whose draws come from torch's default
    generator.

    Raises:
        ImportError: torchvision is not installed.
    """
    v2 = optional("torchvision.transforms.v2", "augmentation", "torchvision")
    augment = v2.TrivialAugmentWide()

    def apply(x: Tensor) -> Tensor:
        pixels = (x * 255).round().to(torch.uint8)
        return torch.stack([augment(image) for image in pixels]).to(x.dtype) / 255

    return apply
