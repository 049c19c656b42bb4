"""The score network s_χ(r, τ): residual MLP blocks with skip connections and a multi-time input.

Bounoua, Franzese, Michiardi: Multi-modal Latent Diffusion, 2023,
https://arxiv.org/abs/2306.04445, figures 6 and 7. The layout (two levels down, two up, a skip at
each) and the time embedding (the raw vector τ through an MLP) agree with the authors' network:
32.7 M parameters on MHD, 72.0 M on PolyMNIST.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbench.protocols.arguments import at_least, between, divided


class GroupNorm(nn.GroupNorm):
    """The same of (B, channels), through layer norms of the groups.

    On a CPU PyTorch's own takes twice as long where there are no pixels, a third of a training
    step.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels) -> (B, channels)."""
        size = self.num_channels // self.num_groups
        y = F.layer_norm(x.unflatten(1, (self.num_groups, size)), (size,), eps=self.eps)
        return y.flatten(1) * self.weight + self.bias  # addcmul's gradient takes a pass more


class ResMLP(nn.Module):
    """A residual MLP block with an additive time input (figure 7).

    Args:
        inputs: Size of its input.
        width: Size of its output.
        time: Size of the time embedding.
        groups: Groups of its group normalisations.
    """

    def __init__(self, inputs: int, width: int, time: int, groups: int) -> None:
        super().__init__()
        self.first = nn.Sequential(GroupNorm(groups, inputs), nn.SiLU(), nn.Linear(inputs, width))
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(time, width))
        self.second = nn.Sequential(GroupNorm(groups, width), nn.SiLU(), nn.Linear(width, width))
        self.skip = nn.Identity() if inputs == width else nn.Linear(inputs, width)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """(B, inputs), (B, time) -> (B, width)."""
        return self.skip(x) + self.second(self.first(x) + self.time(time))


class ScoreNetwork(nn.Module):
    """Predicts the noise in r: s_χ(r, τ) = -forward(r, τ) / σ(t) on the diffused coordinates.

    Args:
        size: D, the dimension of the concatenated latents.
        modalities: M, the length of the multi-time vector τ.
        width: Width of the hidden layers (table 9).
        blocks: Levels of the network: a block down and one up for each.
        time_embedding: Size of the embedding of τ.
        groups: Groups of the group normalisations.

    Raises:
        ValueError: `groups` does not divide `width`, or a number is out of its range.
    """

    def __init__(
        self,
        size: int,
        modalities: int,
        width: int,
        blocks: int = 2,
        time_embedding: int = 512,
        groups: int = 32,
    ) -> None:
        super().__init__()
        at_least(1, time_embedding=time_embedding, groups=groups)
        between(0, 1000, blocks=blocks)
        divided(groups, width=width)
        w, T = width, time_embedding
        self.embed = nn.Sequential(nn.Linear(modalities, T), nn.GELU(), nn.Linear(T, T))
        self.inward = nn.Linear(size, w)
        self.down = nn.ModuleList(ResMLP(w, w, T, groups) for _ in range(blocks))
        self.down_linear = nn.ModuleList(nn.Linear(w, w) for _ in range(blocks))
        self.middle = nn.ModuleList(ResMLP(w, w, T, groups) for _ in range(2))
        self.up = nn.ModuleList(ResMLP(2 * w, w, T, groups) for _ in range(blocks))
        self.up_linear = nn.ModuleList(nn.Linear(w, w) for _ in range(blocks))
        self.last = ResMLP(2 * w, w, T, groups)
        self.outward = nn.Sequential(GroupNorm(groups, w), nn.SiLU(), nn.Linear(w, size))
        head = self.outward[-1]
        nn.init.zeros_(head.weight)  # type: ignore[arg-type]
        nn.init.zeros_(head.bias)  # type: ignore[arg-type]

    def forward(self, r: Tensor, tau: Tensor) -> Tensor:
        """Predicts noise.

        Args:
            r: (B, D) latents, diffused where τ > 0.
            tau: (B, M), or (1, M) for all, time of each modality, 0 for those conditioned on.

        Returns:
            (B, D); meaningless on the coordinates conditioned on.
        """
        time = self.embed(tau)
        x = entry = self.inward(r)
        skips = []
        for block, linear in zip(self.down, self.down_linear, strict=True):
            x = block(x, time)
            skips.append(x)
            x = linear(x)
        for block in self.middle:
            x = block(x, time)
        for block, linear in zip(self.up, self.up_linear, strict=True):
            x = linear(block(torch.cat([x, skips.pop()], 1), time))
        return self.outward(self.last(torch.cat([x, entry], 1), time))
