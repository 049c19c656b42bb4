"""VGGish: from a second of sound to 128 numbers, before the last layer's activation.

Hershey et al., "CNN architectures for large-scale audio classification", 2017,
https://arxiv.org/abs/1609.09430; the network and its front end as Google published them in
https://github.com/tensorflow/models/tree/master/research/audioset/vggish, the weights as Taylor
ported them to PyTorch, "torchvggish", 2019, https://github.com/harritaylor/torchvggish. That port
adds a ReLU to the embedding, which the original has not (its issue 24), and by default whitens and
quantises it; none of the three is done here.
"""

from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from mmbench.files.tensors import load_state
from mmbench.pretrained import Weights

RATE = 16_000
WINDOW, HOP, FFT = 400, 160, 512
"""Samples of a frame (25 ms), from one to the next (10 ms), and of a frame padded with zeros."""
BANDS, LOWEST_HZ, HIGHEST_HZ = 64, 125.0, 7500.0
FRAMES = 96
"""Frames in the network's input: 0.96 s."""
OFFSET = 0.01
"""Added before the logarithm."""


class VGGish(nn.Module):
    """The network with its front end; parameters have the names of the port."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 1
        for block in ((64,), (128,), (256, 256), (512, 512)):
            for wider in block:
                layers += [nn.Conv2d(width, wider, 3, padding=1), nn.ReLU(inplace=True)]
                width = wider
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(512 * (FRAMES // 16) * (BANDS // 16), 4096), nn.ReLU(inplace=True),
            nn.Linear(4096, 4096), nn.ReLU(inplace=True),
            nn.Linear(4096, 128),
        )  # fmt: skip

    def forward(self, waves: Tensor) -> Tensor:
        """Sounds (B, T) at 16 kHz, at least 15,600 samples of which the first 0.975 s count.

        Returns:
            (B, 128), float32.
        """
        x = log_mel(waves)[:, None].to(next(self.parameters()))
        x = self.features(x).permute(0, 2, 3, 1)  # channels last, as TensorFlow flattens
        embedding: Tensor = self.embeddings(x.flatten(1))
        return embedding


def log_mel(waves: Tensor) -> Tensor:
    """Logarithms of magnitudes in mel bands: (B, T) -> (B, 96 frames, 64 bands), float64."""
    x = waves.detach().cpu().double().unfold(1, WINDOW, HOP)[:, :FRAMES]
    window = torch.hann_window(WINDOW, periodic=True, dtype=torch.float64)
    magnitudes = torch.fft.rfft(x * window, FFT).abs()
    logarithms: Tensor = (magnitudes @ mel_matrix() + OFFSET).log()
    return logarithms


@cache
def mel_matrix() -> Tensor:
    """Bands that rise and fall linearly in mel: (FFT / 2 + 1, BANDS), float64."""
    low_mel, high_mel = _mel(torch.tensor([LOWEST_HZ, HIGHEST_HZ], dtype=torch.float64))
    edges = torch.linspace(float(low_mel), float(high_mel), BANDS + 2, dtype=torch.float64)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    at = _mel(torch.linspace(0, RATE / 2, FFT // 2 + 1, dtype=torch.float64))[:, None]
    bands = torch.minimum((at - low) / (middle - low), (high - at) / (high - middle)).clamp(min=0)
    bands[0] = 0
    return bands


def _mel(hertz: Tensor) -> Tensor:
    return 1127 * torch.log1p(hertz / 700)


def load_vggish(path: Path, device: torch.device) -> nn.Module:
    """VGGish with the weights of a file.

    Args:
        path: A state dict under torchvggish's names.
        device: Where to.

    Returns:
        A network from sounds (B, T), T at least 15,600, to features (B, 128), in evaluation mode.

    Raises:
        ValueError: The file does not hold the weights of this network.
    """
    return load_state(VGGish(), path, VGGISH.title).to(device)


VGGISH = Weights(
    name="vggish",
    title="VGGish",
    file="vggish-10086976.pth",
    url="https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
    sha256="10086976245803799d9194e9a73d9b6c1549c71d1b80106f5cade5608a561f4b",
    dims=128,
    load=load_vggish,
    paper="Hershey et al., CNN architectures for large-scale audio classification, 2017, "
    "https://arxiv.org/abs/1609.09430; ported by Taylor, torchvggish, 2019, "
    "https://github.com/harritaylor/torchvggish",
)
