"""Experts on a latent z, and their products and mixtures over any subset of modalities.

M experts are one distribution with a first axis of M. An expert that is missing for an example
has an infinite variance, log_variance = inf.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from mmbench.core.likelihood import full_precision


@dataclass(frozen=True)
class Gaussian:
    """Independent normal distributions.

    Attributes:
        mean: (..., D).
        log_variance: (..., D).
    """

    mean: Tensor
    log_variance: Tensor

    @staticmethod
    def of(output: Tensor) -> Gaussian:
        """Reads an encoder's output (..., 2 D): the mean, then the log-variance."""
        return Gaussian(*full_precision(output).chunk(2, -1))

    def sample(self, noise: torch.Generator, count: tuple[int, ...] = ()) -> Tensor:
        """Reparameterised samples, (*count, ..., D)."""
        shape, device = (*count, *self.mean.shape), self.mean.device
        ε = torch.randn(shape, generator=noise, device=device, dtype=self.mean.dtype)
        return self.mean + (self.log_variance / 2).exp() * ε

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density of z (..., D), summed over D."""
        square = (z - self.mean) ** 2 * (-self.log_variance).exp()
        return -(square + self.log_variance + math.log(2 * math.pi)).sum(-1) / 2

    def divergence(self, other: Gaussian | None = None) -> Tensor:
        """KL(self || other) in closed form, summed over D; N(0, I) by default."""
        if other is None:
            kl = self.mean**2 + self.log_variance.exp() - self.log_variance - 1
        else:
            ratio = self.log_variance - other.log_variance
            square = (self.mean - other.mean) ** 2 * (-other.log_variance).exp()
            kl = square + ratio.exp() - ratio - 1
        return kl.sum(-1) / 2

    def detach(self) -> Gaussian:
        """The same without gradient."""
        return Gaussian(self.mean.detach(), self.log_variance.detach())


@dataclass(frozen=True)
class Laplace:
    """Independent Laplace distributions.

    Attributes:
        mean: (..., D).
        scale: (..., D), more than 0.
    """

    mean: Tensor
    scale: Tensor

    @staticmethod
    def of(output: Tensor) -> Laplace:
        """Reads an encoder's output (..., 2 D): the mean, then logits of the scale.

        The scales of a latent are D softmax(logits), so that they are 1 on average: Shi et al.'s
        code for Variational mixture-of-experts autoencoders, 2019.
        """
        mean, logits = full_precision(output).chunk(2, -1)
        return Laplace(mean, scales(logits))

    def sample(self, noise: torch.Generator, count: tuple[int, ...] = ()) -> Tensor:
        """Reparameterised samples, (*count, ..., D)."""
        shape, device = (*count, *self.mean.shape), self.mean.device
        u = torch.rand(shape, generator=noise, device=device, dtype=self.mean.dtype) - 0.5
        tail = (1 - 2 * u.abs()).clamp_min(torch.finfo(u.dtype).tiny)
        return self.mean - self.scale * u.sign() * tail.log()

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density of z (..., D), summed over D."""
        return -((z - self.mean).abs() / self.scale + (2 * self.scale).log()).sum(-1)

    def detach(self) -> Laplace:
        """The same without gradient."""
        return Laplace(self.mean.detach(), self.scale.detach())


def scales(logits: Tensor) -> Tensor:
    """Logits (..., D) -> scales that are 1 on average."""
    return F.softmax(logits, -1) * logits.shape[-1] + 1e-6


Expert = TypeVar("Expert", Gaussian, Laplace)


def stack(experts: list[Expert]) -> Expert:
    """M experts (B, D) as one (M, B, D)."""
    kind = type(experts[0])
    parts = [list(vars(e).values()) for e in experts]
    return kind(*(torch.stack(p) for p in zip(*parts, strict=True)))


def product(experts: Gaussian, members: Tensor, prior: Tensor) -> Gaussian:
    """Products of Gaussian experts: precisions add, means are weighted by them.

    Stable while the log-variances of an example's experts differ by less than 80.

    Args:
        experts: (M, B, D); infinite log-variances are experts that are missing.
        members: (S, M), 1 where an expert belongs to a product.
        prior: (S, 1 or B), 1 where the prior N(0, I) is one more expert. Without it a product
            of nothing has no value.

    Returns:
        (S, B, D).
    """
    log_precision = -experts.log_variance
    shift = log_precision.detach().amax(0).clamp_min(0)  # the largest, so that nothing overflows
    precision = (log_precision - shift).exp()
    with torch.autocast(precision.device.type, enabled=False):  # einsum would be halved
        total = torch.einsum("sm,mbd->sbd", members, precision)
        weighted = torch.einsum("sm,mbd->sbd", members, precision * experts.mean)
    total = total + prior[..., None] * (-shift).exp()
    mean = weighted / total
    return Gaussian(mean, -(total.log() + shift))


def product_of_all(experts: Gaussian, prior: bool) -> Gaussian:
    """The product of experts (M, B, D), and of the prior if asked for: (B, D)."""
    one = torch.ones(1, 1).to(experts.mean)
    q = product(experts, one.expand(1, len(experts.mean)), one * prior)
    return Gaussian(q.mean[0], q.log_variance[0])


def pick(experts: Expert, choice: Tensor) -> Expert:
    """One expert for each example: (S, B, D) and choice (B,) -> (B, D)."""
    rows = torch.arange(len(choice), device=choice.device)
    return type(experts)(*(x[choice, rows] for x in vars(experts).values()))


def drawn_expert(experts: Expert, noise: torch.Generator) -> Expert:
    """One of M equally likely experts (M, B, D), drawn for each example: (B, D)."""
    return pick(experts, choose(torch.ones_like(experts.mean[..., 0]), noise))


def choose(weights: Tensor, noise: torch.Generator, stratified: bool = False) -> Tensor:
    """Draws a component of a mixture for each example, in proportion to weights (S, B): (B,).

    At least one weight of each example is above 0. Stratified draws divide the components evenly
    over the batch, to lower the variance of training; otherwise an example's draw depends on its
    own weights alone.
    """
    B = weights.shape[1]
    u = torch.rand(B, generator=noise, device=weights.device)
    if stratified:
        u = (torch.randperm(B, generator=noise, device=weights.device) + u) / B
        u = u.clamp_max(1 - 2**-24)  # the last stratum's may round to 1, beyond every component
    ends = weights.cumsum(0)
    return (u * ends[-1] >= ends).sum(0).clamp_max(len(weights) - 1)


def mixture_log_prob(experts: Expert, z: Tensor, weights: Tensor) -> Tensor:
    """Log-density of a mixture of an example's experts (M, B, D) at z (..., B, D): (..., B).

    `weights` (M, B) are in proportion to those of the experts, 0 where there is none; every
    example has one.
    """
    each = zip(*vars(experts).values(), strict=True)
    logs = torch.stack([type(experts)(*values).log_prob(z) for values in each])
    shares = weights.view(len(weights), *[1] * (logs.ndim - 2), -1)
    weighted = (logs + shares.log()).masked_fill(shares == 0, -math.inf)
    return weighted.logsumexp(0) - weights.sum(0).log()


def draw_from_mixture(
    experts: Expert, count: int, noise: torch.Generator
) -> tuple[Tensor, Tensor]:
    """K samples of experts (M, B, D) in turn, and so of their mixture.

    Where M does not divide K, some experts are drawn once more than others. The mixture is that
    of the shares that were drawn, with which importance weights are unbiased (the balance
    heuristic of Veach and Guibas, Optimally combining sampling techniques, 1995).

    Returns:
        z (K, B, D) and its log-density under the mixture (K, B).
    """
    M, B, _ = experts.mean.shape
    z = experts.sample(noise, (-(-count // M),)).flatten(0, 1)[:count]
    drawn = (torch.arange(count, device=z.device) % M).bincount(minlength=M)
    return z, mixture_log_prob(experts, z, drawn[:, None].expand(M, B).to(z))
