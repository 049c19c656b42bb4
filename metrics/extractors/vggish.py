"""VGGish: from a second of sound to 128 numbers, before the last layer's activation.

Hershey et al., "CNN architectures for large-scale audio classification", 2017,
https://arxiv.org/abs/1609.09430; the network and its front end as Google published them in
https://github.com/tensorflow/models/tree/master/research/audioset/vggish, ported to PyTorch with
its weights by Taylor, "torchvggish", 2019, https://github.com/harritaylor/torchvggish, whose
network this is. The port adds a ReLU to the embedding, which the original does not have (issue 24
of the port), and whitens and quantises it by default; all three are left out here.
"""

from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmbench.extras import optional
from mmbench.files.tensors import load_state
from mmbench.pretrained import Weights

RATE = 16_000
WINDOW, HOP, FFT = 400, 160, 512
"""Samples in a frame (25 ms), between the starts of two (10 ms), and in a zero-padded frame."""
BANDS, LOWEST_HZ, HIGHEST_HZ = 64, 125.0, 7500.0
FRAMES = 96
"""Frames in the network's input: 0.96 s."""
OFFSET = 0.01
"""Added before the logarithm."""


class VGGish(nn.Module):
    """A network of torchvggish behind its front end."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, waves: Tensor) -> Tensor:
        """Sounds (B, T) at 16 kHz, at least 15,600 samples, of which the first 0.975 s count.

        Returns:
            (B, 128), float32.
        """
        x = log_mel(waves)[:, None].to(next(self.parameters()))
        return self.network(x)


def log_mel(waves: Tensor) -> Tensor:
    """Logarithms of magnitudes in mel bands: (B, T) -> (B, 96 frames, 64 bands), float64.

    The first example that torchvggish's `waveform_to_examples` makes of each sound, for many
    sounds at a time.
    """
    x = waves.detach().cpu().double().unfold(1, WINDOW, HOP)[:, :FRAMES]
    window = torch.hann_window(WINDOW, periodic=True, dtype=torch.float64)
    magnitudes = torch.fft.rfft(x * window, FFT).abs()
    return (magnitudes @ mel_matrix() + OFFSET).log()


@cache
def mel_matrix() -> Tensor:
    """Bands that rise and fall linearly in mel: (FFT / 2 + 1, BANDS), float64."""
    bands = _package().mel_features.spectrogram_to_mel_matrix(
        BANDS, FFT // 2 + 1, RATE, LOWEST_HZ, HIGHEST_HZ
    )
    return torch.from_numpy(bands)


def vggish() -> nn.Module:
    """The network of torchvggish without its last ReLU, untrained: (B, 1, 96, 64) -> (B, 128).

    Raises:
        ImportError: torchvggish is not installed.
    """
    package = _package()
    network: nn.Module = package.VGG(package.make_layers(), postprocess=False)
    network.embeddings = network.embeddings[:-1]  # type: ignore[index]
    return network


def _package() -> Any:
    return optional("torchvggish", "FAD", "torchvggish")


def load_vggish(path: Path, device: torch.device) -> nn.Module:
    """VGGish in evaluation mode, with the weights of a file: a state dict of torchvggish's names.

    Raises:
        ImportError: torchvggish is not installed.
        ValueError: The file does not hold the weights of this network.
    """
    return VGGish(load_state(vggish(), path, VGGISH.title)).to(device)


VGGISH = Weights(
    name="vggish",
    title="VGGish",
    file="vggish-10086976.pth",
    url="https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
    sha256="10086976245803799d9194e9a73d9b6c1549c71d1b80106f5cade5608a561f4b",
    dims=128,
    load=load_vggish,
    concerns=lambda modalities: any(m.kind == "sound" for m in modalities),
    paper="Hershey et al., CNN architectures for large-scale audio classification, 2017, "
    "https://arxiv.org/abs/1609.09430; ported by Taylor, torchvggish, 2019, "
    "https://github.com/harritaylor/torchvggish",
)
