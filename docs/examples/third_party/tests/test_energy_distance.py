import torch
from energy_distance import energy_distance

from mmbench.core import Generated
from mmbench.testing.toy import toy


def score(x, rows):
    (found,) = energy_distance.compute(Generated((), {"image": x}, rows), toy(), None)
    return found.value


def test_real_examples_have_no_distance_and_others_have_one():
    rows = torch.arange(20)
    x = toy().test.batch(rows, ["image"])["image"]
    assert abs(score(x, rows)) < 1e-9
    assert score(1 - x, rows) > 1


def test_two_points_are_twice_their_distance_apart():
    rows = torch.arange(1)
    x = toy().test.batch(rows, ["image"])["image"]
    assert abs(score(x + 0.5, rows) - 2 * 0.5 * 28) < 1e-5
