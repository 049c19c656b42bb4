"""FID, the Fréchet Inception distance of RGB images.

Heusel, Ramsauer, Unterthiner, Nessler and Hochreiter, "GANs trained by a two time-scale update
rule converge to a local Nash equilibrium", 2017, https://arxiv.org/abs/1706.08500. Features are
pytorch-fid's (see `mmbench.metrics.features`), covariances unbiased and in float64.

The value depends on the number of samples (at 2,048 or fewer the covariances are singular), so
only values of equal n may be compared; n is part of every score.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from mmbench.core import Context, Dataset, Generated, Metric, Score
from mmbench.metrics.extractors import INCEPTION, load_inception
from mmbench.metrics.features import compare, inception_features
from mmbench.metrics.frechet import Statistics, frechet_distance


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
    return _distance(*(inception_features(x, network) for x in (generated, real)))


def _distance(drawn: Tensor, real: Tensor) -> float:
    return frechet_distance(Statistics.of(drawn), Statistics.of(real))


def _compute(generated: Generated, dataset: Dataset, context: Context) -> Iterator[Score]:
    return compare("fid", _distance, generated, dataset, context)


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
