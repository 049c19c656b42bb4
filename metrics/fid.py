"""FID, the Fréchet Inception distance of RGB images.

Heusel, Ramsauer, Unterthiner, Nessler and Hochreiter, "GANs trained by a two time-scale update
rule converge to a local Nash equilibrium", 2017, https://arxiv.org/abs/1706.08500. The conventions
are those of Seitzer, "pytorch-fid", 2020, https://github.com/mseitzer/pytorch-fid: images in
[0, 1] (samples are clamped to it), resized to 299 pixels by PyTorch's bilinear interpolation
without antialiasing, scaled to [−1, 1], "pool3" features, unbiased covariances in float64.

The value depends on the number of samples (at 2,048 or fewer the covariances are singular), so
only values of equal n may be compared; n is part of every score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbench.core import Context, Dataset, Generated, Metric, Modality, Score
from mmbench.metrics.extractors import INCEPTION, batches, load_inception, locate, sha256
from mmbench.metrics.fmd import real_key
from mmbench.metrics.frechet import Statistics, frechet_distance, recall

BATCH = {"cpu": 8}  # small batches stay in a CPU's cache: 27 images/s where 64 at a time make 17
LARGE_BATCH = 128


def frechet_inception_distance(
    generated: Tensor, real: Tensor, weights: Path, device: torch.device | str = "cpu"
) -> float:
    """The FID of two sets of images.

    Args:
        generated: (N, 3, H, W); clamped to [0, 1].
        real: (N', 3, H, W), in [0, 1].
        weights: A file of FID Inception's weights.
        device: Where to compute.

    Raises:
        ImportError: pytorch-fid is not installed.
        ValueError: The images are not finite or not RGB, or the file holds something else.
    """
    network = load_inception(weights, torch.device(device))
    return frechet_distance(*(inception_statistics(x, network) for x in (generated, real)))


def inception_statistics(
    images: Tensor, network: nn.Module, report: Callable[[int], None] = lambda done: None
) -> Statistics:
    """Mean and scatter of the features of images, in constant memory.

    Args:
        images: (N, 3, H, W), float or uint8; clamped to [0, 1].
        network: From `load_inception`.
        report: Told the number of images done.
    """
    device = next(network.parameters()).device
    total: Statistics | None = None
    waiting: list[Tensor] = []
    modality = Modality("images", "image", (3, *images.shape[2:]))
    size = BATCH.get(device.type, LARGE_BATCH)
    done = 0
    for x in batches(images, modality, size, device):
        waiting.append(inception_features(x, network).cpu())
        done += len(x)
        if len(waiting) * size >= 1024 or done == len(images):
            part = Statistics.of(torch.cat(waiting))
            total, waiting = part if total is None else total + part, []
        report(done)
    assert total is not None  # `batches` refuses an empty set
    return total


@torch.inference_mode()
def inception_features(images: Tensor, network: nn.Module) -> Tensor:
    """Images (B, 3, H, W) in [0, 1], or uint8 -> features (B, 2048)."""
    x = images.float() / 255 if images.dtype == torch.uint8 else images.float().clamp(0, 1)
    x = 2 * F.interpolate(x, size=(299, 299), mode="bilinear", align_corners=False) - 1
    # TF32 would round the inputs of convolutions to 10 bits.
    with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, allow_tf32=False):
        features: Tensor = network(x.contiguous(memory_format=torch.channels_last))
    return features


def _compute(generated: Generated, dataset: Dataset, context: Context) -> Iterator[Score]:
    for m in generated.samples:
        modality = dataset.modality(m)
        if modality.kind == "image" and modality.shape[0] == 3 and m not in generated.given:
            yield _score(generated, modality, dataset, context)


def _score(generated: Generated, modality: Modality, dataset: Dataset, context: Context) -> Score:
    m, given, samples = modality.name, generated.given, generated.samples[modality.name]
    for _ in batches(samples, modality, 4096, samples.device):
        pass  # bad samples are refused before minutes of work, under their modality's name
    path = locate(INCEPTION, context)
    if path is None:
        return Score("fid", given, m, None, len(samples), reason=INCEPTION.absent)
    try:
        network = _network(path, path.stat().st_mtime_ns, context.device)
    except ImportError as error:
        return Score("fid", given, m, None, len(samples), reason=str(error))
    extractor = f"{INCEPTION.title}, sha256:{sha256(path)}"

    def statistics(images: Tensor, title: str) -> Statistics:
        with context.progress.stage(title, len(images), unit="image") as bar:
            return inception_statistics(images, network, bar.update)

    key = real_key(dataset, m, generated.rows, extractor)
    real = recall(
        context.cache / "features" / f"{key}.safetensors",
        lambda: statistics(dataset.test.batch(generated.rows, [m])[m], f"Inception on real {m}"),
    )
    drawn = statistics(samples, f"Inception on {m} given {', '.join(given) or 'nothing'}")
    return Score("fid", given, m, frechet_distance(drawn, real), len(samples), extractor)


@lru_cache(maxsize=1)
def _network(path: Path, modified: int, device: torch.device) -> nn.Module:
    return load_inception(path, device)


fid = Metric(
    name="fid",
    title="FID",
    better="lower",
    unit="",
    paper="Heusel, Ramsauer, Unterthiner, Nessler and Hochreiter, GANs trained by a two "
    "time-scale update rule converge to a local Nash equilibrium, 2017, https://arxiv.org/abs/1706.08500",
    compute=_compute,
    download=INCEPTION.url,
)
