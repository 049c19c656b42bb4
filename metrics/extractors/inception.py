"""FID's Inception and its two conventions: from RGB images to the features "pool3".

"torch": as Seitzer, "pytorch-fid", 2020, https://github.com/mseitzer/pytorch-fid: floats in
[0, 1], resized to 299 pixels by PyTorch's bilinear interpolation without antialiasing, scaled to
[−1, 1].

"tensorflow": as Obukhov et al., "torch-fidelity", 2020, https://github.com/toshas/torch-fidelity,
which does what the network's own graph of 2015 does: whole numbers from 0 to 255, resized by the
bilinear interpolation of TensorFlow 1 (pixel i of the new picture lies at i · old / new in the
old one, without the shift by half a pixel that PyTorch makes), then (x − 128) / 128.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbench.core.data import Dataset, Modality
from mmbench.core.score import Context
from mmbench.extras import optional
from mmbench.files.tensors import load_state
from mmbench.metrics.statistics.features import Extractor, Report, rgb
from mmbench.metrics.statistics.samples import batches
from mmbench.pretrained import Weights, opened

Resize = Literal["torch", "tensorflow"]
"""The conventions."""

PIXELS = 299
"""Height and width of the network's input."""
BATCH = {"cpu": 8}  # small batches stay in a CPU's cache: 27 images/s where 64 at a time make 17
LARGE_BATCH = 128


def inception_features(
    images: Tensor,
    network: nn.Module,
    report: Report = lambda done: None,
    resize: Resize = "torch",
) -> Tensor:
    """Inception's features of images.

    Args:
        images: (N, 3, H, W), float or uint8; floats are clamped to [0, 1].
        network: What `load_inception` returns.
        report: Takes the number of images done.
        resize: The convention.

    Returns:
        (N, 2048), float32 on the CPU.

    Raises:
        ValueError: The images are not finite or not RGB, or there are none.
    """
    done, parts = 0, []
    for features in streamed([images], network, resize):
        parts.append(features)
        done += len(features)
        report(done)
    return torch.cat(parts)


def expect(resize: Resize) -> None:
    """Refuses what is no convention.

    Raises:
        ValueError: It is none.
    """
    if resize not in get_args(Resize):
        raise ValueError(f"resize is {resize!r}, expected {' or '.join(get_args(Resize))}")


def streamed(
    images: Iterable[Tensor], network: nn.Module, resize: Resize = "torch"
) -> Iterator[Tensor]:
    """Inception's features of sets of images, in batches (B, 2048), none of which is kept.

    Each set is what `inception_features` takes; sets may differ in height and width.

    Raises:
        ValueError: As `inception_features`.
    """
    expect(resize)
    device = next(network.parameters()).device
    size = BATCH.get(device.type, LARGE_BATCH)
    for part in images:
        modality = Modality("images", "image", (3, *part.shape[2:]))
        for x in batches(part, modality, size, device, pixels=True):
            yield _features(x, network, resize).cpu()


@torch.inference_mode()
def _features(x: Tensor, network: nn.Module, resize: Resize) -> Tensor:
    unit = x.float() / 255 if x.dtype == torch.uint8 else x.float().clamp(0, 1)
    if resize == "torch":
        size = (PIXELS, PIXELS)
        x = 2 * F.interpolate(unit, size=size, mode="bilinear", align_corners=False) - 1
    else:
        x = (tensorflow_resize((255 * unit).round(), PIXELS) - 128) / 128
    # TF32 would round the inputs of convolutions to 10 bits.
    with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, allow_tf32=False):
        features: Tensor = network(x.contiguous(memory_format=torch.channels_last))
    return features


def tensorflow_resize(x: Tensor, size: int) -> Tensor:
    """TensorFlow 1's bilinear interpolation: (B, C, H, W) float32 -> (B, C, size, size)."""
    for dim in (3, 2):
        n = x.shape[dim]
        scale = torch.tensor(n / size, dtype=torch.float32, device=x.device)
        at = torch.arange(size, dtype=torch.float32, device=x.device) * scale
        low = at.long()
        a, b = (x.index_select(dim, i) for i in (low, (low + 1).clamp_max(n - 1)))
        x = a + (b - a) * (at - low).reshape(-1, *[1] * (3 - dim))
    return x


def load_inception(path: Path, device: torch.device) -> nn.Module:
    """The FID Inception, (B, 3, 299, 299) in [−1, 1] -> (B, 2048), the features "pool3".

    It is in evaluation mode and channels-last memory. The file holds a state dict under
    pytorch-fid's names; `fc.weight` and `fc.bias`, which FID does not use, may be missing.

    Raises:
        ImportError: pytorch-fid is not installed.
        ValueError: The file does not hold the weights of this network.
    """
    head = ("fc.weight", "fc.bias")
    network = load_state(fid_inception(), path, INCEPTION.title, unused=head)
    return network.to(device).to(memory_format=torch.channels_last)


def fid_inception() -> nn.Module:
    """pytorch-fid's network, untrained: its own `fid_inception_v3` would download the weights.

    Raises:
        ImportError: pytorch-fid is not installed.
    """
    fid = optional("pytorch_fid.inception", "FID", "pytorch-fid")
    models = optional("torchvision.models", "FID", "torchvision")
    network: nn.Module = models.Inception3(1008, aux_logits=False, init_weights=False)
    network.Mixed_5b = fid.FIDInceptionA(192, pool_features=32)
    network.Mixed_5c = fid.FIDInceptionA(256, pool_features=64)
    network.Mixed_5d = fid.FIDInceptionA(288, pool_features=64)
    network.Mixed_6b = fid.FIDInceptionC(768, channels_7x7=128)
    network.Mixed_6c = fid.FIDInceptionC(768, channels_7x7=160)
    network.Mixed_6d = fid.FIDInceptionC(768, channels_7x7=160)
    network.Mixed_6e = fid.FIDInceptionC(768, channels_7x7=192)
    network.Mixed_7b = fid.FIDInceptionE_1(1280)
    network.Mixed_7c = fid.FIDInceptionE_2(2048)
    network.fc = nn.Identity()
    return network


INCEPTION = Weights(
    name="inception",
    title="FID Inception",
    file="pt_inception-2015-12-05-6726825d.pth",
    url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth",
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    dims=2048,
    load=load_inception,
    concerns=lambda modalities: any(map(rgb, modalities)),
    paper="Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, Rethinking the inception architecture for "
    "computer vision, 2016, https://arxiv.org/abs/1512.00567; the network of 2015-12-05, ported "
    "by Seitzer, pytorch-fid, 2020, https://github.com/mseitzer/pytorch-fid",
)


def inception(
    modality: Modality, dataset: Dataset, context: Context, resize: Resize = "torch"
) -> Extractor:
    """FID's Inception, of RGB images.

    Raises:
        Unavailable: The weights or pytorch-fid are missing.
    """
    network, identity, networks = opened(INCEPTION, context)
    if resize != "torch":
        identity += f", {resize} resize"
    features = lambda x, report: inception_features(x, network, report, resize)
    return Extractor(identity, features, networks)
