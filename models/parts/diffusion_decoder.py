"""A decoder that is a diffusion: p(x | z) by reversing noise with a network that sees z.

Pictures in [0, 1] are diffused as y = 2x - 1 by the process of `mmbench.models.diffusion.sde`.
Between a first time τ and the last, T, the model's path and the data's differ by the
score-matching loss with the likelihood weighting λ(t) = g(t)² = β(t), and so

    log p(x | z) ≥ D log 2                                          from y back to x
                   - KL(q(y_T | y) || N(0, I))                      the prior's end
                   - ½ ∫ g(t)² E ||∇ log q(y_t | y) - s(y_t, z, t)||² dt
                   + E log p(y | y_τ),   p(y | y_τ) = N(y_τ / α_τ, σ_τ² / α_τ² I).

Wesego and Rooshenas: Multimodal ELBO with diffusion decoders, 2024,
https://arxiv.org/abs/2408.16883, equations 2 and 5; the bound with both ends: Song, Durkan, Murray
and Ermon: Maximum likelihood training of score-based diffusion models, 2021,
https://arxiv.org/abs/2101.09258, and Kingma, Salimans, Poole and Ho: Variational diffusion models,
2021, https://arxiv.org/abs/2107.00630.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbench.core.data import Modality
from mmbench.core.likelihood import full_precision
from mmbench.extras import optional
from mmbench.models.diffusion.ddim import DDIM, EARLIEST
from mmbench.models.diffusion.sampler import Sampler
from mmbench.models.diffusion.samplers import SAMPLERS, make_sampler
from mmbench.models.diffusion.sde import VPSDE
from mmbench.protocols.arguments import at_least, between, divided

KINDS: dict[str, type[Sampler | DDIM]] = {"ddim": DDIM, **SAMPLERS}
TICKS = 1000  # of the U-Net's clock, from time 0 to T: DDPM's levels


@dataclass(frozen=True)
class UNet:
    """How large the networks of diffusion decoders are.

    Attributes:
        channels: Channels of each level, the full picture's first; each level halves the sides.
        layers: Residual blocks of a level on the way down; one more on the way up.
        attention: The sides of the maps that attend to themselves, in pixels or patches; those in
            the middle do if any does.
        groups: Groups of the group normalisations.
        dropout: In the residual blocks.
        patch: The side, in pixels, of the squares whose pixels are the network's channels. 2 is
            about four times as fast: Luhman and Luhman, Improving diffusion model efficiency
            through patching, 2022, https://arxiv.org/abs/2207.04316. It need not divide the
            picture's sides, which are padded.
    """

    channels: Sequence[int]
    layers: int = 2
    attention: Sequence[int] = ()
    groups: int = 32
    dropout: float = 0.0
    patch: int = 1

    def __post_init__(self) -> None:
        if not self.channels:
            raise ValueError("channels is empty, expected a number for each level")
        between(1, 1000, layers=self.layers)
        at_least(1, groups=self.groups, patch=self.patch)
        divided(self.groups, **{f"channels[{i}]": n for i, n in enumerate(self.channels)})
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}, expected from 0 to below 1")

    @property
    def even(self) -> int:
        """What a picture's sides are padded to a multiple of, so that each level halves them."""
        return self.patch << len(self.channels) - 1

    def sides(self, shape: Sequence[int]) -> list[int]:
        """The shorter side of each level's maps, for a picture (channels, height, width)."""
        side = -(-min(shape[1:]) // self.even) * self.even // self.patch
        return [side >> level for level in range(len(self.channels))]

    def check(self, pictures: Sequence[Modality]) -> None:
        """Checks that networks of this size can draw pictures, as the setting `unet`.

        Raises:
            ValueError: A picture is smaller than a patch or cannot be halved so often, or no
                picture has maps of a side that attends to itself.
        """
        for m in pictures:
            side = min(m.shape[1:])
            if self.patch > side:
                wanted = f"at most {side}, the side of {m.name}"
                raise ValueError(f"unet.patch is {self.patch}, expected {wanted}")
            if self.even > side:
                whole = side // self.patch
                wanted = f"at most {whole.bit_length()}: {m.name} is {whole} patches of unet.patch"
                wrong = f"unet.channels has {len(self.channels)} levels"
                raise ValueError(f"{wrong}, expected {wanted}, {self.patch}, wide")
        known = {side for m in pictures for side in self.sides(m.shape)}
        for side in self.attention:
            if side not in known:
                wanted = f"sides of the maps, {', '.join(map(str, sorted(known)))}"
                raise ValueError(f"unet.attention has {side}, expected {wanted}")


class ConditionalUNet(nn.Module):
    """Predicts the noise in a picture, given z: the U-Net of diffusers.

    z is projected and added to the embedding of the time, which scales and shifts every residual
    block, as in Preechakul et al., Diffusion autoencoders, 2022,
    https://arxiv.org/abs/2111.15640. The noise is ε = α_t v + σ_t y_t for the U-Net's output v, so
    that where there is little but noise, y_t needs no learning: Salimans and Ho, Progressive
    distillation for fast sampling of diffusion models, 2022, https://arxiv.org/abs/2202.00512,
    section 4. Sides that do not make patches or do not halve evenly are padded.

    Args:
        sde: The diffusion of y.
        shape: (channels, height, width) of the picture.
        latent: Size of z.
        size: Size of the network.

    Raises:
        ImportError: diffusers is not installed.
    """

    def __init__(self, sde: VPSDE, shape: tuple[int, ...], latent: int, size: UNet) -> None:
        super().__init__()
        self.sde = sde
        diffusers = optional("diffusers", "a diffusion decoder", "diffusers", "diffusion")
        self.patch, self.even = size.patch, size.even
        attends = [side in size.attention for side in size.sides(shape)]
        embedding = max(4 * size.channels[0], latent)  # z is not squeezed
        self.project = nn.Linear(latent, embedding)
        self.unet = diffusers.UNet2DModel(
            in_channels=shape[0] * size.patch**2,
            out_channels=shape[0] * size.patch**2,
            block_out_channels=tuple(size.channels),
            layers_per_block=size.layers,
            down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attends),
            up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in attends[::-1]),
            add_attention=any(attends),
            attention_head_dim=None,  # one head
            norm_num_groups=size.groups,
            dropout=size.dropout,
            time_embedding_dim=embedding,
            class_embed_type="identity",
            resnet_time_scale_shift="scale_shift",
        )

    def forward(self, y: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """(B, C, H, W), times (B,) from 0 to 1 and (B, latent) -> noise (B, C, H, W)."""
        H, W = y.shape[-2:]
        x = F.pad(y, (0, -W % self.even, 0, -H % self.even))
        x = F.pixel_unshuffle(x, self.patch).contiguous(memory_format=torch.channels_last)
        v = F.pixel_shuffle(self.unet(x, TICKS * t, self.project(z)).sample, self.patch)
        v = full_precision(v[..., :H, :W])
        α, σ = (c.view(-1, 1, 1, 1) for c in (self.sde.alpha(t), self.sde.sigma(t)))
        return α * v + σ * y


class DiffusionDecoder(nn.Module):
    """p(x | z) of one modality.

    Args:
        sde: The diffusion of y.
        shape: Shape of an example.
        network: (y (B, *shape), t (B,), z (B, latent)) -> the noise in y.
        sampler: Its name under "name", "ddim" or one of `mmbench.models.diffusion.samplers`, and
            its arguments.
        likelihood: Whether the loss is the bound on the likelihood, λ(t) = g(t)². Otherwise it is
            half the mean squared error of the predicted noise, the unweighted loss of Ho, Jain
            and Abbeel: Denoising diffusion probabilistic models, 2020,
            https://arxiv.org/abs/2006.11239, equation 14. This is how we read the paper's
            λ(t) = 1: as a weight of the noise's error, as in the work that it cites for it. As a
            weight of the score's error in its equation 2 it would be 1 / σ_t² of this.

    Raises:
        ValueError: There is no such sampler, or it does not take these settings.
    """

    def __init__(
        self,
        sde: VPSDE,
        shape: tuple[int, ...],
        network: Callable[[Tensor, Tensor, Tensor], Tensor],
        sampler: Mapping[str, Any],
        likelihood: bool,
    ) -> None:
        super().__init__()
        self.sde, self.shape, self.network = sde, shape, network
        self.sampler, self.likelihood = make_sampler(sampler, "sampler", KINDS), likelihood

    def log_prob(self, z: Tensor, x: Tensor, noise: torch.Generator) -> Tensor:
        """An estimate of the bound on log p(x | z) at one time an example, in nats: (B,).

        Without `likelihood` it is the negative of the unweighted loss instead.

        Args:
            z: (B, latent).
            x: (B, *shape), from 0 to 1.
            noise: Source of times and noise.
        """
        y = 2 * x - 1
        u = torch.rand(len(y), generator=noise, device=y.device)
        u = (torch.arange(len(y), device=y.device) + u) / len(y)  # even over a batch
        t = self._even_in_noise(u) if self.likelihood else EARLIEST + (self.sde.T - EARLIEST) * u
        ε = torch.randn(y.shape, generator=noise, device=y.device)
        y_t = self.sde.perturb(y.flatten(1), t, ε.flatten(1)).view_as(y)
        error = (self.network(y_t, t, z) - ε).square().flatten(1).sum(1)
        if not self.likelihood:
            return -error / 2
        return self._ends(y.flatten(1)) - self._span / 2 * error

    @property
    def _span(self) -> float:
        """∫ β / σ² dt, by which the log-ratio of noise to signal rises from `EARLIEST` to T."""
        return self._log_noise(self.sde.T) - self._log_noise(EARLIEST)

    def _log_noise(self, t: float) -> float:
        """Log σ_t² / α_t², the log-ratio of noise to signal."""
        return 2 * math.log(self.sde.sigma(t) / self.sde.alpha(t))

    def _even_in_noise(self, u: Tensor) -> Tensor:
        """Times from u in [0, 1], even in the log-ratio of noise to signal between both ends."""
        # Their density is proportional to β / σ², that is to g² times the score's squared error
        # over the noise's, so that no weight is left in the mean: the integral of the paper, which
        # draws times evenly, at a lower variance (Song et al. 2021, section 5.1).
        B = F.softplus(self._log_noise(EARLIEST) + self._span * u)  # ∫ β from 0 to t
        low, rise = self.sde.beta_min, self.sde.beta_max - self.sde.beta_min
        return 2 * B / (low + (low**2 + 2 * rise * B).sqrt())

    def _ends(self, y: Tensor) -> Tensor:
        """All terms of the bound but the integral, for y (B, D): (B,)."""
        D, alpha, var = y.shape[1], self.sde.alpha(self.sde.T), self.sde.sigma(self.sde.T) ** 2
        prior = ((alpha * y).square().sum(1) + D * (var - 1 - math.log(var))) / 2
        first = D / 2 * (1 + math.log(2 * math.pi) + self._log_noise(EARLIEST))
        return D * math.log(2) - prior - first

    @torch.no_grad()
    def sample(self, z: Tensor, generator: torch.Generator, rows: int) -> Tensor:
        """Draws x given z (n, latent): (n, *shape), from 0 to 1.

        The noise of all n is drawn at once; the network sees `rows` of them at a time.
        """

        def score(y: Tensor, t: float) -> Tensor:
            parts = [
                self.network(c.view(-1, *self.shape), torch.full_like(c[:, 0], t), d).flatten(1)
                for c, d in zip(y.split(rows), z.split(rows), strict=True)
            ]
            return torch.cat(parts).div_(-self.sde.sigma(t))

        start = z.new_zeros(len(z), math.prod(self.shape))
        free = torch.ones_like(start[0], dtype=torch.bool)
        y = self.sampler.sample(score, self.sde, start, free, generator)
        return ((y + 1) / 2).clamp(0, 1).view(-1, *self.shape)
