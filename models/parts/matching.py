"""A classifier of matching latents, and the guidance by its gradient.

It distinguishes the latents of two modalities of one example from latents of two examples, all
noised to a time t. Trained by binary cross-entropy on as many of both kinds, its best logit is

    h(a_t, b_t, t) = log p_t(a, b) / (p_t(a) p_t(b)),

so its gradient turns the score of independent latents into that of the pair, and added to the
score of the pair it draws what agrees with the given modality more strongly. This is the coherence
guidance of Wesego and Rooshenas, "Score-based multimodal autoencoder", 2024,
https://arxiv.org/abs/2305.15708 (there the energy -h). Two things differ from their code: it also
counts pure noise as mismatching, which moves the best logit from the ratio above; and it averages
the gradient over a batch, so that the meaning of its scale depends on the batch size. Its network
is a plain one with softplus; this one, the score network's residual blocks, learns in fewer steps.
"""

from dataclasses import dataclass
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbench.core.likelihood import full_precision
from mmbench.models.diffusion.score import ResMLP
from mmbench.models.diffusion.sde import VPSDE
from mmbench.protocols.arguments import at_least, divided
from mmbench.training.trainer import Optimisation

GROUPS = 8  # of the normalisations


@dataclass(frozen=True)
class Guidance:
    """How generation is guided.

    Attributes:
        scale: Factor of the gradient of the logit, in the unit of the score; 0 does not guide.
        training: How the classifier is trained.
        width: Width of its hidden layers, a multiple of 8.
    """

    scale: float
    training: Optimisation
    width: int = 512

    def __post_init__(self) -> None:
        at_least(0, scale=self.scale)
        # a mismatching pair is of two examples of a batch
        at_least(2, **{"training.batch_size": self.training.batch_size})


class Matching(nn.Module):
    """The logit that two noised latents are of one example, for every pair of modalities.

    Args:
        modalities: M, at least 2.
        latent: D, the size of each latent.
        width: Width of the hidden layers, a multiple of 8.
        blocks: Their number, two layers each.
        time_embedding: Size of the embedding of time and pair.
    """

    def __init__(
        self, modalities: int, latent: int, width: int, blocks: int = 3, time_embedding: int = 64
    ) -> None:
        super().__init__()
        if modalities < 2:
            there = f"the number of modalities is {modalities}"
            raise ValueError(f"{there}, expected at least 2 to match latents")
        divided(GROUPS, width=width)
        self.modalities, self.latent = modalities, latent
        self.pairs = list(combinations(range(modalities), 2))
        E = time_embedding
        self.time = nn.Sequential(nn.Linear(1, E), nn.GELU(), nn.Linear(E, E))
        self.pair = nn.Embedding(len(self.pairs), E)
        self.inward = nn.Linear(2 * latent, width)
        self.blocks = nn.ModuleList(ResMLP(width, width, E, GROUPS) for _ in range(blocks))
        self.outward = nn.Linear(width, 1)

    def forward(self, a: Tensor, b: Tensor, t: Tensor, pair: Tensor) -> Tensor:
        """The logit h (B,) of noised latents a and b (B, D) at times t (B,).

        They belong to the first and the second modality of the pairs (B,), which are numbered as
        in `pairs`.
        """
        when = self.time(t[:, None]) + self.pair(pair)
        x = self.inward(torch.cat([a, b], 1))
        for block in self.blocks:
            x = block(x, when)
        logit: Tensor = self.outward(F.silu(x))[:, 0]
        return full_precision(logit)

    def loss(self, z: Tensor, sde: VPSDE, noise: torch.Generator) -> Tensor:
        """Binary cross-entropy of matching and mismatching pairs, one pair an example.

        The mismatching latents belong to another example of the batch z (B, M D), B at least 2.
        """
        device = z.device
        B, rows = len(z), torch.arange(len(z), device=device)
        z = z.view(B, self.modalities, self.latent)
        pair = torch.randint(len(self.pairs), (B,), generator=noise, device=device)
        first, second = torch.tensor(self.pairs, device=device)[pair].T
        shift = torch.randint(1, max(B, 2), (), generator=noise, device=device)
        b = z[rows, second]
        total = torch.zeros((), device=device)
        for a, sign in ((z[rows, first], -1), (z[(rows + shift) % B, first], 1)):
            t = torch.rand(B, 1, generator=noise, device=device)
            both = torch.cat([a, b], 1)
            ε = torch.randn(both.shape, generator=noise, device=device)
            noised = sde.perturb(both, t, ε).chunk(2, 1)
            total = total + F.softplus(sign * self(*noised, t[:, 0], pair)).mean()
        return total

    def gradient(self, r: Tensor, t: float, given: list[int]) -> Tensor:
        """The gradient (B, M D) of Σ h over all pairs of a given and a free modality.

        It is with respect to the latents r (B, M D), all noised to time t; that of an example does
        not depend on the others. `given` holds numbers of modalities.
        """
        with torch.enable_grad():
            r = r.detach().requires_grad_()
            z = r.view(len(r), self.modalities, self.latent)
            times = r.new_full((len(r),), t)
            total = torch.zeros((), device=r.device)
            for number, (i, j) in enumerate(self.pairs):
                if (i in given) != (j in given):
                    pair = torch.full((len(r),), number, device=r.device)
                    total = total + self(z[:, i], z[:, j], times, pair).sum()
            (found,) = torch.autograd.grad(total, r)
        return found
