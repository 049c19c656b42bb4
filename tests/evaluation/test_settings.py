"""The protocol's table `evaluation`: the types and ranges of its settings."""

from datetime import date

import pytest
import torch

from mmbench.evaluation.settings import Evaluation
from mmbench.protocols.arguments import construct
from mmbench.registry import find, names

WRONG = [-5, 2.5, "x", [1.5], ["x"], {"x": date(2020, 2, 2)}, 2**63, True]


@pytest.mark.parametrize(
    ("setting", "value"),
    [(s, v) for s in ("metrics", "sampler", "examples", "given", "samples") for v in WRONG]
    + [("metrics", v) for v in ({"fid": 5}, {"fid": [0.5]}, {"fid": "most"}, {})]
    + [("samples", v) for v in ({"fid": 0}, {"fid": 2.5}, {"fdi": 5}, {"coherence": 5})],
)
def test_settings_have_types_and_ranges(setting, value):
    table = {"metrics": {"fid": "all"}} | {setting: value}
    with pytest.raises(ValueError, match=setting[:6]):
        construct(Evaluation, table, "evaluation")


def test_a_metric_sees_as_many_samples_as_the_protocol_says():
    how = Evaluation({"fid": "all", "coherence": "all"}, samples={"fid": 4})
    assert how.chosen("coherence", 10).tolist() == list(range(10))
    assert how.chosen("fid", 3).tolist() == [0, 1, 2]
    some = how.chosen("fid", 10).tolist()
    assert some == sorted(set(some)) == how.chosen("fid", 10).tolist()
    assert len(some) == 4


@pytest.mark.parametrize("name", [n for n in names("metrics") if find("metrics", n).least > 1])
def test_fewer_samples_than_a_metric_needs_are_refused_before_the_work(toy, name):
    least = find("metrics", name).least
    Evaluation({name: "all"}, samples={name: least}).check(toy)
    with pytest.raises(ValueError, match=rf"evaluation\.samples\..* is {least - 1}, .* {least}$"):
        Evaluation({name: "all"}, samples={name: least - 1}).check(toy)


@pytest.mark.parametrize("examples", [0, 20, 40, 41])
@pytest.mark.parametrize("count", [20, 21, 40, 41])
def test_it_is_said_where_more_samples_are_asked_for_than_there_are(toy, examples, count):
    how = Evaluation({"fid": "all"}, examples=examples, samples={"fid": count})
    drawn = len(how.rows(toy.test))
    (*of_examples,) = (s for s in how.excess(toy) if s.startswith("evaluation.examples"))
    (*of_samples,) = (s for s in how.excess(toy) if s.startswith("evaluation.samples.fid is"))
    assert (bool(of_examples), bool(of_samples)) == (examples > 40, count > drawn)
    assert all(f" {drawn}" in said for said in of_samples)


@pytest.mark.parametrize("order", ["in turn", "one after the other"])
def test_a_metric_sees_all_classes_whatever_their_order(order):
    labels = torch.arange(10_000)
    labels = labels % 10 if order == "in turn" else labels // 1000
    how = Evaluation({"fid": "all"}, samples={"fid": 2500})
    counts = labels[how.chosen("fid", len(labels))].bincount(minlength=10)
    assert counts.min() > 200
