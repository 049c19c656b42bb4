"""Metrics of images as FID's Inception sees them, and of features of any network."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from mmbench.api.device import compute_device
from mmbench.core.data import Dataset, Modality
from mmbench.media.image import photographs, pictures
from mmbench.metrics import extrapolation, precision_recall
from mmbench.metrics.extractors.inception import INCEPTION, Resize, expect, streamed
from mmbench.metrics.extrapolation import extrapolated_distance
from mmbench.metrics.fid import frechet_inception_distance
from mmbench.metrics.kid import kernel_distance
from mmbench.metrics.precision_recall import precision_of, recall_of
from mmbench.metrics.statistics.features import precise, require_least
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
    expect(resize)
    named, where = file(weights), compute_device(device)
    sides = side(generated, "generated"), side(real, "real")
    if features := _features(*sides, where):
        return feature_distance(*features)
    require_least(*_counted(*sides))
    return frechet_inception_distance(*sides, named, where, resize)


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
    expect_counts = partial(extrapolation.expect_samples, least=extrapolation.LEAST)
    return _compared(extrapolated_distance, expect_counts, generated, real, weights, device)


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
    return _compared(kernel_distance, require_least, generated, real, weights, device)


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
    return _compared(precision_of, _balls, generated, real, weights, device)


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
    return _compared(recall_of, _balls, generated, real, weights, device)


_balls = partial(require_least, least=precision_recall.LEAST)


def _compared(
    distance: Callable[[Tensor, Tensor], float],
    expect_counts: Callable[[int, int], None],
    generated: Samples | Drawn,
    real: Samples,
    weights: File,
    device: Device,
) -> float:
    """A distance of features: as they are, or Inception's of images.

    Sets of images that are too small are refused by `expect_counts`.
    """
    named, where = file(weights), compute_device(device)
    sides = side(generated, "generated"), side(real, "real")
    if features := _features(*sides, where):
        return distance(*features)
    expect_counts(*_counted(*sides))
    images = [photographs(x) if isinstance(x, Path) else [x] for x in sides]
    network = published(INCEPTION, named, where)
    drawn, others = (torch.cat([*streamed(x, network)]) for x in images)
    return distance(drawn, others)


def _counted(generated: Tensor | Path, real: Tensor | Path) -> tuple[int, int]:
    """The numbers of images; what Inception cannot see is refused before its weights are sought.

    Raises:
        FileNotFoundError: A folder is missing, or holds no pictures.
        ValueError: Images have another shape or range, are not finite, or there are none.
    """
    for title, x in (("generated", generated), ("real", real)):
        if isinstance(x, Path):
            photographs(x)
        elif x.ndim != 4:
            shape = f"the {title} samples have shape {tuple(x.shape)}"
            raise ValueError(f"{shape}, expected images (N, 3, H, W), or features of both sides")
        else:
            check(x, Modality("images", "image", (3, *x.shape[2:])), pixels=True)
    first, second = (len(pictures(x) if isinstance(x, Path) else x) for x in (generated, real))
    return first, second


def _features(
    a: Tensor | Path, b: Tensor | Path, where: torch.device
) -> tuple[Tensor, Tensor] | None:
    """Both as features (N, d) on a device that has float64; None where they are images."""
    if isinstance(a, Path) or isinstance(b, Path) or not a.ndim == b.ndim == 2:
        return None
    return a.to(precise(where)), b.to(precise(where))
