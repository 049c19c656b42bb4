from dataclasses import replace
from itertools import combinations

import pytest

from mmbench.leaderboard.claims.contenders import Contender
from mmbench.leaderboard.claims.printed import origin, printed
from mmbench.leaderboard.claims.quantities import CONDITIONAL, Quantity

COHERENCE = {((), "joint"): 10.0}
FMD = {((), target): 8.0 for target in "abc"}
for k, coherence, distance in ((1, 30.0, 8.0), (2, 60.0, 4.0)):
    for given in combinations("abc", k):
        for target in "abc":
            known = target in given  # its own reconstruction, which is never compared
            COHERENCE[given, target] = 99.0 if known else coherence
            FMD[given, target] = 1.0 if known else distance


def test_it_is_a_mean_over_targets_and_subsets_then_over_numbers_of_inputs():
    assert Quantity("coherence", 0).of(COHERENCE) == 10
    assert Quantity("coherence", 1).of(COHERENCE) == 30
    assert Quantity("coherence", CONDITIONAL).of(COHERENCE) == 45
    assert Quantity("coherence").of(COHERENCE) == pytest.approx((10 + 30 + 60) / 3)
    assert Quantity("coherence", ("b", "a")).of(COHERENCE) == 60
    assert Quantity("fmd", target="a").of(FMD) == pytest.approx((8 + 8 + 4) / 3)
    assert Quantity("fmd", 1, "a").of({(("b",), "a"): 2.0, (("b",), "c"): 9.0}) == 2


def test_what_it_averages():
    """Conditional are all numbers of inputs from one; what is given is never scored."""
    scored = [term for term in COHERENCE if term[1] not in term[0]]
    given = [term for term in scored if term[0]]
    assert Quantity("coherence").terms(COHERENCE, CONDITIONAL) == given
    assert Quantity("coherence").terms(COHERENCE, 0) == [((), "joint")]
    assert {len(of) for of, _ in given} == {1, 2}


def test_distances_of_different_scales_have_a_geometric_mean():
    apart = {(("a",), "b"): 2.0, (("a",), "c"): 800.0, (("b", "c"), "a"): 1.0}
    assert Quantity("fmd", 1).of(apart) == pytest.approx(40)
    assert Quantity("coherence", 1).of(apart) == 401
    assert Quantity("fmd", 1).of({(("a",), "b"): 2.0}) == 2
    assert Quantity("fmd", 1).of(apart | {(("b",), "a"): 0.0}) is None


def test_a_change_is_from_one_input_to_the_most():
    assert Quantity("coherence", change="points").of(COHERENCE) == 30
    assert Quantity("fmd", change="%").of(FMD) == pytest.approx(-50)
    pair = {(("a",), "b"): 1.0, (("b",), "a"): 2.0}
    assert Quantity("coherence", change="points").of(pair) is None


def test_what_was_not_scored_has_no_value():
    assert Quantity("coherence", ("z",)).of(COHERENCE) is None
    assert Quantity("coherence", 3).of(COHERENCE) is None
    assert Quantity("fid").of({}) is None


def test_numbers_that_no_metric_gives_have_none():
    assert Quantity("fmd").of({(("a",), t): 1.7e308 for t in "bcde"}) is None


def test_published_averages():
    one = printed("mld", "polymnist", Quantity("coherence", 1), Contender("mld"))
    assert (one.value, float(one.std)) == (68.58, 0.72)
    change = Quantity("coherence", change="points")
    rise = printed("mld", "polymnist", change, Contender("mld-uni"))
    assert (rise.value, rise.std) == (pytest.approx(81.86 - 65.12), None)
    # Of what the tables 1 and 11 print, the one with the deviation.
    fid = printed("mld", "mnist-svhn", Quantity("fid", 0, "svhn"), Contender("mvae"))
    assert fid.value == 68.0
    some = Quantity("fid", numbers=frozenset({0, 4}))
    assert printed("mld", "polymnist", some, Contender("mvtcae")).value == (106.55 + 99.13) / 2
    with pytest.raises(LookupError):
        printed("mld", "polymnist", replace(some, numbers=frozenset({0, 5})), Contender("mvtcae"))
    with pytest.raises(LookupError):
        printed("workshop", "polymnist", Quantity("coherence", 1), Contender("mld"))


def test_only_a_twin_stands_in_for_a_data_set_of_the_papers():
    twins = {"mhd": "mhd", "mhd-mini": "mhd", "celebamask-mini-32": "celebamask-hq"}
    users = ("toy", "mhd-minimal", "cub-mini-own")
    assert {n: origin(n) for n in (*twins, *users)} == twins | dict.fromkeys(users)


@pytest.mark.parametrize("metric", ["coherence", "fid"])
def test_papers_averages_are_of_no_reconstructions(metric):
    """They are over what is not given."""
    for model in ("mld", "mvae"):
        with pytest.raises(LookupError):
            printed("mld", "polymnist", Quantity(metric, itself=True), Contender(model))
