import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from mmbench.leaderboard.claims.significance import MOST, Order, Pair, decide, sample
from mmbench.leaderboard.rows import known

VALUES = st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=2, max_size=6)


def pair(a, b):
    return Pair(sample(a), sample(b), ("a", "b"))


@pytest.mark.filterwarnings("ignore:Precision loss")  # of theirs
@given(VALUES, VALUES)
def test_the_interval_is_that_of_welchs_test(a, b):
    assume(len(set(a)) > 1 or len(set(b)) > 1)
    theirs = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert pair(a, b).interval() == pytest.approx(tuple(map(float, theirs)), rel=1e-6, abs=1e-6)


@pytest.mark.filterwarnings("ignore:Precision loss")
@given(VALUES, st.floats(-100, 100))
def test_against_a_number_it_is_students(a, level):
    assume(len(set(a)) > 1)
    low, high = stats.ttest_1samp(a, level).confidence_interval(0.95)
    found = Pair(sample(a), known(level)).interval()
    assert found == pytest.approx((low - level, high - level), rel=1e-6, abs=1e-6)


def test_closed_forms():
    # Equal deviations s and n seeds each: s sqrt(2 / n) t(2n - 2).
    half = 2 * math.sqrt(2 / 3) * stats.t.ppf(0.975, 4)
    assert pair([9, 11, 13], [3, 5, 7]).interval() == pytest.approx((6 - half, 6 + half))
    assert pair([5, 5], [3, 3]).interval() == (2, 2)
    assert pair([5], [3, 4]).interval() is None


@pytest.mark.parametrize(
    ("a", "b", "state"),
    [
        ([10, 11, 12], [1, 2, 3], "holds"),
        ([1, 2, 3], [10, 11, 12], "fails"),
        ([1, 5, 9], [2, 3, 4], "undecided"),
        ([90], [1, 2, 3], "undecided"),
        ([5, 5], [3, 3], "holds"),
        ([3, 3], [3, 3], "fails"),
    ],
)
def test_states(a, b, state):
    assert decide([Order((pair(a, b),))])[0] == state


@given(VALUES, VALUES, st.integers(2, 4))
def test_more_seeds_of_the_same_difference_keep_what_is_decided(a, b, times):
    before, _ = decide([Order((pair(a, b),))])
    after, _ = decide([Order((pair(a * times, b * times),))])
    assert before == "undecided" or after == before


@given(VALUES, VALUES)
def test_the_number_of_further_seeds_is_the_least(a, b):
    one = pair(a, b)
    state, further = decide([Order((one,))])
    if state != "undecided" or further is None:
        assert further is None
        return

    def with_more(n):
        sides = [replace(s, seeds=s.seeds + n) for s in (one.larger, one.smaller)]
        return decide([Order((Pair(*sides),))])

    assert 0 < further <= MOST
    assert with_more(further)[0] != "undecided"
    assert with_more(further - 1) == ("undecided", 1)


def test_what_more_seeds_cannot_decide():
    assert decide([Order((pair([1, 2, 3], [1, 2, 3]),))]) == ("undecided", None)
    assert decide([Order((pair([9], [1]),))]) == ("undecided", None)


def test_the_weakest_pair_decides():
    strong, open_, lost = (pair(x, [4, 5, 6]) for x in ([90, 91, 92], [4, 6, 8], [1, 2, 3]))
    assert decide([Order((strong, strong))]) == ("holds", None)
    assert decide([Order((strong, open_))]) == decide([Order((open_,))])
    assert decide([Order((strong, open_, lost))])[0] == "fails"
    assert Order((strong, open_, lost)).weakest is lost
    assert decide([Order((strong,)), Order((open_,))])[0] == "undecided"
    assert decide([Order((open_,)), Order((lost,))])[0] == "fails"


def test_of_single_seeds_the_least_difference_is_shown():
    near, far = pair([5], [4]), pair([9], [4])
    assert Order((far, near)).weakest is Order((near, far)).weakest is near


def test_all_but_one():
    strong, open_, lost = (pair(x, [4, 5, 6]) for x in ([90, 91, 92], [4, 6, 8], [1, 2, 3]))
    assert decide([Order((strong, lost), but=1)])[0] == "holds"
    assert decide([Order((strong, open_), but=1)])[0] == "holds"
    assert decide([Order((open_, lost), but=1)])[0] == "undecided"
    assert decide([Order((lost, lost), but=1)])[0] == "fails"
    assert Order((strong, open_, lost), but=1).weakest is open_
    assert Order((strong, open_), but=1).weakest is strong
    assert Order((strong,), but=1).weakest is strong


def test_the_error_is_what_it_says():
    """Of differences that are zero, 2.5 % are called an order, and 2.5 % its opposite."""
    draws = np.random.default_rng(0).normal(0, [[[1]], [[3]]], (2, 2000, 3))
    states = [int(pair(list(a), list(b)).states([0])[0]) for a, b in zip(*draws, strict=True)]
    for state in (1, -1):
        assert 0.005 < states.count(state) / 2000 < 0.035
