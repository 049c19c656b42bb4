"""Samplers against exact answers: a Gaussian and a mixture in two modalities, with true scores.

Monte-Carlo tolerances are counted in standard errors. Seeds are fixed, so a test that passes
passes always.
"""

import copy
from itertools import pairwise

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from mmbench.models.diffusion.repaint import RePaint
from mmbench.models.diffusion.samplers import SAMPLERS, make_sampler
from mmbench.models.diffusion.sde import VPSDE
from mmbench.models.diffusion.solvers import Ancestral, Euler, Exponential
from mmbench.seeds import stream

SDE = VPSDE()
B = 4000
SIGMAS = 4.5
"""Standard errors that an estimate may be off: of 1,000 entries, less than 0.01 by chance."""
FIRST, SECOND = torch.tensor([True] * 2 + [False] * 3), torch.tensor([False] * 2 + [True] * 3)
JOINT = FIRST | SECOND
FREE = pytest.mark.parametrize("free", [JOINT, FIRST, SECOND], ids=["joint", "first", "second"])


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Matrices of five columns gain nothing from threads, and lose much on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Mixture:
    """Σ_k w_k N(m_k, C_k), with its conditionals and its score at every time of the diffusion."""

    def __init__(self, w, m, C):
        self.w, self.m, self.C = w, m, C  # (K,), (K, D), (K, D, D)

    def conditional(self, z, free):
        """The mixture of the free coordinates given the others of one example."""
        f, g = free, ~free
        gain = self.C[:, f][:, :, g] @ torch.linalg.inv(self.C[:, g][:, :, g])
        m = self.m[:, f] + (gain @ (z[g] - self.m[:, g])[:, :, None])[..., 0]
        C = self.C[:, f][:, :, f] - gain @ self.C[:, g][:, :, f]
        if not g.any():
            return Mixture(self.w, m, C)
        evidence = MultivariateNormal(self.m[:, g], self.C[:, g][:, :, g]).log_prob(z[g])
        return Mixture(torch.softmax(self.w.log() + evidence, 0), m, C)

    def diffused(self, t):
        noise = SDE.sigma(t) ** 2 * torch.eye(self.m.shape[1], dtype=self.m.dtype)
        return Mixture(self.w, SDE.alpha(t) * self.m, SDE.alpha(t) ** 2 * self.C + noise)

    def density(self):
        return MixtureSameFamily(Categorical(self.w), MultivariateNormal(self.m, self.C))

    def score(self, r, t):
        """∇ log of the diffused density, (B, D)."""
        mixture = self.diffused(t)
        precision = torch.linalg.inv(mixture.C)
        x = r - mixture.m[:, None].to(r.dtype)  # (K, B, D)
        pull = -x @ precision.to(r.dtype)
        if len(self.w) == 1:
            return pull[0]
        logits = mixture.w.log() + precision.logdet() / 2
        logits = logits[:, None].to(r.dtype) + (x * pull).sum(2) / 2
        return (torch.softmax(logits, 0)[..., None] * pull).sum(0)

    def score_of(self, free):
        """As samplers want it: only the free coordinates mean anything."""

        def score(r, t):
            out = torch.full_like(r, torch.nan)
            out[:, free] = self.score(r[:, free], t)
            return out

        return score


def gaussian():
    factor = torch.randn(1, 5, 5, generator=stream(0, "factor"), dtype=torch.float64) / 5**0.5
    C = 0.8 * factor @ factor.mT + 0.2 * torch.eye(5, dtype=torch.float64)
    return Mixture(
        torch.ones(1, dtype=torch.float64),
        torch.tensor([[1.0, -0.5, 0.3, -1.2, 0.0]], dtype=torch.float64),
        C,
    )


def mixture():
    """Three narrow modes, apart in both modalities, each with its own correlations."""
    factor = torch.randn(3, 5, 5, generator=stream(1, "factor"), dtype=torch.float64)
    C = 0.015 * factor @ factor.mT + 0.03 * torch.eye(5, dtype=torch.float64)
    m = torch.tensor(
        [[1.0, 0.3, 1.1, 0.0, -0.9], [-1.2, 0.4, -0.2, 1.3, 0.8], [0.3, -1.4, -0.9, -1.2, 0.3]],
        dtype=torch.float64,
    )
    return Mixture(torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), m, C)


GIVEN = torch.tensor([-0.252, 0.004, 0.333, 0.246, 0.313], dtype=torch.float64)
"""Where the mixture's modes keep weights of 0.2 to 0.5, whichever modality is given."""


def draw(sampler, law, free, n=B, given=GIVEN, seed=0):
    """The free coordinates of n samples, (n, free.sum()), in float64."""
    score = law.conditional(given, free).score_of(free)
    r = sampler.sample(score, SDE, given.float().repeat(n, 1), free, stream(seed, "samples"))
    return r[:, free].double()


def errors(x, mean, C, weights=None):
    """The largest errors of the (weighted) mean and covariance, in standard errors."""
    weights = torch.ones(len(x)).double() if weights is None else weights
    n, v = weights.sum(), C.diagonal()
    off_mean = (weights @ x / n - mean).abs() / (v / n).sqrt()
    off_C = (x.T.cov(aweights=weights) - C).abs() / ((v[:, None] * v + C**2) / n).sqrt()
    return max(off_mean.max().item(), off_C.max().item())


def moments(sampler, exact, begin=None):
    """Mean and covariance of all that a sampler would draw, where the exact law is a Gaussian.

    Its score is linear, so every move is, and the moments follow without drawing anything. A
    multi-step solver also moves by its last estimate ẑ, so the state is (r, ẑ). It begins with
    N(0, I), as samplers do, or with a law given, to tell a solver's error from that one's.
    """
    D = exact.m.shape[1]
    I, O = torch.eye(D).double(), torch.zeros(D, D).double()
    times, mean = sampler.times(SDE.T), torch.zeros(2 * D, 1).double()
    C, last = torch.block_diag(I, O), None
    if begin is not None:
        mean[:D], C = begin.m.mT, torch.block_diag(begin.C[0], O)
    for i, j in pairwise(sampler.schedule()):
        t, s = times[i], times[j]
        law = exact.diffused(t)
        P = torch.linalg.inv(law.C[0])
        tweedie = (I - SDE.sigma(t) ** 2 * P) / SDE.alpha(t)  # ẑ = tweedie r + shift
        shift = SDE.sigma(t) ** 2 / SDE.alpha(t) * P @ law.m.mT
        k = 0.0
        if s < t:
            (a, b, c), k = sampler.step(SDE, t, s), sampler.slope(SDE, last or t, t, s)
            k, last = (k or 0.0) if last else 0.0, t
        else:
            a, b, c = _upward(t, s)
        A = torch.cat(
            [torch.cat([a * I - b * P + k * tweedie, -k * I], 1), torch.cat([tweedie, O], 1)]
        )
        mean = A @ mean + torch.cat([b * P @ law.m.mT + k * shift, shift])
        C = A @ C @ A.mT + torch.block_diag(c**2 * I, O)
    return mean[:D, 0], C[:D, :D]


def _upward(t, s):
    alpha = SDE.alpha(s) / SDE.alpha(t)
    return alpha, 0.0, (SDE.sigma(s) ** 2 - (alpha * SDE.sigma(t)) ** 2) ** 0.5


FINE = pytest.mark.parametrize(
    "sampler",
    [
        Euler(200),
        Ancestral(300),
        RePaint(200, 2, 5),
        RePaint(1200, 2, 2, below=0.03, step="ancestral"),
        Exponential(150),
        Exponential(60, noise=False),
    ],
    ids=lambda s: f"{type(s).__name__}-{s.evaluations}",
)

KINDS = pytest.mark.parametrize(
    "make",
    [
        Euler,
        Ancestral,
        lambda n: Ancestral(n, "uniform"),
        lambda n: RePaint(n, 3, n // 10),
        lambda n: RePaint(n, 3, n // 10, below=0.5, step="ancestral"),
        Exponential,
        lambda n: Exponential(n, noise=False),
        lambda n: Exponential(n, 1, noise=False),
    ],
    ids=["euler", "ancestral", "uniform", "repaint", "exact-repaint", "sde-2m", "2m", "ddim"],
)

ALL = pytest.mark.parametrize(
    "sampler",
    [
        Euler(4),
        Euler(1),
        Ancestral(3),
        Ancestral(1),
        Ancestral(2, "uniform"),
        RePaint(7, 3, 2),
        RePaint(12, 4, 3, below=0.4, step="ancestral"),
        RePaint(5, 2, 4),
        RePaint(5, 2, 1, below=0.0),
        Exponential(4),
        Exponential(5, noise=False),
        Exponential(3, 1, noise=False, grid="uniform"),
        RePaint(9, 3, 1, below=0.2, step="ancestral", grid="quadratic"),
        RePaint(9, 3, 1, below=0.4, step="ancestral", variance=0.7),
        RePaint(8, 2, 3, noise=1.1),
    ],
    ids=lambda s: f"{type(s).__name__}-{s.evaluations}",
)


@pytest.mark.parametrize("law", [gaussian(), mixture()], ids=["gaussian", "mixture"])
def test_the_true_score_is_the_gradient_of_the_density(law):
    r = 1.5 * torch.randn(6, 5, generator=stream(0, "points"), dtype=torch.float64)
    for t in (0.01, 0.3, 1.0):
        r.requires_grad_()
        (gradient,) = torch.autograd.grad(law.diffused(t).density().log_prob(r).sum(), r)
        torch.testing.assert_close(law.score(r, t), gradient, rtol=1e-8, atol=1e-8)


@FREE
@FINE
def test_a_gaussian_comes_back(sampler, free):
    """Mean and covariance, joint and conditional, agree with the exact ones."""
    law = gaussian()
    exact = law.conditional(GIVEN, free)
    assert errors(draw(sampler, law, free), exact.m[0], exact.C[0]) < SIGMAS


@FREE
@FINE
def test_a_mixture_comes_back(sampler, free):
    """So do the weight, mean and covariance of every mode of a mixture."""
    law = mixture()
    exact = law.conditional(GIVEN, free)
    x = draw(sampler, law, free)
    logits = MultivariateNormal(exact.m, exact.C).log_prob(x[:, None]) + exact.w.log()
    modes = torch.softmax(logits, 1)  # of each sample; weighted by these, moments are unbiased
    for k, w in enumerate(exact.w):
        assert 0.15 < w < 0.55
        share = modes[:, k].mean()
        assert abs(share - w) < SIGMAS * (w * (1 - w) / B).sqrt(), (k, share, w)
        assert errors(x, exact.m[k], exact.C[k], modes[:, k]) < SIGMAS, k


@FREE
@ALL
def test_few_steps_err_as_they_should(sampler, free):
    """However coarse, the samples follow the law that the moves compose to."""
    law = gaussian()
    mean, C = moments(sampler, law.conditional(GIVEN, free))
    assert errors(draw(sampler, law, free), mean, C) < SIGMAS


@FREE
@KINDS
def test_more_steps_err_less(make, free):
    exact = gaussian().conditional(GIVEN, free)
    off = []
    for n in (10, 30, 90, 270):
        mean, C = moments(make(n), exact, exact.diffused(SDE.T))
        off.append(((mean - exact.m[0]).norm() + (C - exact.C[0]).norm()).item())
    assert all(few > 1.5 * many for few, many in pairwise(off)), off
    assert off[-1] < 0.2 * off[0]


@FREE
@ALL
def test_given_coordinates_stay_clean(sampler, free):
    """The score sees them as they are at every evaluation, and they come back bit for bit."""
    z = torch.randn(9, 5, generator=stream(0, "z"))
    inner = gaussian().conditional(GIVEN, free).score_of(free)  # NaN where coordinates are given

    def score(r, t):
        assert torch.equal(r[:, ~free], z[:, ~free])
        return inner(r, t)

    before = z.clone()
    r = sampler.sample(score, SDE, z, free, stream(0, "samples"))
    assert torch.equal(z, before)
    assert torch.equal(r[:, ~free], z[:, ~free])
    assert r[:, free].isfinite().all()
    poisoned = torch.where(free, torch.nan, z)  # what z holds at free coordinates is ignored
    assert torch.equal(sampler.sample(score, SDE, poisoned, free, stream(0, "samples")), r)


@ALL
def test_evaluations_are_counted(sampler):
    times = []

    def score(r, t):
        assert isinstance(t, float)
        times.append(t)
        return -r

    sampler.sample(score, SDE, torch.zeros(2, 5), JOINT, stream(0, "samples"))
    assert len(times) == sampler.evaluations
    assert times[0] == SDE.T and min(times) > 0


@ALL
def test_all_noise_is_the_generators(sampler):
    law, state = gaussian(), torch.get_rng_state()
    one, again, other = (draw(sampler, law, SECOND, n=4, seed=s) for s in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.isclose(one, other).any()
    assert torch.equal(state, torch.get_rng_state())


def test_noise_does_not_depend_on_what_is_given():
    """Under independent coordinates, a free one is the same whichever others are given."""
    score, z = lambda r, t: -r, torch.zeros(6, 5)
    both = Euler(5).sample(score, SDE, z, JOINT, stream(0, "samples"))
    one = Euler(5).sample(score, SDE, z, SECOND, stream(0, "samples"))
    assert torch.equal(both[:, SECOND], one[:, SECOND])


@FREE
def test_euler_is_algorithm_3(free):
    """Step by step as printed: t' = T - n Δt, no noise in the last step."""
    law, N, z = gaussian(), 20, GIVEN.repeat(8, 1)
    score = law.conditional(GIVEN, free).score_of(free)
    noise, m = stream(0, "samples"), free.double()
    ε = lambda: torch.randn(8, 5, generator=noise, dtype=torch.float64)
    R0 = m * ε() + (1 - m) * z
    R, dt = R0, SDE.T / N
    for n in range(N):
        t = SDE.T - n * dt
        ΔR = dt * (SDE.beta(t) / 2 * R + SDE.beta(t) * score(R, t).nan_to_num(0))
        R = R + ΔR + ((SDE.beta(t) * dt) ** 0.5 * ε() if n < N - 1 else 0)
        R = m * R + (1 - m) * R0
    r = Euler(N).sample(score, SDE, z, free, stream(0, "samples"))
    torch.testing.assert_close(r, R, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "sampler",
    [Ancestral(1), Ancestral(7), Ancestral(7, "uniform"), RePaint(7, 3, 2, step="ancestral")],
)
def test_the_exact_posterior_finds_a_point(sampler):
    """If the latents are one point, its estimate is right at once and no step adds an error."""
    point = GIVEN.repeat(4, 1)
    score = lambda r, t: (SDE.alpha(t) * point - r) / SDE.sigma(t) ** 2
    r = sampler.sample(score, SDE, 0 * point, JOINT, stream(0, "samples"))
    torch.testing.assert_close(r, point)


def test_the_states_on_the_way_follow_the_kernel():
    """Around one point, what the score is shown at t is N(α_t z, σ_t²), by 4.5 standard errors."""
    sde_T, seen = SDE.T, {}
    point = GIVEN.repeat(2000, 1)

    def score(r, t):
        seen.setdefault(t, []).append((r - SDE.alpha(t) * point) / SDE.sigma(t))
        return (SDE.alpha(t) * point - r) / SDE.sigma(t) ** 2

    RePaint(6, 3, 2, step="ancestral").sample(score, SDE, point, JOINT, stream(0, "samples"))
    assert len(seen) == 6
    for t, visits in seen.items():
        for noise in visits:
            start = SDE.alpha(sde_T) * point[0]  # N(0, I) at T stands for N(α_T z, σ_T²)
            off = (noise.mean(0).abs() - start.abs()).clamp_min(0)
            assert (off < SIGMAS / 2000**0.5).all(), t
            assert ((noise.var(0) - 1).abs() < SIGMAS * (2 / 2000) ** 0.5).all(), t


def test_the_exponential_integrator_of_order_1_is_ancestral_or_ddim():
    law = gaussian()
    for grid in ("uniform", "quadratic"):
        one, other = Ancestral(9, grid), Exponential(9, 1, grid=grid)
        assert torch.equal(draw(one, law, FIRST, n=4), draw(other, law, FIRST, n=4))
    t, s = 0.5, 0.3
    r, score = torch.tensor([1.7]), torch.tensor([-0.4])
    a, b, c = Exponential(2, 1, noise=False).step(SDE, t, s)
    noise = -SDE.sigma(t) * score
    latent = (r - SDE.sigma(t) * noise) / SDE.alpha(t)
    ddim = SDE.alpha(s) * latent + SDE.sigma(s) * noise  # Song, Meng and Ermon, equation 12
    torch.testing.assert_close(a * r + b * score, ddim)
    assert c == 0


def test_order_2_errs_less_than_order_1_and_the_faster():
    exact = gaussian().conditional(GIVEN, JOINT)
    for noise in (False, True):
        off = {}
        for order in (1, 2):
            for n in (40, 80):
                mean, C = moments(Exponential(n, order, noise), exact, exact.diffused(SDE.T))
                off[order, n] = ((mean - exact.m[0]).norm() + (C - exact.C[0]).norm()).item()
        assert off[2, 40] < off[1, 40] and off[2, 80] < off[1, 80]
        if not noise:
            assert off[1, 40] / off[1, 80] > 1.6 and off[2, 40] / off[2, 80] > 2.8, off


def test_more_noise_gives_back_the_spread_that_resampling_loses():
    """Where the law is narrow, at the cost of too much where it is wide; means stay."""
    law, kept, means = gaussian(), {}, []
    for noise in (1.0, 1.02, 1.04):
        sampler = RePaint(18, 6, 1, grid="quadratic", noise=noise)
        mean, C = moments(sampler, law)
        kept[noise] = torch.linalg.eigvalsh(C) / torch.linalg.eigvalsh(law.C[0])
        means.append(mean)
    assert torch.allclose(means[0], means[2])
    assert (kept[1.0] < kept[1.02]).all() and (kept[1.02] < kept[1.04]).all()
    assert (kept[1.0][:2] < 0.95).all() and (kept[1.04][:2] > 0.98).all()
    assert kept[1.04][-1] > kept[1.0][-1] > 1


def test_repaint_without_resampling_is_its_step():
    law = gaussian()
    for plain, repaint in (
        (Euler(9), RePaint(9, 1, 2)),
        (Euler(9), RePaint(9, 5, 2, below=0.0)),
        (Ancestral(9, "uniform"), RePaint(9, 1, 2, step="ancestral")),
    ):
        assert torch.equal(draw(plain, law, FIRST, n=4), draw(repaint, law, FIRST, n=4))


@pytest.mark.parametrize("name", SAMPLERS)
def test_grids_go_from_0_to_the_processs_end(name):
    times = SAMPLERS[name](20).times(3.0)
    assert times[0] == 0 and times[-1] == 3 and len(times) == 21
    assert all(a < b for a, b in pairwise(times))


def test_it_keeps_the_type_whatever_the_score_computes_in():
    for dtype in (torch.float32, torch.float64):
        score = lambda r, t: -r.bfloat16()
        assert (
            Ancestral(3)
            .sample(score, SDE, torch.zeros(2, 5, dtype=dtype), FIRST, stream(0, "samples"))
            .dtype
            == dtype
        )


def test_it_leaves_the_score_alone():
    """A score may hand out a tensor that it keeps, or even the one it was given."""
    kept = torch.ones(2, 5)
    for score in (lambda r, t: kept, lambda r, t: r):
        clone = lambda r, t, score=score: score(r, t).clone()
        one, two = (
            Euler(3).sample(s, SDE, torch.zeros(2, 5), FIRST, stream(0, "samples"))
            for s in (score, clone)
        )
        assert torch.equal(one, two)
    assert torch.equal(kept, torch.ones(2, 5))


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: Euler(0), "steps is 0, expected at least 1"),
        (lambda: Ancestral(-2), "steps is -2, expected at least 1"),
        (lambda: Ancestral(5, "quadratik"), "grid is 'quadratik'; did you mean 'quadratic'"),
        (lambda: RePaint(variance=0.5), "variance is 0.5 with the step 'euler'"),
        (lambda: RePaint(step="ancestral", variance=2), "variance is 2 with the step 'ancestral'"),
        (lambda: RePaint(noise=0.9), "noise is 0.9, expected a factor from 1 to below 2"),
        (lambda: RePaint(steps=0), "steps is 0"),
        (lambda: RePaint(resamplings=0), "resamplings is 0, expected at least 1"),
        (lambda: RePaint(10, 2, 10), "jump is 10, expected at least 1 and less than steps, 10"),
        (lambda: RePaint(10, 2, 0), "jump is 0"),
        (lambda: RePaint(below=1.2), "below is 1.2, expected from 0 to 1"),
        (lambda: RePaint(step="eular"), "step is 'eular'; did you mean 'euler'"),
        (lambda: make_sampler({"steps": 3}), "the sampler has no name; there is euler, ancestral"),
        (lambda: make_sampler({"name": "repant"}), "the name 'repant'; did you mean 'repaint'"),
        (
            lambda: make_sampler({"name": "euler", "step": 3}),
            "setting 'step'; did you mean 'steps'",
        ),
        (lambda: make_sampler({"name": "euler", "steps": 0}), "evaluation.sampler: steps is 0"),
        (
            lambda: make_sampler({"name": "repaint", "steps": 2.5}),
            "steps is 2.5, expected a whole",
        ),
    ],
)
def test_bad_settings_are_told(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_table_makes_a_sampler():
    settings = {"name": "repaint", "steps": 25, "jump": 1, "below": 0.2, "step": "ancestral"}
    before = copy.deepcopy(settings)
    assert make_sampler(settings).evaluations == 70
    assert settings == before


@pytest.mark.parametrize(
    "z, free, words",
    [
        (torch.zeros(4), JOINT, r"z is \(4,\) of torch.float32, expected \(B, D\)"),
        (torch.zeros(4, 5).half(), JOINT, "float16, expected .* float32 or float64"),
        (torch.zeros(4, 5), JOINT[:3], r"free is \(3,\) of torch.bool, expected \(5,\)"),
        (torch.zeros(4, 5), JOINT.float(), r"of torch.float32, expected \(5,\) of torch.bool"),
    ],
)
def test_bad_arguments_are_told(z, free, words):
    with pytest.raises(ValueError, match=words):
        Euler(2).sample(lambda r, t: -r, SDE, z, free, stream(0, "samples"))
