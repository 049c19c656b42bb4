"""NEXUS: a VAE for each modality, and one above them that aggregates their messages.

Vasco, Yin, Melo and Paiva, Leveraging hierarchy in multimodal generative models for effective
cross-modality inference, 2022, https://arxiv.org/abs/2110.03608.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmbench.architecture import Architecture
from mmbench.baselines.mixture_prior import PostHoc
from mmbench.baselines.posteriors import Gaussian
from mmbench.baselines.vae import MultimodalVAE
from mmbench.core.data import Batch, Modality
from mmbench.core.likelihood import Output
from mmbench.protocols.arguments import at_least, by_modality
from mmbench.registry import expect_modalities
from mmbench.training.trainer import Optimisation


class NEXUS(MultimodalVAE):
    """Bottom VAEs xᵐ - zᵐ, messages cᵐ(zᵐ), their mean, and a top VAE to z and back to all zᵐ.

    Args:
        modalities: As in `MultimodalVAE`, like all parameters that are not listed here.
        latent: D, the size of the top z.
        bottom: Size of each zᵐ, or one for all.
        beta: β_c, the weight of the top divergence.
        weights: λ: modality -> factor of its log-likelihood.
        bottom_beta: β_i, the weight of each bottom divergence.
        gamma: γ: modality -> factor of the top's squared error on zᵐ; 1 by default.
        message: Size of the messages.
        hidden: Width of the top's layers.
        drop: Probability that an example's aggregate loses 1 to M - 1 random messages.
        warmup: Epochs over which both divergences' weights rise from 0.
    """

    title = "Hierarchical VAE with aggregated messages"
    paper = (
        "Vasco, Yin, Melo, Paiva: Leveraging hierarchy in multimodal generative models for "
        "effective cross-modality inference, 2022, https://arxiv.org/abs/2110.03608"
    )

    def __init__(
        self,
        modalities: Sequence[Modality],
        architectures: dict[str, Architecture],
        *,
        latent: int,
        bottom: int | dict[str, int],
        training: Optimisation,
        beta: float = 1.0,
        weights: dict[str, float] | None = None,
        joint: PostHoc | None = None,
        bottom_beta: float = 1.0,
        gamma: dict[str, float] | None = None,
        message: int = 512,
        hidden: int = 512,
        drop: float = 0.5,
        warmup: int = 0,
    ) -> None:
        names = [m.name for m in modalities]
        sizes = by_modality("bottom", bottom, names, 1)
        expect_modalities(gamma or {}, names, "gamma")
        at_least(0, bottom_beta=bottom_beta, warmup=warmup)
        at_least(0, **{f"gamma.{m}": x for m, x in (gamma or {}).items()})
        at_least(1, message=message, hidden=hidden)
        if not 0 <= drop <= 1:
            raise ValueError(f"drop is {drop}, expected a probability")
        self.sizes, self.message, self.hidden = sizes, message, hidden
        super().__init__(modalities, architectures, latent, training, beta, weights, joint)
        self.bottom_beta, self.drop, self.warmup = bottom_beta, drop, warmup
        self.gamma = [(gamma or {}).get(m, 1.0) for m in names]

    def build(self) -> None:
        """Bottom networks as the data set's protocol has them; the top is dense."""
        parts = [(m, self.architectures[m], self.sizes[m]) for m in self.names]
        self.encoders = nn.ModuleDict({m: a.encoder(2 * size) for m, a, size in parts})
        self.decoders = nn.ModuleDict({m: a.decoder(size) for m, a, size in parts})
        self.messages = nn.ModuleDict({m: nn.Linear(n, self.message) for m, _, n in parts})
        H, D = self.hidden, self.latent
        self.top_encoder = _dense(self.message, (H, H), 2 * D)
        self.top_decoders = nn.ModuleDict({m: _dense(D, (H, H, H), n) for m, _, n in parts})

    def objective(self, x: Batch, present: Tensor, noise: torch.Generator) -> Tensor:
        """Sum of the bottom ELBOs (equation 2) and the top's (equation 6).

        The top sees detached zᵐ: what it learns does not change the bottom.
        """
        rise = self.annealed(self.warmup)
        value = torch.zeros_like(present[0])
        below = []
        for i, m in enumerate(self.names):
            q = Gaussian.of(self.encoders[m](x[m]))
            z = q.sample(noise)
            log_p = self.architectures[m].log_prob(self.decoders[m], z, x[m])
            elbo = self.weights[i] * log_p - rise * self.bottom_beta * q.divergence()
            value = value + present[i] * elbo
            below.append(z.detach())
        top = self._top(below, self._dropped(present, noise))
        z = top.sample(noise)
        value = value - rise * self.beta * top.divergence()
        for i, m in enumerate(self.names):
            error = ((self.top_decoders[m](z) - below[i]) ** 2).sum(1)
            value = value - present[i] * self.gamma[i] * error
        return value.mean()

    def _dropped(self, present: Tensor, noise: torch.Generator) -> Tensor:
        """Which messages are aggregated, (M, B): some of those present, at least one."""
        M, B = present.shape
        device = present.device
        lose = torch.rand(B, generator=noise, device=device) < self.drop
        left = torch.randint(1, max(M, 2), (B,), generator=noise, device=device)
        order = torch.rand(M, B, generator=noise, device=device) + (1 - present) * 2  # absent last
        rank = order.argsort(0).argsort(0)
        return present * torch.where(lose, (rank < left).float(), 1.0)

    def _top(self, below: Sequence[Tensor], weights: Tensor) -> Gaussian:
        """q(z | mean of messages); weights (M, B) say which count."""
        c = torch.stack([self.messages[m](z) for m, z in zip(self.names, below, strict=True)])
        mean = (weights[..., None] * c).sum(0) / weights.sum(0)[:, None]
        return Gaussian.of(self.top_encoder(mean))

    def posterior(self, given: Batch, noise: torch.Generator) -> Gaussian:
        """q(z | mean of the messages given) of the top."""
        c, y = [], self.encoded(given)
        for m in self.names:
            if m in y:
                z = Gaussian.of(y[m]).sample(noise)
                c.append(self.messages[m](z))
        return Gaussian.of(self.top_encoder(torch.stack(c).mean(0)))

    def output(self, name: str, z: Tensor) -> Output:
        """From the top z down to zᵐ and xᵐ."""
        return self.decoders[name](self.top_decoders[name](z))


def _dense(inputs: int, widths: Sequence[int], outputs: int) -> nn.Module:
    layers: list[nn.Module] = []
    for a, b in zip((inputs, *widths), widths, strict=False):
        layers += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.LeakyReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))
