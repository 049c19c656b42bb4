"""What a record is older than, by the versions that models, data sets and metrics declare."""

import factory
import pytest

from mmbench.datasets.load import source
from mmbench.declarations import declared
from mmbench.records import versions
from mmbench.records.record import Declared
from mmbench.records.versions import current, now, older_metric, stale
from mmbench.registry import find, names


@pytest.mark.parametrize("group", ["models", "datasets", "metrics"])
def test_versions_are_read_as_they_are_imported(group):
    for name in names(group):
        if ":" in name:  # those of libraries need these
            continue
        found = source(name) if group == "datasets" else find(group, name)
        assert now(group, name) == found.version


def test_what_is_not_registered_has_none():
    assert now("models", "os:path") is None and now("datasets", "own") is None
    assert not stale(factory.record("package:Own", model_version=7))


def test_records_are_stale_by_model_and_data():
    data = declared("datasets", "mhd-mini")["version"]
    fresh = factory.record("mvae", dataset="mhd-mini")
    model = factory.record("mvae", dataset="mhd-mini", model_version=0)
    older = factory.record("mvae", dataset="mhd-mini", dataset_version=data - 1)
    mine = factory.record("mvae", dataset="mhd-mini", model_version=0, samples="s" * 64)
    assert not stale(fresh) and not stale(mine)
    assert stale(model) == f"model version 0, now {now('models', 'mvae')}"
    assert stale(older) == f"data version {data - 1}, now {data}"
    assert current([model, fresh, older, mine]) == [fresh, mine]


def test_a_metric_is_older_by_itself(monkeypatch):
    r = factory.record("mld", metrics={"fmd": Declared(1), "fid": Declared(2)})
    monkeypatch.setattr(versions, "now", lambda group, name: 2 if group == "metrics" else 1)
    assert older_metric(r, "fmd") == "fmd is of version 1, now 2"
    assert not older_metric(r, "fid") and not older_metric(r, "kid") and not stale(r)
