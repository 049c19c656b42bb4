"""MMVAE+: a mixture of experts on a shared latent, and a private latent for each modality.

Palumbo, Daunhawer and Vogt, MMVAE+: Enhancing the generative quality of multimodal VAEs without
compromises, 2023, https://openreview.net/forum?id=sdQGxouELX.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from mmbench.architecture import Architecture, independent
from mmbench.baselines.mixture_prior import PostHoc
from mmbench.baselines.mmvae import importance_weighted
from mmbench.baselines.posteriors import (
    Laplace,
    draw_from_mixture,
    drawn_expert,
    mixture_log_prob,
    scales,
    stack,
)
from mmbench.baselines.vae import MultimodalVAE
from mmbench.core.data import Batch, Modality
from mmbench.core.likelihood import Output
from mmbench.protocols.arguments import at_least
from mmbench.training.trainer import Optimisation


class MMVAEPlus(MultimodalVAE):
    """q(z | x_S) = 1/|S| Σ q(z | xᵐ) for what is shared, q(wᵐ | xᵐ) for what is private.

    Args:
        modalities: As in `MultimodalVAE`, like all parameters that are not listed here.
        latent: Size of the shared z.
        private: Size of each private w.
        samples: K samples of each expert.
        estimator: "iwae" (for K = 1 the ELBO) or "dreg", see `mmbench.baselines.mmvae`.
    """

    title = "Mixture-of-experts VAE with shared and private latents"
    paper = (
        "Palumbo, Daunhawer, Vogt: MMVAE+: Enhancing the generative quality of multimodal VAEs "
        "without compromises, 2023, https://openreview.net/forum?id=sdQGxouELX"
    )

    def __init__(
        self,
        modalities: Sequence[Modality],
        architectures: dict[str, Architecture],
        *,
        latent: int,
        private: int,
        training: Optimisation,
        beta: float = 1.0,
        weights: dict[str, float] | None = None,
        joint: PostHoc | None = None,
        samples: int = 1,
        estimator: Literal["iwae", "dreg"] = "iwae",
    ) -> None:
        at_least(1, private=private, samples=samples)
        self.private = private  # nn.Module takes numbers before its own constructor has run
        super().__init__(modalities, architectures, latent, training, beta, weights, joint)
        self.samples, self.estimator = samples, estimator
        # The scales of r(wᵐ), the auxiliary priors of cross-modal reconstruction in training.
        self.auxiliary = nn.ParameterDict({m: torch.zeros(private) for m in self.names})

    def build(self) -> None:
        """Two encoders a modality, one to z and one to w; decoders take (z, w)."""
        D, P = self.latent, self.private
        parts = [(m, self.architectures[m]) for m in self.names]
        self.encoders = nn.ModuleDict({m: a.encoder(2 * D) for m, a in parts})
        self.private_encoders = nn.ModuleDict({m: a.encoder(2 * P) for m, a in parts})
        self.decoders = nn.ModuleDict({m: a.decoder(D + P) for m, a in parts})

    def shared(self, x: Batch) -> Laplace:
        """q(z | xᵐ) of each modality in x: (len(x), B, D)."""
        y = self.encoded(x)
        return stack([Laplace.of(y[m][:, : 2 * self.latent]) for m in self.names if m in y])

    def own(self, y: Tensor) -> Laplace:
        """q(wᵐ | xᵐ), from the output of a modality's encoders."""
        return Laplace.of(y[:, 2 * self.latent :])

    def read(self, name: str, x: Tensor) -> Tensor:
        """The outputs of both encoders, (B, 2 D + 2 P)."""
        return torch.cat([self.encoders[name](x), self.private_encoders[name](x)], 1)

    def objective(self, x: Batch, present: Tensor, noise: torch.Generator) -> Tensor:
        """1/M Σ_m log 1/K Σ_k p(x | z, w) [p(z, wᵐ) / (q(z | x) q(wᵐ | xᵐ))]^β (equation 6).

        Modality n is reconstructed from z and its own wⁿ where n = m, from r(wⁿ) otherwise.
        """
        K, detached = self.samples, self.estimator == "dreg"
        y = self.encoded(x)
        own = stack([self.own(y[m]) for m in self.names])
        q = self.shared(y)
        z = q.sample(noise, (K,)).transpose(0, 1)  # (M, K, B, D)
        w = own.sample(noise, (K,)).transpose(0, 1)  # (M, K, B, P)
        u = torch.cat([z, w], -1)
        z, w = u.split([self.latent, self.private], -1)
        if detached:
            q, own = q.detach(), own.detach()
        log_p = Laplace(torch.zeros_like(u[0, 0, 0]), torch.ones_like(u[0, 0, 0])).log_prob(u)
        log_q = mixture_log_prob(q, z, present)
        log_q = log_q + Laplace(own.mean[:, None], own.scale[:, None]).log_prob(w)
        log_w = self.beta * (log_p - log_q)  # (M, K, B)
        for n, m in enumerate(self.names):
            r = scales(self.auxiliary[m]).expand_as(w)
            borrowed = Laplace(torch.zeros_like(r), r).sample(noise)
            itself = torch.zeros(len(w), 1, 1, 1, device=w.device)
            itself[n] = 1
            code = torch.cat([z, itself * w + (1 - itself) * borrowed], -1)
            decoder = self.decoders[m]
            log_p = self.architectures[m].log_prob(decoder, code, x[m], independent(decoder))
            log_w = log_w + present[n] * self.weights[n] * log_p
        bound = importance_weighted(log_w, u, self.estimator)
        return ((present * bound).sum(0) / present.sum(0)).mean()

    def posterior(self, given: Batch, noise: torch.Generator) -> Laplace:
        """(z, w¹, ..., wᴹ), (B, D + M P): z of an expert drawn for each example.

        A private latent is encoded where its modality is given, and its prior's otherwise.
        """
        y = self.encoded(given)
        shared = drawn_expert(self.shared(y), noise)
        absent = self._standard(len(shared.mean), self.private)
        parts = [shared, *(self.own(y[m]) if m in given else absent for m in self.names)]
        means, scale = [q.mean for q in parts], [q.scale for q in parts]
        return Laplace(torch.cat(means, 1), torch.cat(scale, 1))

    def draw(self, x: Batch, samples: int, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """Samples (z, w¹, ..., wᴹ) (K, B, D + M P) and their log-densities (K, B)."""
        y = self.encoded(x)
        z, log_q = draw_from_mixture(self.shared(y), samples, noise)
        codes = [z]
        for m in self.names:
            q = self.own(y[m])
            codes.append(q.sample(noise, (samples,)))
            log_q = log_q + q.log_prob(codes[-1])
        return torch.cat(codes, -1), log_q

    def prior(self, n: int) -> Laplace:
        """p(z, w¹, ..., wᴹ), (n, D + M P)."""
        return self._standard(n, self.latent + len(self.names) * self.private)

    def _standard(self, n: int, size: int) -> Laplace:
        one = torch.ones(n, size, device=self.step.device)
        return Laplace(0 * one, one)

    def output(self, name: str, z: Tensor) -> Output:
        """The output of a modality's decoder for (z, w¹, ..., wᴹ)."""
        shared, *private = z.split([self.latent, *[self.private] * len(self.names)], 1)
        code = torch.cat([shared, private[self.names.index(name)]], 1)
        return self.decoders[name](code)
