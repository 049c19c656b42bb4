"""Metrics of images as FID's Inception sees them, and of features of any network."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from mmbench.api.device import compute_device
from mmbench.core.data import Dataset, Modality
from mmbench.media.image import photographs
from mmbench.metrics.extractors.inception import INCEPTION, Resize, streamed
from mmbench.metrics.extrapolation import extrapolated_distance
from mmbench.metrics.fid import frechet_inception_distance
from mmbench.metrics.kid import kernel_distance
from mmbench.metrics.precision_recall import precision_of, recall_of
from mmbench.metrics.statistics.features import precise
from mmbench.metrics.statistics.frechet import feature_distance
from mmbench.metrics.statistics.samples import check
from mmbench.pretrained import published
from mmbench.scores.inputs import Device, Drawn, File, Samples, file, judged, side


def fid(
    generated: Samples,
    real: Samples,
    *,
    resize: Resize = "torch",
    weights: File = None,
    device: Device = "auto",
) -> float:
    """FID: the Fréchet distance of images as Inception sees them (`mmbench.metrics.fid`).

    Args:
        generated: (N, 3, H, W), a folder of pictures, or features (N, d).
        real: Likewise; N may differ.
        resize: "torch" equals pytorch-fid, "tensorflow" torch-fidelity.
        weights: A file of Inception's weights; by default the published one in $MMBENCH_WEIGHTS
            or torch's cache.
        device: Where to compute; "auto" is CUDA where there is one.

    Returns:
        The distance, at least 0; it depends on N.

    Raises:
        FileNotFoundError: There is no such folder, or no weights.
        ImportError: pytorch-fid is not installed.
        ValueError: Images or features are not finite, of another shape or range, or too few.
    """
    sides, where = (side(generated, "generated"), side(real, "real")), compute_device(device)
    if features := _features(*sides, where):
        return feature_distance(*features)
    _expect_images(*sides)
    return frechet_inception_distance(*sides, file(weights), where, resize)


def fid_infinity(
    generated: Samples, real: Samples, *, weights: File = None, device: Device = "auto"
) -> float:
    """FID extrapolated to infinitely many images (`mmbench.metrics.extrapolation`).

    Args:
        generated: (N, 3, H, W), a folder of pictures, or features (N, d); N is at least 4,096, or
            2 d.
        real: As many; row i may belong to row i of the generated ones.
        weights: As for `fid`.
        device: As for `fid`.

    Returns:
        An estimate of the distance, which may fall below 0.

    Raises:
        FileNotFoundError, ImportError, ValueError: As `fid`.
    """
    return _compared(extrapolated_distance, generated, real, weights, device)


def kid(
    generated: Samples, real: Samples, *, weights: File = None, device: Device = "auto"
) -> float:
    """KID: the kernel distance of images as Inception sees them (`mmbench.metrics.kid`).

    Args:
        generated: (N, 3, H, W), a folder of pictures, or features (N, d).
        real: Likewise; N may differ.
        weights: As for `fid`.
        device: As for `fid`.

    Returns:
        An unbiased estimate of the squared distance, which may fall below 0.

    Raises:
        FileNotFoundError, ImportError, ValueError: As `fid`.
    """
    return _compared(kernel_distance, generated, real, weights, device)


def precision(
    generated: Samples | Drawn,
    real: Samples | Dataset,
    *,
    weights: File = None,
    device: Device = "auto",
) -> float:
    """The share of samples that lie among the real ones (`mmbench.metrics.precision_recall`).

    Args:
        generated: (N, 3, H, W), a folder of pictures, or features (N, d); for a data set
            {modality: (N, *shape)}. At least 4.
        real: Likewise; or a data set, whose own network judges.
        weights: As for `fid`.
        device: As for `fid`.

    Returns:
        From 0 to 1; it depends on N.

    Raises:
        LookupError: The data set has no such modality.
        FileNotFoundError, ImportError, ValueError: As `fid`; or the data set teaches no network.
    """
    if isinstance(real, Dataset):
        return judged("precision[in-domain]", generated, real, device)
    return _compared(precision_of, generated, real, weights, device)


def recall(
    generated: Samples | Drawn,
    real: Samples | Dataset,
    *,
    weights: File = None,
    device: Device = "auto",
) -> float:
    """The share of the real ones that lie among the samples (`mmbench.metrics.precision_recall`).

    Args:
        generated: (N, 3, H, W), a folder of pictures, or features (N, d); for a data set
            {modality: (N, *shape)}. At least 4.
        real: Likewise; or a data set, whose own network judges.
        weights: As for `fid`.
        device: As for `fid`.

    Returns:
        From 0 to 1; it depends on N.

    Raises:
        LookupError, FileNotFoundError, ImportError, ValueError: As `precision`.
    """
    if isinstance(real, Dataset):
        return judged("recall[in-domain]", generated, real, device)
    return _compared(recall_of, generated, real, weights, device)


def _compared(
    distance: Callable[[Tensor, Tensor], float],
    generated: Samples | Drawn,
    real: Samples,
    weights: File,
    device: Device,
) -> float:
    """A distance of features: as they are, or Inception's of images."""
    sides, where = (side(generated, "generated"), side(real, "real")), compute_device(device)
    if features := _features(*sides, where):
        return distance(*features)
    _expect_images(*sides)
    pictures = [photographs(x) if isinstance(x, Path) else [x] for x in sides]
    network = published(INCEPTION, file(weights), where)
    drawn, others = (torch.cat([*streamed(x, network)]) for x in pictures)
    return distance(drawn, others)


def _expect_images(*sides: Tensor | Path) -> None:
    """Refuses what Inception cannot see, before its weights are looked for.

    Raises:
        FileNotFoundError: A folder is missing, or holds no pictures.
        ValueError: Images have another shape or range, are not finite, or there are none.
    """
    for title, x in zip(("generated", "real"), sides, strict=True):
        if isinstance(x, Path):
            photographs(x)
        elif x.ndim != 4:
            shape = f"the {title} samples have shape {tuple(x.shape)}"
            raise ValueError(f"{shape}, expected images (N, 3, H, W), or features of both sides")
        else:
            check(x, Modality("images", "image", (3, *x.shape[2:])), pixels=True)


def _features(
    a: Tensor | Path, b: Tensor | Path, where: torch.device
) -> tuple[Tensor, Tensor] | None:
    """Both as features (N, d) on a device that has float64; None where they are images."""
    if isinstance(a, Path) or isinstance(b, Path) or not a.ndim == b.ndim == 2:
        return None
    return a.to(precise(where)), b.to(precise(where))
