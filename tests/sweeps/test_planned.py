"""What runs share is made first, by one of those that need it."""

from dataclasses import replace

from mmbench.sweeps.planned import Planned, makers

RUN = Planned("mld", "a", 0, "missing", shares="autoencoder-1")
UNI = replace(RUN, model="mld-uni")
MVAE = replace(RUN, model="mvae", shares="")


def test_one_of_several_runs_makes_the_stage_that_they_share():
    again = [replace(p, seed=1) for p in (RUN, UNI)]
    assert makers([MVAE, RUN, UNI, *again]) == [RUN, again[0]]


def test_a_stage_that_one_run_needs_is_no_shared_one():
    other = replace(UNI, shares="autoencoder-2")
    assert makers([RUN]) == []
    assert makers([RUN, other, replace(RUN, seed=1)]) == [RUN]  # for the evaluation networks
    assert makers([replace(RUN, state="done"), other, replace(RUN, seed=1)]) == []


def test_each_data_set_has_evaluation_networks_of_its_own():
    elsewhere = [replace(p, dataset="b") for p in (MVAE, replace(MVAE, seed=1))]
    assert makers([RUN, UNI, *elsewhere]) == [RUN, elsewhere[0]]


def test_what_is_done_or_on_its_way_or_impossible_makes_nothing_first():
    for state in ("done", "queued", "impossible"):
        assert makers([replace(RUN, state=state), replace(UNI, state=state)]) == []
