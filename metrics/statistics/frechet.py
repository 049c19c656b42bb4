"""The Fréchet distance between two sets of features: features -> statistics -> value.

With means μ and covariances Σ of the two sets,

    d² = |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁^½ Σ₂ Σ₁^½)^½ .

For any roots Σ = Rᵀ R the last trace is the sum of the singular values of M = R₁ R₂ᵀ, or of the
square roots of the eigenvalues of M Mᵀ. That needs no matrix square root and meets no complex
numbers. R is Cholesky's factor or, of fewer samples than dimensions, the samples themselves, so
that the eigenvalues sought are those of a matrix as small as the smaller set.

All eigenvalues are wrong by the rounding of the largest, and the roots of small ones by much more:
where that could be seen in the value, the singular values are computed, which takes several times
as long.

Dowson and Landau, "The Fréchet distance between multivariate normal distributions", 1982,
https://doi.org/10.1016/0047-259X(82)90077-X. Merging: Chan, Golub and LeVeque, "Updating formulae
and a pairwise algorithm for computing sample variances", 1979,
http://i.stanford.edu/pub/cstr/reports/cs/tr/79/773/CS-TR-79-773.pdf.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK = 1024
"""Samples whose statistics are computed together."""
STRIP = 256
"""Columns of a Gram matrix that are computed together; so much of its lower half is left out."""
PRECISION = 1e-8
"""The precision of a distance, relative to the variance of both sets."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """Mean and scatter of features; `a + b` is that of both sets together.

    Attributes:
        n: Number of samples.
        mean: (d,), float64.
        spread: float64. Of n < d samples, the (n, d) samples less their mean; of more, the (d, d)
            scatter: the sum over samples of (x − mean)(x − mean)ᵀ.
    """

    n: int
    mean: Tensor
    spread: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Statistics:
        """The statistics of features (N, d), N at least 1, of any float type.

        Raises:
            ValueError: There are no samples, or a feature is not finite.
        """
        if features.ndim != 2 or 0 in features.shape:
            expected = "expected (N, d) with at least one sample"
            raise ValueError(f"features have shape {tuple(features.shape)}, {expected}")
        x = features.detach().to("cpu", torch.float64)
        require_finite(x, "samples")
        mean = x.mean(0)
        return cls(len(x), mean, _smaller(x - mean))

    @classmethod
    def gather(cls, batches: Iterable[Tensor]) -> Statistics:
        """The statistics of batches of features (B, d), in memory that does not grow with them.

        Raises:
            ValueError: There are no batches; or as `of`.
        """
        total: Statistics | None = None
        waiting: list[Tensor] = []
        for batch in batches:
            waiting.append(batch)
            if sum(map(len, waiting)) >= BLOCK:
                total, waiting = _add(total, waiting), []
        if waiting:
            total = _add(total, waiting)
        if total is None:
            raise ValueError("there are no features, expected at least one sample")
        return total

    def __add__(self, other: Statistics) -> Statistics:
        require_equal(len(self.mean), len(other.mean))
        n = self.n + other.n
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.n / n)
        if len(self.spread) + len(other.spread) < len(mean):
            rows = [self.spread + (self.mean - mean), other.spread + (other.mean - mean)]
            return Statistics(n, mean, torch.cat(rows))
        scatter = self.scatter + other.scatter
        scatter.addr_(delta, delta, alpha=self.n * other.n / n)
        return Statistics(n, mean, scatter)

    @property
    def scatter(self) -> Tensor:
        """(d, d), the sum over samples of (x − mean)(x − mean)ᵀ."""
        few = len(self.spread) < len(self.mean)
        return _gram(self.spread) if few else self.spread

    @property
    def covariance(self) -> Tensor:
        """(d, d), the unbiased estimate, with n − 1 in the denominator.

        Raises:
            ValueError: There is only one sample.
        """
        _require_two(self.n)
        return self.scatter / (self.n - 1)


def frechet_distance(a: Statistics, b: Statistics) -> float:
    """The squared distance d² of the two Gaussians, at least 0; symmetric in its arguments.

    Raises:
        ValueError: The features differ in dimension, or a set has fewer than 2 samples.
    """
    require_equal(len(a.mean), len(b.mean))
    roots = _root(a), _root(b)
    shift = (a.mean - b.mean).square().sum()
    variance = roots[0].square().sum() + roots[1].square().sum()
    return max(0.0, float(shift + variance - 2 * _overlap(*roots, PRECISION * variance)))


def feature_distance(generated: Tensor, real: Tensor) -> float:
    """The squared distance of two sets of features (N, d) and (N', d); as `frechet_distance`.

    Raises:
        ValueError: As `Statistics.of` and `frechet_distance`.
    """
    return frechet_distance(Statistics.of(generated), Statistics.of(real))


def _overlap(a: Tensor, b: Tensor, tolerance: Tensor) -> Tensor:
    """The sum of the singular values of a bᵀ, of roots (r, d) and (s, d)."""
    product = a @ b.T if len(a) <= len(b) else b @ a.T
    if not product.numel():
        return product.sum()
    squares = torch.linalg.eigvalsh(_gram(product.T)).clamp_(min=0)
    values: Tensor = squares.sqrt()
    rounding = torch.finfo(squares.dtype).eps * squares[-1]
    # √(λ ± δ) − √λ is at most √δ, and at most δ / √λ.
    error = torch.minimum(rounding.sqrt(), rounding / values).nan_to_num(0).sum()
    if error > tolerance:
        values = torch.linalg.svdvals(product)
    return values.sum()


def _root(s: Statistics) -> Tensor:
    """R (r, d) with Rᵀ R = Σ."""
    root: Tensor
    _require_two(s.n)
    if len(s.spread) < len(s.mean):
        # A reflection that takes the vector of ones to the first axis: since the samples sum to
        # zero, so does their first row then, and the others have full rank in general.
        n = len(s.spread)
        axis = torch.full((n,), n**-0.5, dtype=s.spread.dtype)
        axis[0] += 1
        axis /= axis.norm()
        root = (s.spread - 2 * torch.outer(axis, axis @ s.spread))[1:] / (s.n - 1) ** 0.5
        return root
    root, failed = torch.linalg.cholesky_ex(s.covariance, upper=True)
    if not failed:
        return root
    w, v = torch.linalg.eigh(s.covariance)
    noise = w[-1].clamp(min=0) * len(w) * torch.finfo(w.dtype).eps  # rounding, not variance
    root = (v[:, w > noise] * w[w > noise].sqrt()).T
    return root


def _require_two(n: int) -> None:
    if n < 2:
        raise ValueError("the covariance of one sample is not defined, expected at least 2")


def require_equal(d: int, other: int) -> None:
    """Refuses to compare features whose dimensions differ.

    Raises:
        ValueError: They do.
    """
    if d != other:
        raise ValueError(f"features of {d} and of {other} dimensions cannot be compared")


def require_finite(features: Tensor, samples: str) -> None:
    """Refuses features (N, d) that are not finite; `samples` says whose they are.

    Raises:
        ValueError: A row is not finite; says which is the first.
    """
    bad = (~features.isfinite()).any(1).nonzero()
    if len(bad):
        found = f"{len(bad)} of {len(features)} {samples} are not finite"
        raise ValueError(f"the features of {found}, the first of them in row {int(bad[0])}")


def _smaller(centred: Tensor) -> Tensor:
    """Samples less their mean (n, d), or their scatter (d, d), whichever is smaller."""
    few = len(centred) < centred.shape[1]
    return centred if few else _gram(centred)


def _gram(rows: Tensor) -> Tensor:
    """rowsᵀ rows (d, d) of (n, d): its upper half, strip by strip, and the mirror image of it."""
    d = rows.shape[1]
    gram = rows.new_empty(d, d)
    for start in range(0, d, STRIP):
        strip = slice(start, start + STRIP)
        gram[strip, start:] = rows[:, strip].T @ rows[:, start:]
        gram[strip.stop :, strip] = gram[strip, strip.stop :].T
    return gram


def _add(total: Statistics | None, batches: list[Tensor]) -> Statistics:
    more = Statistics.of(torch.cat(batches))
    return more if total is None else total + more
