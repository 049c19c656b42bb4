"""The protocol's table `evaluation`: the types and ranges of its settings."""

from datetime import date

import pytest

from mmbench.evaluation.settings import Evaluation
from mmbench.protocols.arguments import construct

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
    assert how.chosen("fid", 10).tolist() == [0, 2, 5, 7]
    assert how.chosen("fid", 3).tolist() == [0, 1, 2]
