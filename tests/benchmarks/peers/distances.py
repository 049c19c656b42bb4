"""Fréchet distances of features beside pytorch-fid's, torch-fidelity's and torchmetrics'.

All get the same features, rectified and correlated Gaussians whose variances span six orders of
magnitude, and are timed from features to distance.
"""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from mmbench.metrics.statistics.frechet import Statistics, frechet_distance
from tests.benchmarks.peers.turns import Comparison, take_turns

SAMPLES, DIMENSIONS = 5000, 2048
AIMS = {"torch-fidelity": 10.0, "torchmetrics": 10.0, "pytorch-fid": 21.0}
TOLERANCE = 1e-3


def features(scale: float) -> Tensor:
    """(SAMPLES, DIMENSIONS) features."""
    noise = torch.Generator().manual_seed(0)
    square = torch.randn(DIMENSIONS, DIMENSIONS, generator=noise, dtype=torch.float64)
    mix = torch.linalg.qr(square).Q
    noise.manual_seed(int(1000 * scale))
    x = torch.randn(SAMPLES, DIMENSIONS, generator=noise, dtype=torch.float64)
    spread = torch.logspace(0, -3, DIMENSIONS, dtype=torch.float64)
    return scale * (x * spread @ mix).relu()


def peers() -> dict[str, Callable[[Tensor, Tensor], float]]:
    """Name -> its distance of two sets of features."""
    from pytorch_fid.fid_score import calculate_frechet_distance
    from torch_fidelity.metric_fid import (
        KEY_METRIC_FID,
        fid_features_to_statistics,
        fid_statistics_to_metric,
    )
    from torchmetrics.image.fid import FrechetInceptionDistance

    def pytorch_fid(x: Tensor, y: Tensor) -> float:
        both = [f(z.numpy(), axis=0) for z in (x, y) for f in (np.mean, covariance)]
        return float(calculate_frechet_distance(*both))

    def torch_fidelity(x: Tensor, y: Tensor) -> float:
        a, b = (fid_features_to_statistics(z) for z in (x, y))
        return float(fid_statistics_to_metric(a, b, False)[KEY_METRIC_FID])

    def torchmetrics(x: Tensor, y: Tensor) -> float:
        metric = FrechetInceptionDistance(Features()).set_dtype(torch.float64)
        metric.update(x, real=True)
        metric.update(y, real=False)
        return float(metric.compute())

    found = (torch_fidelity, torchmetrics, pytorch_fid)
    return dict(zip(AIMS, found, strict=True))


def covariance(x: np.ndarray, axis: int) -> np.ndarray:
    """As pytorch-fid computes it."""
    return np.cov(x, rowvar=False)


class Features(nn.Module):
    """An extractor whose inputs are the features already."""

    num_features = DIMENSIONS

    def forward(self, x: Tensor) -> Tensor:
        """(N, DIMENSIONS) as it is."""
        return x


def compare(rounds: int) -> Iterator[Comparison]:
    """The distance beside each peer's.

    Raises:
        SystemExit: The distances differ.
    """
    x, y = features(1.0), features(1.2)
    results = {}

    def ours() -> None:
        results["ours"] = float(frechet_distance(Statistics.of(x), Statistics.of(y)))

    what = f"Fréchet distance, {SAMPLES:,} of {DIMENSIONS:,}"
    for name, distance in peers().items():

        def theirs(name: str = name, distance: Callable[..., float] = distance) -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # SciPy's, of an argument that it means to remove
                results[name] = distance(x, y)

        took = take_turns(rounds, ours, theirs, torch.device("cpu"))
        a, b = results["ours"], results[name]
        if abs(a - b) > TOLERANCE * abs(b):
            raise SystemExit(f"the Fréchet distance is {a:.9g}, and {b:.9g} by {name}")
        yield Comparison(what, name, took, f"{a:.9g}, {b:.9g}", AIMS[name])
