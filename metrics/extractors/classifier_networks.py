"""The networks of classifiers: a trunk, which gives features, and a head, which gives logits."""

import math
from typing import cast

from torch import Tensor, nn

from mmbench.core.data import Modality


class Network(nn.Module):
    """Samples -> trunk -> features -> head -> logits."""

    def __init__(self, trunk: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.trunk, self.head = trunk, head

    def forward(self, x: Tensor) -> Tensor:
        """The logits of the classes: (B, *shape) -> (B, K)."""
        return cast(Tensor, self.head(self.trunk(x)))


def build(modality: Modality, classes: int) -> Network:
    """The network for a modality, untrained.

    PolyMNIST's is by Sutter, Daunhawer and Vogt, "Generalized multimodal ELBO", 2021,
    https://openreview.net/forum?id=5Y21V0RDBV; MHD's three are by Vasco, Yin, Melo and Paiva,
    "Leveraging hierarchy in multimodal generative models for effective cross-modality inference",
    2022, https://doi.org/10.1016/j.neunet.2021.11.019. Any other shape gets strided convolutions
    (images, masks, spectrograms), embeddings (text) or the trajectories' network.
    """
    match modality.kind, modality.shape:
        case "image", (3, 28, 28):
            trunk = nn.Sequential(nn.Conv2d(3, 10, 4, 2, 1), nn.Dropout2d(0.5), nn.ReLU())
            trunk.extend([nn.Conv2d(10, 20, 4, 2, 1), nn.Dropout2d(0.5), nn.ReLU()])
            trunk.extend([nn.Flatten(), nn.Linear(980, 128)])
            return Network(
                trunk, nn.Sequential(nn.Dropout(0.5), nn.ReLU(), nn.Linear(128, classes))
            )
        case "image", (1, 28, 28):
            trunk = nn.Sequential(
                nn.Conv2d(1, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
                nn.Conv2d(16, 32, 5), nn.ReLU(), nn.MaxPool2d(2),
                nn.Flatten(), nn.Linear(512, 128),
            )  # fmt: skip
        case "sound", (1, h, w) if h % 4 == 0:  # (1, time, frequency)
            trunk = nn.Sequential(
                nn.Conv2d(1, 128, (1, w), bias=False), nn.BatchNorm2d(128), nn.ReLU(),
                nn.Conv2d(128, 128, (4, 1), (2, 1), (1, 0), bias=False),
                nn.BatchNorm2d(128), nn.ReLU(),
                nn.Conv2d(128, 256, (4, 1), (2, 1), (1, 0), bias=False),
                nn.BatchNorm2d(256), nn.ReLU(),
                nn.Flatten(), nn.Linear(64 * h, 128),
            )  # fmt: skip
        case "text", (length,):
            words = nn.Embedding(len(modality.words), 32)
            trunk = nn.Sequential(words, nn.Flatten(), nn.Linear(32 * length, 128))
        case _, (channels, h, w):
            trunk = _convolutions(channels, h, w)
        case _, shape:
            trunk = nn.Sequential(nn.Flatten())
            for a, b in ((math.prod(shape), 512), (512, 512), (512, 128)):
                trunk.extend([nn.Linear(a, b), nn.BatchNorm1d(b), nn.LeakyReLU()])
            return Network(trunk, nn.Linear(128, classes))
    head = nn.Sequential(nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, classes))
    return Network(trunk, head)


def _convolutions(channels: int, h: int, w: int) -> nn.Sequential:
    """Halves height and width until the smaller is at most 4."""
    trunk, width = nn.Sequential(), 32
    while True:
        trunk.extend([nn.Conv2d(channels, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU()])
        channels, width, h, w = width, min(2 * width, 128), (h + 1) // 2, (w + 1) // 2
        if min(h, w) <= 4:
            return trunk.extend([nn.Flatten(), nn.Linear(channels * h * w, 128)])
