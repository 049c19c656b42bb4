"""The Fréchet distance between two sets of features: features -> statistics -> value.

With means μ and covariances Σ of the two sets,

    d² = |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁^½ Σ₂ Σ₁^½)^½ .

For any roots Σ = R Rᵀ the last trace is the sum of the singular values of R₁ᵀ R₂. That form needs
no matrix square root, meets no complex numbers, and, unlike the square roots of eigenvalues, keeps
full precision for singular covariances (fewer samples than dimensions).

Dowson and Landau, "The Fréchet distance between multivariate normal distributions", 1982,
https://doi.org/10.1016/0047-259X(82)90077-X. Merging: Chan, Golub and LeVeque, "Updating formulae
and a pairwise algorithm for computing sample variances", 1979,
http://i.stanford.edu/pub/cstr/reports/cs/tr/79/773/CS-TR-79-773.pdf.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mmbench.atomic import replacing


@dataclass(frozen=True, eq=False)
class Statistics:
    """Mean and scatter of features; `a + b` is that of both sets together.

    Attributes:
        n: Number of samples.
        mean: (d,), float64.
        scatter: (d, d), float64: the sum over samples of (x − mean)(x − mean)ᵀ.
    """

    n: int
    mean: Tensor
    scatter: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Statistics:
        """The statistics of features (N, d), N at least 1, of any float type.

        Raises:
            ValueError: There are no samples, or a feature is not finite.
        """
        if features.ndim != 2 or 0 in features.shape:
            raise ValueError(f"features of shape {tuple(features.shape)} have no statistics, "
                             "expected (N, d) with at least one sample")  # fmt: skip
        x = features.detach().to("cpu", torch.float64)
        bad = (~x.isfinite()).any(1).nonzero()
        if len(bad):
            raise ValueError(f"the features of {len(bad)} of {len(x)} samples are not finite, "
                             f"the first of them in row {int(bad[0])}")  # fmt: skip
        mean = x.mean(0)
        x = x - mean
        return cls(len(x), mean, x.T @ x)

    def __add__(self, other: Statistics) -> Statistics:
        if len(self.mean) != len(other.mean):
            raise ValueError(f"features of {len(self.mean)} and of {len(other.mean)} dimensions "
                             "cannot be put together")  # fmt: skip
        n = self.n + other.n
        delta = other.mean - self.mean
        scatter = self.scatter + other.scatter
        scatter.addr_(delta, delta, alpha=self.n * other.n / n)
        return Statistics(n, self.mean + delta * (other.n / n), scatter)

    @property
    def covariance(self) -> Tensor:
        """(d, d), the unbiased estimate, with n − 1 in the denominator.

        Raises:
            ValueError: There is only one sample.
        """
        if self.n < 2:
            raise ValueError("the covariance of one sample is not defined, expected at least 2")
        return self.scatter / (self.n - 1)

    def save(self, path: Path) -> None:
        """Writes a safetensors file."""
        with replacing(path) as part:
            n = torch.tensor(self.n)
            save_file({"n": n, "mean": self.mean, "scatter": self.scatter}, part)

    @classmethod
    def load(cls, path: Path) -> Statistics:
        """Reads what `save` wrote."""
        file = load_file(path)
        return cls(int(file["n"]), file["mean"], file["scatter"])


def frechet_distance(a: Statistics, b: Statistics) -> float:
    """The squared distance d² of the two Gaussians, at least 0; symmetric in its arguments.

    Raises:
        ValueError: The features differ in dimension, or a set has fewer than 2 samples.
    """
    if len(a.mean) != len(b.mean):
        raise ValueError(f"features of {len(a.mean)} and of {len(b.mean)} dimensions cannot be "
                         "compared")  # fmt: skip
    sigma_a, sigma_b = a.covariance, b.covariance
    overlap = torch.linalg.svdvals(_root(sigma_a).T @ _root(sigma_b)).sum()
    shift = (a.mean - b.mean).square().sum()
    return max(0.0, float(shift + sigma_a.trace() + sigma_b.trace() - 2 * overlap))


def _root(sigma: Tensor) -> Tensor:
    """R (d, r) with R Rᵀ = Σ: Cholesky's factor, or from the eigenvectors where Σ is singular."""
    root: Tensor
    root, failed = torch.linalg.cholesky_ex(sigma)
    if not failed:
        return root
    w, v = torch.linalg.eigh(sigma)
    noise = w[-1].clamp(min=0) * len(w) * torch.finfo(w.dtype).eps  # rounding, not variance
    root = v[:, w > noise] * w[w > noise].sqrt()
    return root


def recall(path: Path, compute: Callable[[], Statistics]) -> Statistics:
    """The statistics in a file that was written before, or else computed and written.

    A file that cannot be read or written only costs the time to compute: a cache is no reason to
    fail.
    """
    try:
        return Statistics.load(path)
    except (OSError, SafetensorError, KeyError):
        statistics = compute()
    try:
        statistics.save(path)
    except (OSError, SafetensorError):
        pass
    return statistics
