"""The predictor-corrector sampler against the exact law of its moves under a Gaussian's score."""

import pytest
import torch

from mmbench.models.diffusion.predictor_corrector import PredictorCorrector
from mmbench.models.diffusion.samplers import make_sampler
from mmbench.models.diffusion.sde import VPSDE
from mmbench.models.diffusion.solvers import Ancestral, Euler
from mmbench.seeds import stream

SDE, B, SIGMAS = VPSDE(), 20_000, 4.5
MEAN = torch.tensor([1.0, -0.5, 0.3], dtype=torch.float64)
COVARIANCE = torch.tensor(
    [[1.2, 0.5, 0.1], [0.5, 0.8, -0.2], [0.1, -0.2, 0.4]], dtype=torch.float64
)
ALL = torch.ones(3, dtype=torch.bool)


def precision(t):
    noise = SDE.sigma(t) ** 2 * torch.eye(3, dtype=torch.float64)
    return torch.linalg.inv(SDE.alpha(t) ** 2 * COVARIANCE + noise)


def score(r, t):
    return (SDE.alpha(t) * MEAN.to(r.dtype) - r) @ precision(t).to(r.dtype)


def law(sampler):
    """Mean and covariance of what a sampler draws: its moves are linear."""
    mean, C = torch.zeros(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    for n in range(sampler.steps, 0, -1):
        t, s = n / sampler.steps, (n - 1) / sampler.steps
        δ, noise = sampler.correction(SDE, t)
        moves = [(1.0, δ, noise)] * sampler.corrections + [sampler.step(SDE, t, s)]
        for a, b, c in moves:
            P = precision(t)
            A = a * torch.eye(3, dtype=torch.float64) - b * P
            mean = A @ mean + b * SDE.alpha(t) * P @ MEAN
            C = A @ C @ A.T + c**2 * torch.eye(3, dtype=torch.float64)
    return mean, C


def off(x, mean, C):
    """The largest error of mean and covariance in standard errors."""
    n, v = len(x), C.diagonal()
    of_mean = (x.mean(0) - mean).abs() / (v / n).sqrt()
    of_C = (x.T.cov() - C).abs() / ((v[:, None] * v + C**2) / n).sqrt()
    return max(of_mean.max().item(), of_C.max().item())


@pytest.mark.parametrize(
    "sampler",
    [
        PredictorCorrector(6),
        PredictorCorrector(1),
        PredictorCorrector(5, 4, 0.3),
        PredictorCorrector(12, 0),
        PredictorCorrector(80, 2),
    ],
    ids=lambda s: f"{s.steps}-{s.corrections}",
)
def test_samples_follow_the_law_of_the_moves(sampler):
    z = torch.zeros(B, 3)
    x = sampler.sample(score, SDE, z, ALL, stream(0, "samples")).double()
    assert off(x, *law(sampler)) < SIGMAS


def test_more_steps_and_corrections_err_less():
    errors = {}
    for n, k in ((20, 0), (80, 0), (320, 0), (20, 3), (80, 3)):
        mean, C = law(PredictorCorrector(n, k))
        errors[n, k] = ((mean - MEAN).norm() + (C - COVARIANCE).norm()).item()
    assert errors[20, 0] > 2 * errors[80, 0] > 4 * errors[320, 0]
    assert errors[80, 3] < 0.8 * errors[80, 0]
    assert errors[20, 3] < errors[20, 0]


def test_without_corrections_it_is_euler_bit_for_bit():
    z = torch.randn(7, 3, generator=stream(0, "z"))
    free = torch.tensor([True, False, True])
    a, b = (
        s.sample(score, SDE, z, free, stream(0, "samples"))
        for s in (PredictorCorrector(9, corrections=0), Euler(9))
    )
    assert torch.equal(a, b)


def test_the_signal_to_noise_ratio_is_that_of_a_correction():
    """δ‖s‖ / (√(2δ)‖ε‖) for the kernel's score, ‖s‖ = √D / σ_t, and ‖ε‖ = √D (Song et al.)."""
    for t in (0.01, 0.4, 1.0):
        δ, c = PredictorCorrector(snr=0.16).correction(SDE, t)
        assert δ / SDE.sigma(t) / c == pytest.approx(0.16)


def test_given_coordinates_stay_clean_and_evaluations_are_counted():
    sampler, seen = PredictorCorrector(6, 2), []
    z = torch.randn(5, 3, generator=stream(0, "z"))
    free = torch.tensor([False, True, True])

    def watched(r, t):
        assert torch.equal(r[:, 0], z[:, 0])
        seen.append(t)
        out = score(r, t)
        out[:, 0] = torch.nan
        return out

    r = sampler.sample(watched, SDE, z, free, stream(0, "samples"))
    assert torch.equal(r[:, 0], z[:, 0])
    assert r.isfinite().all()
    assert len(seen) == sampler.evaluations == 18
    assert seen == sorted(seen, reverse=True)


def test_an_example_does_not_see_the_rest_of_its_batch():
    z = torch.randn(4, 3, generator=stream(0, "z"))
    other = torch.cat([z[:1], 5 * z[1:]])
    free = torch.tensor([False, True, True])
    a, b = (
        PredictorCorrector(6).sample(
            lambda r, t: score(r * r[:, :1], t), SDE, x, free, stream(0, "samples")
        )
        for x in (z, other)
    )
    torch.testing.assert_close(a[0], b[0])
    assert not torch.allclose(a[1:], b[1:])


def test_it_corrects_below_a_time_alone():
    sampler, seen = PredictorCorrector(10, 2, below=0.3, step="ancestral"), []

    def watched(r, t):
        seen.append(t)
        return score(r, t)

    sampler.sample(watched, SDE, torch.zeros(2, 3), ALL, stream(0, "samples"))
    assert len(seen) == sampler.evaluations == 16
    assert sorted(t for t in set(seen) if seen.count(t) == 3) == sampler.times(1.0)[1:4]
    a, b = (
        s.sample(score, SDE, torch.zeros(2, 3), ALL, stream(0, "samples"))
        for s in (
            PredictorCorrector(9, below=0.0, step="ancestral", grid="quadratic"),
            Ancestral(9),
        )
    )
    assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"steps": 0}, "steps is 0, expected at least 1"),
        ({"steps": 2**53}, "steps is 9007199254740992, expected at .* at most 100,000"),
        ({"corrections": -1}, "corrections is -1, expected at least 0"),
        ({"corrections": 2**53}, "corrections is 9007199254740992, expected at .* at most 1,000"),
        ({"snr": 0.0}, "snr is 0.0, expected more than 0"),
        ({"snr": 1e308}, r"snr is 1e\+308, expected more than 0 and at most 1000"),
        ({"srn": 0.1}, "no setting 'srn'; did you mean 'snr'"),
        ({"below": 1.5}, "below is 1.5, expected from 0 to 1"),
        ({"step": "eule"}, "step is 'eule'; did you mean 'euler'"),
    ],
)
def test_bad_settings_are_told(settings, words):
    with pytest.raises(ValueError, match=words):
        make_sampler({"name": "predictor-corrector", **settings})
