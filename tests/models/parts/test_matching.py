from dataclasses import replace

import pytest
import torch

from mmbench.models.diffusion.sde import VPSDE
from mmbench.models.parts.matching import Guidance, Matching
from mmbench.seeds import stream
from mmbench.training.trainer import Optimisation

SDE = VPSDE()
HOW = Optimisation(epochs=1, batch_size=8, learning_rate=1e-3)


def matching(modalities=3, latent=2, width=16, seed=0):
    torch.manual_seed(seed)
    return Matching(modalities, latent, width)


def test_it_learns_the_log_ratio():
    """Of two Gaussian latents: slope and correlation of the logit with log p(a, b) / p(a) p(b)."""
    ρ, model, steps = 0.9, matching(2, 1, 32), 200
    optimiser = torch.optim.Adam(model.parameters(), fused=True)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 0.01 * (1 - step / steps)
        noise = stream(0, "step", step)
        a, e = torch.randn(2, 256, 1, generator=noise)
        z = torch.cat([a, ρ * a + (1 - ρ**2) ** 0.5 * e], 1)
        optimiser.zero_grad()
        model.loss(z, SDE, noise).backward()
        optimiser.step()
    a, b = torch.randn(2, 2000, 1, generator=stream(0, "test"))
    for t in (0.05, 0.2):
        r = ρ * SDE.alpha(t) ** 2  # the correlation at t; variances stay 1
        ratio = (2 * r * a * b - r**2 * (a**2 + b**2)) / (2 * (1 - r**2))
        times, pair = torch.full((2000,), t), torch.zeros(2000, dtype=torch.long)
        both = torch.stack([model(a, b, times, pair).detach(), ratio[:, 0]])
        near = ratio[:, 0] > -4  # beyond, both kinds of examples are too rare to learn from
        slope = both[:, near].cov()[0, 1] / both[1, near].var()
        assert both[:, near].corrcoef()[0, 1] > 0.95
        assert 0.75 < slope < 1.3


def test_an_undecided_classifier_costs_the_entropy_of_a_coin_twice():
    model = matching()
    torch.nn.init.zeros_(model.outward.weight)
    torch.nn.init.zeros_(model.outward.bias)
    loss = model.loss(torch.randn(50, 6), SDE, stream(0, "noise"))
    assert loss.item() == pytest.approx(2 * torch.tensor(2.0).log().item())


def test_mismatching_latents_are_those_of_other_examples(monkeypatch):
    """Never of the same; of the pair's two modalities; all pairs equally often."""
    model, seen = matching(3, 1), []
    z = torch.arange(3000.0)[:, None] + torch.tensor([0.0, 1e4, 2e4])  # tells row and modality
    monkeypatch.setattr(VPSDE, "perturb", lambda self, z, t, noise: z)
    monkeypatch.setattr(
        model, "forward", lambda a, b, t, pair: seen.append((a, b, pair)) or a.sum(1)
    )
    model.loss(z, SDE, stream(0, "noise"))
    for (a, b, pair), same in zip(seen, (True, False), strict=True):
        first, second = torch.tensor(model.pairs)[pair].T
        assert torch.equal((a[:, 0] // 1e4).long(), first)
        assert torch.equal((b[:, 0] // 1e4).long(), second)
        assert (a[:, 0] % 1e4 == b[:, 0] % 1e4).all() if same else (a % 1e4 != b % 1e4).all()
        share = torch.bincount(pair, minlength=3) / 3000
        assert (share - 1 / 3).abs().max() < 4.5 * (2 / 9 / 3000) ** 0.5


@pytest.mark.parametrize("given", [[0], [2], [0, 1]])
def test_the_gradient_is_that_of_all_mixed_pairs(given):
    model = matching().double()
    r = torch.randn(4, 6, generator=stream(0, "r"), dtype=torch.float64)
    found = model.gradient(r, 0.3, given)

    def total(r):
        z, times = r.view(-1, 3, 2), torch.full((len(r),), 0.3, dtype=torch.float64)
        return sum(
            model(z[:, i], z[:, j], times, torch.full((len(r),), k))
            for k, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)])
            if (i in given) != (j in given)
        ).sum()

    for j in range(6):
        step = torch.zeros_like(r)
        step[:, j] = 1e-5
        slopes = [
            (total((r + step)[i : i + 1]) - total((r - step)[i : i + 1])) / 2e-5 for i in range(4)
        ]
        torch.testing.assert_close(found[:, j], torch.stack(slopes), rtol=1e-5, atol=1e-8)
    alone = model.gradient(r[1:2], 0.3, given)
    torch.testing.assert_close(alone, found[1:2])


def test_the_gradient_works_where_none_is_recorded():
    with torch.no_grad():
        found = matching().gradient(torch.randn(2, 6), 0.5, [1])
    assert not found.requires_grad and found.abs().sum() > 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Guidance(-1.0, HOW), "scale is -1.0, expected at least 0"),
        (
            lambda: Guidance(1.0, replace(HOW, batch_size=1)),
            "training.batch_size is 1, expected at least 2",
        ),
        (lambda: Matching(2, 4, 12), "width is 12, expected a positive multiple of groups, 8"),
        (lambda: Matching(1, 4, 8), "expected at least 2"),
    ],
)
def test_bad_settings_are_told(make, words):
    with pytest.raises(ValueError, match=words):
        make()
