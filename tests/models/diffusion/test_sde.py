import math

import pytest
import torch
from torch.distributions import Normal

from mmbench.models.diffusion.sde import VPSDE
from mmbench.seeds import stream

PROCESSES = [VPSDE(), VPSDE(0.0, 8.0), VPSDE(2.0, 2.0, T=3.0)]
f64 = lambda *x: torch.tensor(x, dtype=torch.float64)


def noise(*shape):
    return torch.randn(*shape, generator=stream(0, "sde", shape), dtype=torch.float64)


@pytest.mark.parametrize("sde", PROCESSES)
def test_the_kernel_is_what_the_process_does(sde):
    """Mean and variance of equation 9's Euler scheme on a fine grid are those of equation 10."""
    n, mean, variance = 200_000, 1.0, 0.0
    dt = sde.T / n
    for i in range(n):
        B = dt * sde.beta((i + 0.5) * dt)
        mean, variance = (1 - B / 2) * mean, (1 - B / 2) ** 2 * variance + B
        if i + 1 in (n // 100, n // 4, n):
            t = (i + 1) * dt
            assert sde.alpha(t) == pytest.approx(mean, rel=1e-3)
            assert sde.sigma(t) ** 2 == pytest.approx(variance, rel=1e-3)


def test_equation_10_as_printed():
    lo, hi = 0.1, 20.0
    for t in (0.01, 0.3, 1.0):
        alpha = math.exp(-0.25 * t**2 * (hi - lo) - 0.5 * t * lo)
        variance = 1 - math.exp(-0.5 * t**2 * (hi - lo) - t * lo)
        assert VPSDE().alpha(t) == pytest.approx(alpha, rel=1e-12)
        assert VPSDE().sigma(t) ** 2 == pytest.approx(variance, rel=1e-12)


@pytest.mark.parametrize("sde", PROCESSES)
def test_it_preserves_variance_and_only_loses_signal(sde):
    t = torch.linspace(0, sde.T, 101, dtype=torch.float64)
    alpha, sigma = sde.alpha(t), sde.sigma(t)
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones_like(t))
    assert alpha[0] == 1 and sigma[0] == 0
    assert (alpha.diff() < 0).all() and (sigma.diff() > 0).all()


def test_it_ends_in_the_prior():
    """What starts N(m, λ) is N(0, 1) at T, to a hundredth."""
    sde = VPSDE()
    assert sde.alpha(sde.T) < 0.01
    m, scale = 2.0, f64(0.1, 1.0, 5.0)
    mean, variance = sde.alpha(1.0) * m, sde.alpha(1.0) ** 2 * scale + sde.sigma(1.0) ** 2
    assert mean < 0.02 and (variance - 1).abs().max() < 1e-3


def test_sigma_is_accurate_near_0():
    """Where 1 - exp(-B) would lose its digits."""
    for t in (1e-12, 1e-9, 1e-6):
        B = t * (0.1 + t * 19.9 / 2)
        exact = math.sqrt(B - B**2 / 2)
        assert VPSDE().sigma(t) == pytest.approx(exact, rel=1e-12)
        assert VPSDE().sigma(torch.tensor(t)).item() == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("sde", PROCESSES)
def test_transitions_compose(sde):
    """From 0 to s and from s to t is from 0 to t."""
    for s, t in ((0.0, 0.4), (0.1, 0.11), (0.3, 1.0), (0.5, 0.5)):
        s, t = s * sde.T, t * sde.T
        alpha, sigma = sde.transition(s, t)
        assert alpha * sde.alpha(s) == pytest.approx(sde.alpha(t), rel=1e-12)
        assert alpha**2 * sde.sigma(s) ** 2 + sigma**2 == pytest.approx(
            sde.sigma(t) ** 2, rel=1e-12
        )
    assert sde.transition(0.0, sde.T) == (sde.alpha(sde.T), sde.sigma(sde.T))


@pytest.mark.parametrize("sde", PROCESSES)
def test_the_posterior_is_bayes_rule(sde):
    """q(r_s | r_t, z) q(r_t | z) = q(r_t | r_s) q(r_s | z), at random points."""
    z, r_s, r_t = noise(3, 50)
    for s, t in ((0.001, 0.3), (0.29, 0.3), (0.3, 1.0)):
        s, t = s * sde.T, t * sde.T
        a, b, std = sde.posterior(s, t)
        alpha, sigma = sde.transition(s, t)
        kernel = lambda u: Normal(sde.alpha(u) * z, sde.sigma(u))
        left = Normal(a * r_t + b * z, std).log_prob(r_s) + kernel(t).log_prob(r_t)
        right = Normal(alpha * r_s, sigma).log_prob(r_t) + kernel(s).log_prob(r_s)
        torch.testing.assert_close(left, right, rtol=1e-8, atol=1e-8)


def test_the_posterior_at_0_is_z():
    for t in (1e-6, 0.02, 1.0):
        assert VPSDE().posterior(0.0, t) == (0, 1, 0)


def test_the_score_of_the_kernel_is_minus_noise_over_sigma():
    sde, z, ε = VPSDE(), noise(4, 3), noise(3, 4).T
    t = f64(1e-3, 0.1, 0.5, 1.0)
    r = sde.perturb(z, t, ε).requires_grad_()
    kernel = Normal(sde.alpha(t)[:, None] * z, sde.sigma(t)[:, None])
    (score,) = torch.autograd.grad(kernel.log_prob(r).sum(), r)
    torch.testing.assert_close(score, -ε / sde.sigma(t)[:, None])


def test_times_may_be_numbers_or_one_an_example():
    sde, z, ε = VPSDE(), noise(3, 2), noise(2, 3).T
    t = f64(0.0, 0.2, 0.9)
    rows = torch.stack([sde.perturb(z[i], t[i].item(), ε[i]) for i in range(3)])
    torch.testing.assert_close(sde.perturb(z, t, ε), rows)
    torch.testing.assert_close(sde.perturb(z, t[:, None], ε), rows)
    assert torch.equal(rows[0], z[0])
    for f in (sde.beta, sde.alpha, sde.sigma):
        assert isinstance(f(0.2), float)
        assert f(t).shape == (3,) and f(t[:, None]).shape == (3, 1)
        assert f(t)[1].item() == pytest.approx(f(0.2), rel=1e-12)
    s = t / 2
    for f in (sde.transition, sde.posterior):
        for many, one in zip(f(s, t), f(0.1, 0.2), strict=True):
            assert many[1].item() == pytest.approx(one, rel=1e-12)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((-0.1,), "beta_min is -0.1, expected at least 0"),
        ((math.nan,), "beta_min is nan"),
        ((1.0, 0.5), "beta_max is 0.5, expected above 0 and at least beta_min, 1.0"),
        ((0.0, 0.0), "beta_max is 0.0"),
        ((0.1, math.inf), "beta_max is inf"),
        ((0.1, 20.0, 0.0), "T is 0.0, expected above 0"),
    ],
)
def test_bad_values_are_told(arguments, words):
    with pytest.raises(ValueError, match=words):
        VPSDE(*arguments)


def test_the_transition_goes_forward():
    with pytest.raises(ValueError, match=r"from time 0\.5 back to 0\.2"):
        VPSDE().transition(0.5, 0.2)
    with pytest.raises(ValueError, match="expected s <= t"):
        VPSDE().posterior(f64(0.1, 0.5), f64(0.2, 0.2))
