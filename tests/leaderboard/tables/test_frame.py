"""Tables as files of data."""

import factory
import pytest

from mmbench.core.score import Score
from mmbench.leaderboard.papers.comparison import fill
from mmbench.leaderboard.papers.layouts import TABLES
from mmbench.leaderboard.tables import frame
from mmbench.leaderboard.tables.render import save
from mmbench.leaderboard.tables.table import tables

FORMULA = "=cmd|x\x07"


@pytest.fixture
def found():
    scores = [Score("fid", ("a",), "b", 1.0, 9), Score("fid", ("b",), "a", None, 9, reason="no")]
    return tables([factory.record(m, 0, scores) for m in ("mld", FORMULA)])


@pytest.mark.parametrize("suffix", frame.WRITERS)
def test_numbers_come_back_as_numbers(found, suffix, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip(frame.WRITERS[suffix])
    path = tmp_path / f"t{suffix}"
    save(found, path)
    back = (pandas.read_parquet if suffix == ".parquet" else pandas.read_excel)(path)
    assert list(back["model"])[:2] == ["mld", "mld"]
    assert sorted(back["mean"].dropna()) == [1.0, 1.0]
    assert back["mean"].isna().sum() == 2
    model = list(back["model"])[-1]
    assert "\x07" not in model and model.startswith("'=" if suffix == ".xlsx" else "=")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", frame.WRITERS)
def test_the_papers_tables_have_columns_of_one_type(suffix, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip(frame.WRITERS[suffix])
    path = tmp_path / f"t{suffix}"
    save([fill(TABLES[0], show="published")], path)
    back = (pandas.read_parquet if suffix == ".parquet" else pandas.read_excel)(path)
    assert back["value"].dtype == "float64" and 85.22 in set(back["value"])


def test_a_missing_package_is_named_with_its_extra(found, tmp_path, monkeypatch):
    for suffix, package in frame.WRITERS.items():
        monkeypatch.setitem(__import__("sys").modules, package, None)
        with pytest.raises(ImportError, match=rf"{package}.*mmbench\[tables\]"):
            save(found, tmp_path / f"t{suffix}")
    assert not list(tmp_path.iterdir())
