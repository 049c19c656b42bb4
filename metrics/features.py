"""Features of generated and of real samples, each computed once for all metrics that compare them.

RGB images are seen through FID's Inception, other modalities through the classifier of their own.
The conventions of Inception are those of Seitzer, "pytorch-fid", 2020,
https://github.com/mseitzer/pytorch-fid: images in [0, 1] (samples are clamped to it), resized to
299 pixels by PyTorch's bilinear interpolation without antialiasing, scaled to [−1, 1], "pool3"
features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mmbench.atomic import replacing
from mmbench.core import Context, Dataset, Generated, Modality, Score, Split
from mmbench.metrics.classifiers import classifier
from mmbench.metrics.extractors import INCEPTION, batches, check, load_inception, locate, sha256
from mmbench.metrics.fmd import real_key

BATCH = {"cpu": 8}  # small batches stay in a CPU's cache: 27 images/s where 64 at a time make 17
LARGE_BATCH = 128
KEEP = 2**30
"""Bytes of features kept in memory, the latest."""

Report = Callable[[int], None]
"""Told the number of samples done."""


@dataclass(frozen=True)
class Extractor:
    """What samples are seen through.

    Attributes:
        identity: As in records.
        features: (N, *shape) and where to report -> (N, d), float32 on the CPU.
    """

    identity: str
    features: Callable[[Tensor, Report], Tensor]


def compare(
    metric: str,
    distance: Callable[[Tensor, Tensor], float],
    generated: Generated,
    dataset: Dataset,
    context: Context,
    *,
    least: int = 2,
    rgb_only: bool = True,
) -> Iterator[Score]:
    """The scores of a metric that compares features: one for each target that was not given.

    Args:
        metric: Its name.
        distance: (features of the generated (N, d), of the real (N, d)) -> value, on a device
            that has float64.
        generated: The samples; their rows are the real examples.
        dataset: Whose test split is real.
        context: Where to compute, and what to keep.
        least: Fewer samples have no value, and a reason.
        rgb_only: Whether to leave out what Inception does not see.

    Raises:
        ValueError: Samples are not finite, or of another shape than their modality.
    """
    for m, samples in generated.samples.items():
        modality = dataset.modality(m)
        if m in generated.given or (rgb_only and not _rgb(modality)):
            continue
        check(samples, modality)  # before minutes of work
        n, origin = len(samples), ", ".join(generated.given) or "nothing"
        if n < least:
            reason = f"{metric} needs at least {least:,} samples, there are {n:,}"
            yield Score(metric, generated.given, m, None, n, reason=reason)
            continue
        through = extractor(modality, dataset, context)
        if through is None:
            continue
        if isinstance(through, str):
            yield Score(metric, generated.given, m, None, n, reason=through)
            continue
        real = _real(through, modality, dataset, generated.rows, context)
        drawn = _seen(through, samples, f"features of {m} given {origin}", context)
        device = precise(context.device)
        with context.progress.stage(f"{metric} of {m} given {origin}", 1, unit="value"):
            value = distance(drawn.to(device), real.to(device))
        yield Score(metric, generated.given, m, value, n, through.identity)


def extractor(modality: Modality, dataset: Dataset, context: Context) -> Extractor | str | None:
    """What a modality is seen through; the reason why it cannot be, or None where nothing can."""
    if _rgb(modality):
        path = locate(INCEPTION, context)
        if path is None:
            return INCEPTION.absent
        try:
            network = _network(path, path.stat().st_mtime_ns, context.device)
        except ImportError as error:
            return str(error)
        identity = f"{INCEPTION.title}, sha256:{sha256(path)}"
        return Extractor(identity, lambda x, report: inception_features(x, network, report))
    if dataset.test.labels is None or dataset.train.labels is None:
        return None
    judge = classifier(dataset, modality.name, context)
    return Extractor(judge.identity, lambda x, report: judge.features(x))


def inception_features(
    images: Tensor, network: nn.Module, report: Report = lambda done: None
) -> Tensor:
    """What Inception makes of images.

    Args:
        images: (N, 3, H, W), float or uint8; floats are clamped to [0, 1].
        network: From `load_inception`.
        report: Told the number of images done.

    Returns:
        (N, 2048), float32 on the CPU.

    Raises:
        ValueError: The images are not finite or not RGB, or there are none.
    """
    device = next(network.parameters()).device
    modality = Modality("images", "image", (3, *images.shape[2:]))
    done, parts = 0, []
    for x in batches(images, modality, BATCH.get(device.type, LARGE_BATCH), device):
        parts.append(_inception(x, network).cpu())
        done += len(x)
        report(done)
    return torch.cat(parts)


@torch.inference_mode()
def _inception(x: Tensor, network: nn.Module) -> Tensor:
    x = x.float() / 255 if x.dtype == torch.uint8 else x.float().clamp(0, 1)
    x = 2 * F.interpolate(x, size=(299, 299), mode="bilinear", align_corners=False) - 1
    # TF32 would round the inputs of convolutions to 10 bits.
    with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, allow_tf32=False):
        features: Tensor = network(x.contiguous(memory_format=torch.channels_last))
    return features


@lru_cache(maxsize=1)
def _network(path: Path, modified: int, device: torch.device) -> nn.Module:
    return load_inception(path, device)


def _rgb(modality: Modality) -> bool:
    return modality.kind == "image" and modality.shape[0] == 3


def _real(
    through: Extractor, modality: Modality, dataset: Dataset, rows: Tensor, context: Context
) -> Tensor:
    """Of test examples; those that share a picture (CUB's ten captions do) are seen once."""
    m, split = modality.name, dataset.test
    pictures = Split({m: split.tensors[m]})
    rows = rows.to(split.device)
    distinct, place = (split.index[m][rows] if m in split.index else rows).unique(
        return_inverse=True
    )
    key = real_key(dataset, m, distinct, through.identity)

    def compute() -> Tensor:
        return _seen(through, pictures.batch(distinct)[m], f"features of real {m}", context)

    seen = recall(context.cache / "features" / f"{key}.safetensors", len(distinct), compute)
    return seen[place.to(seen.device)]


def _seen(through: Extractor, samples: Tensor, title: str, context: Context) -> Tensor:
    """Features of samples; of the same ones, computed once while there is room to keep them."""
    digest = hashlib.sha256(f"{through.identity} {samples.dtype} {samples.shape}".encode())
    for part in samples.split(1024):
        digest.update(part.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    key = digest.digest()
    if key not in _KEPT:
        with context.progress.stage(title, len(samples), unit="sample") as bar:
            _KEPT[key] = through.features(samples, bar.update)
        while len(_KEPT) > 1 and sum(x.nbytes for x in _KEPT.values()) > KEEP:
            del _KEPT[next(iter(_KEPT))]
    return _KEPT[key]


_KEPT: dict[bytes, Tensor] = {}


def recall(path: Path, n: int, compute: Callable[[], Tensor]) -> Tensor:
    """The features of n samples in a file that was written before, or else computed and written.

    A file that cannot be read or written only costs the time to compute: a cache is no reason to
    fail.
    """
    try:
        features = load_file(path)["features"]
        if features.ndim == 2 and len(features) == n:
            return features
    except (OSError, SafetensorError, KeyError):
        pass
    features = compute()
    try:
        with replacing(path) as part:
            save_file({"features": features.contiguous()}, part)
    except (OSError, SafetensorError):
        pass
    return features


def precise(device: torch.device) -> torch.device:
    """The device, or the CPU for one that lacks float64: of the accelerators CUDA has it."""
    return device if device.type == "cuda" else torch.device("cpu")


def paired(a: Tensor, b: Tensor, least: int = 2) -> tuple[Tensor, Tensor]:
    """Two sets of features (N, d) and (N', d), of any float type, as float64.

    Raises:
        ValueError: They are not features of the same kind, are not finite, or are fewer than
            `least`.
    """
    for title, x in (("generated", a), ("real", b)):
        if x.ndim != 2 or not x.shape[1]:
            raise ValueError(f"the {title} features have shape {tuple(x.shape)}, expected (N, d)")
        if len(x) < least:
            raise ValueError(f"{len(x)} {title} samples are too few, expected at least {least}")
        bad = (~x.isfinite()).any(1).nonzero()
        if len(bad):
            raise ValueError(f"the features of {len(bad)} of {len(x)} {title} samples are not "
                             f"finite, the first of them in row {int(bad[0])}")  # fmt: skip
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"features of {a.shape[1]} and of {b.shape[1]} dimensions cannot be "
                         "compared")  # fmt: skip
    return a.detach().double(), b.detach().double()
