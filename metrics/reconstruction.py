"""How well images and vectors are reconstructed: mean squared error, structural similarity.

SSIM is that of Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error
visibility to structural similarity", 2004, https://doi.org/10.1109/TIP.2003.819861, with the
paper's Gaussian window (11 pixels, σ = 1.5) and constants (0.01, 0.03), the data range 1 and
biased variances, averaged over the places where the window lies within the image and over
channels; so computes scikit-image's `structural_similarity(gaussian_weights=True, sigma=1.5,
use_sample_covariance=False, data_range=1)`.

Images are in [0, 1]; samples are clamped to it. Both are averaged over images. The squared error
of a vector is over its values as they are, of any scale.
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from mmbench.core.data import Dataset
from mmbench.core.score import Context, Generated, Metric, Score
from mmbench.metrics.statistics.bootstrap import bootstrap
from mmbench.metrics.statistics.features import precise
from mmbench.metrics.statistics.samples import check, require_each, require_unit

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2
BLOCK = 16  # images at a time


def mean_squared_error(images: Tensor, truth: Tensor) -> Tensor:
    """The MSE of each image, over pixels and channels: (N, C, H, W) twice -> (N,), float64.

    Raises:
        ValueError: There are no images, the shapes differ, or a value is outside [0, 1].
    """
    return _squares(*_alike(images, truth))


def _squares(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).square().flatten(1).mean(1)


def structural_similarity(images: Tensor, truth: Tensor) -> Tensor:
    """The SSIM of each image, 1 where both are equal: (N, C, H, W) twice -> (N,), float64.

    Raises:
        ValueError: There are no images, the shapes differ, a value is outside [0, 1], or an image
            is smaller than the window.
    """
    x, y = _alike(images, truth)
    h, w = x.shape[2:]
    if min(h, w) < WINDOW:
        raise ValueError(f"SSIM's window has {WINDOW} pixels a side, the images only {h} x {w}")
    maps = torch.stack([x, y, x * x, y * y, x * y])
    # The window is separable: a band matrix from the left and one from the right.
    maps = (_band(h, x.device).T @ maps @ _band(w, x.device)).flatten(2)
    mean_x, mean_y, xx, yy, xy = maps
    var_x, var_y, covariance = xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    structure = (2 * covariance + C2) / (var_x + var_y + C2)
    return (luminance * structure).mean(1)


def _band(size: int, device: torch.device) -> Tensor:
    """The window at each place of a line of pixels: (size, size − 10)."""
    window = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    window = (-(window**2) / (2 * SIGMA**2)).exp()
    band = torch.zeros(size, size - WINDOW + 1, dtype=torch.float64)
    for i in range(band.shape[1]):
        band[i : i + WINDOW, i] = window / window.sum()
    return band.to(device)


def _alike(images: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    if images.shape != truth.shape or images.ndim != 4 or 0 in images.shape:
        shapes = f"{tuple(images.shape)} cannot be compared with {tuple(truth.shape)}"
        raise ValueError(f"images of shape {shapes}, expected (N, C, H, W) twice")
    for title, x in (("images", images), ("true images", truth)):
        require_unit(x, title)
    return images.double(), truth.to(images.device).double()


def scores(
    metric: Literal["mse", "ssim"], generated: Generated, dataset: Dataset, context: Context
) -> Iterator[Score]:
    """The scores of every image and vector that was given and reconstructed.

    Raises:
        ValueError: Samples are not of their modality, or not one for each test example.
    """
    kinds = ("image", "vector") if metric == "mse" else ("image",)
    measure = mean_squared_error if metric == "mse" else structural_similarity
    given, rows = generated.given, generated.rows
    for m, samples in generated.samples.items():
        modality, n = dataset.modality(m), len(samples)
        if modality.kind not in kinds or m not in given:
            continue
        check(samples, modality)
        require_each(samples, rows, f"reconstructions of {m}")
        if metric == "ssim" and min(modality.shape[1:]) < WINDOW:
            reason = f"SSIM needs images of at least {WINDOW} x {WINDOW} pixels"
            yield Score(metric, given, m, None, n, reason=reason)
            continue
        device, values = precise(samples.device), []
        for x, block in zip(samples.split(BLOCK), rows.split(BLOCK), strict=True):
            truth = dataset.test.batch(block, [m])[m]
            if modality.kind == "vector":
                values.append(_squares(x.to(device).double(), truth.to(device).double()))
            else:
                values.append(measure(x.to(device).clamp(0, 1), truth.to(device)))
        each = torch.cat(values)
        low, high = bootstrap(each)
        yield Score(metric, given, m, math.fsum(each.tolist()) / n, n, low=low, high=high)


mse = Metric(
    name="mse",
    title="MSE",
    better="lower",
    unit="",
    paper="Wesego and Rooshenas, Multimodal ELBO with diffusion decoders, 2024, "
    "https://arxiv.org/abs/2408.16883",
    low=0.0,
    compute=partial(scores, "mse"),
)
ssim = Metric(
    name="ssim",
    title="SSIM",
    better="higher",
    unit="",
    paper="Wang, Bovik, Sheikh and Simoncelli, Image quality assessment: from error visibility to "
    "structural similarity, 2004, https://doi.org/10.1109/TIP.2003.819861",
    low=-1.0,
    high=1.0,
    compute=partial(scores, "ssim"),
)
