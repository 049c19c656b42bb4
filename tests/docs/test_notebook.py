"""The notebook runs from top to bottom, on the toy in place of the data set that it names."""

import json

import matplotlib
import pytest
from pages import DOCS

import mmbench


@pytest.fixture
def _small(toy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mmbench.datasets.load.load_dataset", lambda *_: toy)
    matplotlib.use("Agg")


def cells():
    return json.loads((DOCS / "notebook.ipynb").read_text("utf-8"))["cells"]


def test_the_notebook_runs(_small):
    names = {}
    for cell in cells():
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    assert names["drawn"]["sound"].shape == (50, 1, 32, 128)
    assert set(names["table"]["metric"]) == {"coherence", "fmd"}
    assert len(names["results"]) == len(names["table"]) == len(mmbench.results())
    assert names["table"]["value"].notna().all()


def test_the_notebook_holds_no_output():
    """Pictures would grow the repository with each change; they are made in a minute."""
    for cell in cells():
        assert "".join(cell["source"]).strip()
        assert not cell.get("outputs") and cell.get("execution_count") is None
