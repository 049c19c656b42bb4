import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Laplace as TorchLaplace
from torch.distributions import Normal, kl_divergence

from mmbench.baselines.posteriors import (
    Gaussian,
    Laplace,
    choose,
    draw_from_mixture,
    mixture_log_prob,
    pick,
    product,
    stack,
)
from mmbench.seeds import stream

ALL = torch.ones(1, 3)
WITH, WITHOUT = torch.ones(1, 1), torch.zeros(1, 1)


def experts(seed=0, M=3, B=4, D=5, spread=1.0):
    g = stream(seed, "experts")
    return Gaussian(
        torch.randn(M, B, D, generator=g, dtype=torch.float64),
        spread * torch.randn(M, B, D, generator=g, dtype=torch.float64),
    )


def normal(q):
    return Normal(q.mean, (q.log_variance / 2).exp())


def close(a, b):
    torch.testing.assert_close(a.mean, b.mean)
    torch.testing.assert_close(a.log_variance, b.log_variance)


seeds = st.integers(0, 2**31)


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(0.1, 8))
def test_a_product_of_gaussians_is_the_normalised_product_of_densities(seed, spread):
    q = experts(seed, spread=spread)
    for prior in (WITH, WITHOUT):
        found = product(q, ALL.double(), prior.double())
        found = Gaussian(found.mean[0], found.log_variance[0])
        # log Π q_m(z) - log q(z) is the same for all z: the normaliser
        z = found.mean + torch.randn(20, 4, 5, dtype=torch.float64) * found.log_variance.exp()
        logs = sum(
            normal(Gaussian(m, v)).log_prob(z) for m, v in zip(q.mean, q.log_variance, strict=True)
        )
        if prior is WITH:
            logs = logs + Normal(0, 1).log_prob(z)
        difference = logs - normal(found).log_prob(z)
        torch.testing.assert_close(
            difference, difference[:1].expand_as(difference), atol=1e-6, rtol=1e-6
        )


@settings(max_examples=20, deadline=None)
@given(seeds, st.permutations(range(3)))
def test_the_order_of_experts_does_not_matter(seed, order):
    q = experts(seed)
    members = torch.tensor([[1.0, 0, 1], [1, 1, 1]]).double()
    prior = torch.tensor([[0.0], [1.0]]).double()
    shuffled = Gaussian(q.mean[order], q.log_variance[order])
    close(product(q, members, prior), product(shuffled, members[:, order], prior))


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(0, 2))
def test_a_missing_modality_is_an_infinite_variance(seed, m):
    q = experts(seed)
    infinite = q.log_variance.clone()
    infinite[m] = math.inf
    members = ALL.double().clone()
    members[0, m] = 0
    for prior in (WITH.double(), WITHOUT.double()):
        close(product(Gaussian(q.mean, infinite), ALL.double(), prior), product(q, members, prior))


def test_the_prior_is_an_expert():
    q = experts()
    both = Gaussian(
        torch.cat([q.mean, torch.zeros_like(q.mean[:1])]),
        torch.cat([q.log_variance, torch.zeros_like(q.mean[:1])]),
    )
    close(
        product(q, ALL.double(), WITH.double()),
        product(both, torch.ones(1, 4).double(), WITHOUT.double()),
    )
    nothing = product(q, torch.zeros(1, 3).double(), WITH.double())
    assert nothing.mean.eq(0).all() and nothing.log_variance.abs().max() < 1e-15


def test_extreme_variances_neither_overflow_nor_vanish():
    log_variance = torch.tensor([-70.0, 5.0, 60.0])[:, None, None].expand(3, 2, 1).clone()
    log_variance.requires_grad_()
    q = Gaussian(torch.tensor([3.0, -1.0, 7.0])[:, None, None].expand(3, 2, 1), log_variance)
    found = product(q, torch.tensor([[1.0, 1, 1], [0, 1, 0]]), torch.zeros(2, 1))
    torch.testing.assert_close(found.mean[0], torch.full((2, 1), 3.0))
    torch.testing.assert_close(found.log_variance[0], torch.full((2, 1), -70.0))
    torch.testing.assert_close(found.mean[1], torch.full((2, 1), -1.0))
    found.log_variance.sum().backward()
    assert log_variance.grad.isfinite().all()


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_divergences_and_densities_agree_with_torch(seed):
    p, q = experts(seed), experts(seed + 1)
    torch.testing.assert_close(p.divergence(q), kl_divergence(normal(p), normal(q)).sum(-1))
    standard = Normal(torch.zeros_like(p.mean), torch.ones_like(p.mean))
    torch.testing.assert_close(p.divergence(), kl_divergence(normal(p), standard).sum(-1))
    z = torch.randn(3, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(p.log_prob(z), normal(p).log_prob(z).sum(-1))
    laplace = Laplace.of(torch.cat([p.mean, p.log_variance], -1))
    torch.testing.assert_close(
        laplace.scale.mean(-1), torch.ones(3, 4, dtype=torch.float64), atol=1e-5, rtol=0
    )
    peer = TorchLaplace(p.mean, laplace.scale)
    torch.testing.assert_close(laplace.log_prob(z), peer.log_prob(z).sum(-1))


@pytest.mark.parametrize("kind", [Gaussian, Laplace])
def test_samples_have_the_moments(kind):
    one = kind(torch.tensor([1.0, -2.0]), torch.tensor([0.5, 1.5]))
    z = one.sample(stream(0, "z"), (200_000,))
    deviation = (one.log_variance / 2).exp() if kind is Gaussian else one.scale * math.sqrt(2)
    torch.testing.assert_close(z.mean(0), one.mean, atol=0.03, rtol=0)
    torch.testing.assert_close(z.std(0), deviation, atol=0.03, rtol=0)
    mean = one.mean.clone().requires_grad_()
    kind(mean, list(vars(one).values())[1]).sample(stream(0, "z")).sum().backward()
    assert mean.grad.tolist() == [1, 1]


def test_choices_follow_the_weights():
    weights = torch.tensor([1.0, 0, 3, 1])[:, None].expand(4, 50_000)
    for stratified in (False, True):
        drawn = choose(weights, stream(0, "c"), stratified).bincount(minlength=4) / 50_000
        torch.testing.assert_close(drawn, torch.tensor([0.2, 0, 0.6, 0.2]), atol=0.01, rtol=0)
    even = choose(torch.ones(5, 20), stream(0, "c"), stratified=True)
    assert even.bincount().tolist() == [4, 4, 4, 4, 4]
    assert even.tolist() != sorted(even.tolist())  # not by place in the batch


def test_an_examples_choice_is_its_own():
    weights = torch.rand(4, 9)
    other = weights.clone()
    other[:, 1:] = torch.rand(4, 8)
    assert choose(weights, stream(0, "c"))[0] == choose(other, stream(0, "c"))[0]


def test_pick_takes_one_expert_an_example():
    q = experts()
    chosen = pick(q, torch.tensor([2, 0, 1, 2]))
    assert torch.equal(chosen.mean[0], q.mean[2, 0])
    assert torch.equal(chosen.log_variance[2], q.log_variance[1, 2])


@pytest.mark.parametrize("kind", [Gaussian, Laplace])
def test_a_mixture_is_the_mean_density_of_who_is_there(kind):
    q = experts()
    q = stack([kind(m, v.exp()) for m, v in zip(q.mean, q.log_variance, strict=True)])
    z = torch.randn(2, 4, 5, dtype=torch.float64)
    present = torch.tensor([[1.0, 1, 0, 1], [1, 0, 1, 1], [1, 0, 1, 0]]).double()
    logs = torch.stack([kind(*(x[m] for x in vars(q).values())).log_prob(z) for m in range(3)])
    expected = (present[:, None] * logs.exp()).sum(0) / present.sum(0)
    torch.testing.assert_close(mixture_log_prob(q, z, present), expected.log())


@pytest.mark.parametrize("kind", [Gaussian, Laplace])
def test_what_autocast_halves_is_full_again(kind):
    """Ratios of variances lose all meaning at eight bits."""
    half = torch.randn(5, 8, dtype=torch.bfloat16)
    q = kind.of(half)
    assert q.mean.dtype == torch.float32 and torch.equal(q.mean, half[:, :4].float())
    assert torch.equal(q.log_prob(q.mean), kind.of(half.float()).log_prob(q.mean))
    assert kind.of(half.double()).mean.dtype == torch.float64


def test_products_are_computed_in_full_under_autocast():
    q = Gaussian(*(x.float() for x in vars(experts(spread=3.0)).values()))
    alone = product(q, torch.eye(3), torch.zeros(3, 1))
    with torch.autocast("cpu", torch.bfloat16):
        half = product(q, torch.eye(3), torch.zeros(3, 1))
    assert torch.equal(alone.mean, half.mean)
    assert torch.equal(alone.log_variance, half.log_variance)
    torch.testing.assert_close(alone.mean, q.mean)  # a product of one expert is that expert


def test_the_last_stratum_draws_no_expert_that_is_missing(monkeypatch):
    """Its largest draw rounds to 1 in float32, which lies beyond every expert."""
    top = 1 - 2**-24
    monkeypatch.setattr(torch, "rand", lambda B, **_: torch.full((B,), top))
    for B in (128, 100, 16):
        weights = torch.tensor([1.0, 1.0, 0.0])[:, None].expand(3, B)
        for i in range(20):
            drawn = choose(weights, stream(i, "strata"), stratified=True)
            assert drawn.unique().tolist() == [0, 1]


@pytest.mark.parametrize(("K", "M"), [(100, 3), (4, 3), (2, 3), (1, 2), (6, 3)])
def test_importance_weights_of_a_mixture_are_unbiased(K, M):
    """Also where the experts do not divide the samples: E[1/K Σ p(z)/q(z)] = ∫ p = 1."""
    B, one = 20_000, torch.ones(1, 1, 1, dtype=torch.float64)
    means = torch.tensor([-1.0, 0.5, 2.0], dtype=torch.float64)[:M, None, None].expand(M, B, 1)
    q = Gaussian(means, (1.5**2 * one).log().expand(M, B, 1))
    z, log_q = draw_from_mixture(q, K, stream(0, "mixture", K, M))
    assert z.shape == (K, B, 1) and log_q.shape == (K, B)
    estimates = (Normal(0, 1).log_prob(z[..., 0]) - log_q).exp().mean(0)
    assert abs(estimates.mean() - 1) < 4 * estimates.std() / math.sqrt(B)
