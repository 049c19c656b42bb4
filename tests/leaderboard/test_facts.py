import subprocess
import sys

import factory
import pytest

from mmbench.core.score import Metric, Score
from mmbench.leaderboard.facts import arrow, facts, published, twin, unit
from mmbench.leaderboard.tables.selection import Selection
from mmbench.leaderboard.tables.table import tables
from mmbench.records.record import Declared
from mmbench.registry import find, names

OURS = [name for name, entry in names("metrics").items() if entry.value.startswith("mmbench.")]


@pytest.mark.parametrize("name", OURS)
def test_what_is_declared_is_what_the_metric_says(name):
    declared, metric = facts(name), find("metrics", name)
    told = vars(metric) | {"compute": declared.compute}
    assert vars(declared) == told and declared.compute is not metric.compute


def test_a_record_cannot_have_a_module_imported():
    assert facts("antigravity:geohash") is None
    assert facts("no such metric") is None


def test_each_twin_stands_in_for_a_published_data_set():
    known = names("datasets")
    ours = {name for name, of in known.items() if of.value.startswith("mmbench.datasets.mini.")}
    assert {name for name in known if twin(name)} == ours
    assert all(published(twin(name)) for name in ours)


def told(*directions, title="Own score"):
    """Records that declare a metric which is not registered, one for each direction."""
    scores = Score("own", (), "image", 1.0, 10), Score("own", ("sound",), "image", 2.0, 10)
    return [
        factory.record(seed=i, scores=scores, metrics={"own": Declared(1, title, better, "dB")})
        for i, better in enumerate(directions)
    ]


def test_a_record_tells_of_a_metric_that_is_not_registered():
    records = told("lower", "lower", None)
    assert facts("own", records).title == "Own score"
    assert (unit("own", records), arrow("own", records)) == ("dB", " ↓")
    (table,) = tables(records)
    assert table.title.endswith("Own score (dB) ↓")
    assert facts("own") is None
    assert facts("fid", [factory.record(metrics={"fid": Declared(1, "x", "higher", "y")})]) == (
        facts("fid")
    )
    for unknown in (told("lower", "higher"), told("sideways"), told(None)):
        assert facts("own", unknown) is None


READS = [
    "mmbench.leaderboard.tables.table",
    "mmbench.leaderboard.papers.comparison",
    "mmbench.leaderboard.claims.claims",
    "mmbench.leaderboard.check.check",
    "mmbench.leaderboard.page.page",
    "mmbench.leaderboard.submissions.collection",
    "mmbench.leaderboard.figures.selection",
    "mmbench.leaderboard.summary",
]


def test_what_reads_records_imports_no_torch():
    code = f"import sys, {', '.join(READS)}; sys.exit(sum(map(sys.modules.__contains__, "
    code += "['torch', 'matplotlib', 'pandas', 'scipy', 'multivae'])))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_metric_is_better_higher_or_lower():
    for better in ("smaller", None, "Lower"):
        with pytest.raises(ValueError, match="of the metric 'a', expected 'higher' or 'lower'"):
            Metric("a", "A", better, "", "", print)


def test_a_metric_that_concerns_nothing_is_told_from_one_that_nobody_asked_for():
    scores = [Score("fmd", (), "image", 1.0, 10)]
    protocol = {"evaluation": {"metrics": {"fmd": "all", "fid": "all"}}}
    runs = [factory.record("mld", 0, scores, protocol)]
    with pytest.raises(LookupError, match="'fid': it was asked for, but concerns no modality"):
        Selection(metrics=("fid",)).among(runs)
    with pytest.raises(LookupError, match="'fad': it is a metric, but no run measured it"):
        Selection(metrics=("fad",)).among(runs)
