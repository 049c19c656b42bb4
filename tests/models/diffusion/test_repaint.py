"""RePaint: the order of its moves, and their variance."""

from itertools import pairwise

import pytest

from mmbench.models.diffusion.repaint import RePaint
from mmbench.models.diffusion.sde import VPSDE
from mmbench.models.diffusion.solvers import Ancestral, Euler

SDE = VPSDE()


def published_schedule(t_T, jump_length, jump_n_sample, start=10**9):
    """Lugmayr et al. 2022, appendix on the jump schedule: a walk with a counter at each position.

    `start` stands for the limit of `below`: positions from it on have no counter.
    """
    left = {}
    for j in range(0, t_T - jump_length, jump_length):
        if j < start:
            left[j] = jump_n_sample - 1
    t, ts = t_T, []
    while t >= 1:
        t -= 1
        ts.append(t)
        if left.get(t, 0) > 0:
            left[t] -= 1
            for _ in range(jump_length):
                t += 1
                ts.append(t)
    return [*ts, -1]


@pytest.mark.parametrize(
    "steps, resamplings, jump",
    [(250, 10, 10), (250, 1, 10), (50, 10, 2), (25, 10, 1), (7, 3, 6), (10, 4, 3), (2, 2, 1)],
)
def test_the_schedule_is_the_published_one(steps, resamplings, jump):
    """Ours starts at N and ends at 0, theirs at N - 1 and -1."""
    visited = RePaint(steps, resamplings, jump).schedule()
    assert [n - 1 for n in visited] == published_schedule(steps, jump, resamplings)
    for limit in (0.0, 0.2, 0.55):
        visited = RePaint(steps, resamplings, jump, limit).schedule()
        start = next((j for j in range(steps) if j / steps >= limit), steps)
        assert [n - 1 for n in visited] == published_schedule(steps, jump, resamplings, start)


@pytest.mark.parametrize(
    "sampler, down, up",
    [
        (RePaint(), 2410, 2160),
        (RePaint(25, 10, 1, 0.2), 70, 45),
        (RePaint(50, 10, 2, 0.2), 140, 90),
        (RePaint(50, 10, 2), 482, 432),
        (Euler(), 1000, 0),
        (Ancestral(), 50, 0),
    ],
)
def test_costs(sampler, down, up):
    assert sampler.evaluations == down
    assert sum(b > a for a, b in pairwise(sampler.schedule())) == up


def test_the_least_variance_is_right_for_a_point_and_the_largest_for_a_unit_gaussian():
    """What a move makes of the exact variance at t, beside the exact one at s."""
    t, s = 0.4, 0.3
    spread = {}
    for v in (0.0, 0.5, 1.0):
        a, b, c = RePaint(20, step="ancestral", variance=v).step(SDE, t, s)
        point = c**2 + (a - b / SDE.sigma(t) ** 2) ** 2 * SDE.sigma(t) ** 2
        spread[v] = point / SDE.sigma(s) ** 2, c**2 + (a - b) ** 2
    assert spread[0.0][0] == pytest.approx(1)
    assert spread[0.0][1] < spread[0.5][1] < spread[1.0][1] == pytest.approx(1)
