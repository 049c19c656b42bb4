"""The example of a third party's package, found by its entry points alone, and its skeletons."""

import ast
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from mmbench.cli.main import main
from mmbench.cli.new import KINDS, PACKAGE, spelt, write
from mmbench.leaderboard.submissions.validation import validated

EXAMPLE = Path(__file__).parents[2] / "docs/examples/third_party"
TINY = ["--set", "evaluation.examples=20", "--set", "evaluation.given=[0, 1]"]


def command(*arguments):
    done = CliRunner().invoke(main, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(autouse=True)
def imported(monkeypatch, tmp_path):
    """What a test imports is forgotten after it."""
    monkeypatch.setattr("mmbench.runs.scoring.commit", lambda: None)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(
            (str(tmp_path), str(EXAMPLE))
        ):
            del sys.modules[name]


def test_a_package_is_run_by_its_entry_points_alone(installed, monkeypatch, tmp_path):
    declared = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    groups = {g.removeprefix("mmbench."): of for g, of in declared["entry-points"].items()}
    monkeypatch.syspath_prepend(EXAMPLE)
    installed(declared["name"], declared["version"], **groups)
    for group, of in groups.items():
        listed = command("list", group).output
        assert all(name in listed for name in of)
    command(
        "run",
        "--model",
        "common-latent",
        "--dataset",
        "two-views",
        *TINY,
        "--set",
        "models.common-latent.training.epochs=2",
        "--set",
        "evaluation.metrics={energy-distance='all'}",
        "--out",
        tmp_path / "results",
    )
    (path,) = (tmp_path / "results/two-views/common-latent").glob("*.json")
    record = validated(path)
    assert {s.metric for s in record.scores} == {"energy-distance"}
    assert all(s.value >= 0 for s in record.scores)
    assert record.protocol["code"].keys() == {"common_latent"}
    assert record.protocol["evaluation_code"].keys() == {"energy_distance"}
    assert record.versions["third-party"] == declared["version"]
    table = command("table", "--results", tmp_path / "results")
    assert "common-latent" in table.output and "Energy distance" in table.output


def test_the_model_of_the_example_has_forty_lines():
    tree = ast.parse((EXAMPLE / "common_latent.py").read_text())
    (model,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
    assert model.end_lineno - model.lineno < 60


MODEL = """
import torch
from mmbench.core import Model

class Noise(Model):
    def __init__(self, modalities, parts):
        super().__init__()
        self.shapes = {m.name: m.shape for m in modalities}
    def fit(self, train, trainer):
        pass
    def generate(self, given, targets, n, generator):
        return {m: torch.rand(n, *self.shapes[m], generator=generator) for m in targets}
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_skeleton_works_as_it_is(kind, tmp_path, monkeypatch):
    """Its own tests are those of the example, which are run with ours."""
    monkeypatch.chdir(tmp_path)
    told = command("new", kind, f"my-own-{kind}").output
    home, module = tmp_path / f"my-own-{kind}", f"my_own_{kind}"
    assert f"my-own-{kind}/{module}.py:" in told
    known = tomllib.loads((home / "pyproject.toml").read_text())
    (entries,) = known["project"]["entry-points"].values()
    assert list(entries) == [known["project"]["name"]] == [f"my-own-{kind}"]
    assert known["tool"]["setuptools"]["py-modules"] == [module]
    for file in home.rglob("*"):
        assert not any(
            word in file.name or (file.is_file() and word in file.read_text())
            for name in (PACKAGE, *(name for _, name in KINDS.values()))
            for word in spelt(name)[:3]
        ), file
    place = f"{home / module}.py:{entries[f'my-own-{kind}'].partition(':')[2]}"
    (tmp_path / "noise.py").write_text(MODEL)
    own = {
        "model": ["--model", place, "--set", f"models.{module}.py:MyOwnModel.training.epochs=1"],
        "dataset": ["--model", "noise.py:Noise", "--dataset", place],
        "metric": ["--model", "noise.py:Noise"],
    }[kind]
    scored = f"{{'{place}'='all'}}" if kind == "metric" else "{mse='all', ssim='all'}"
    toy = [] if kind == "dataset" else ["--dataset", f"{EXAMPLE / 'two_views.py'}:two_views"]
    command("run", *toy, *own, *TINY, "--set", f"evaluation.metrics={scored}")
    (path,) = (tmp_path / "results").rglob("*.json")
    record = validated(path)
    assert path.parent.name == record.model.replace(":", ".")
    names = {
        "model": record.model,
        "dataset": record.dataset,
        "metric": next(iter(record.metrics)),
    }
    expected = {
        "model": f"{module}.py:MyOwnModel",
        "dataset": "my-own-dataset",
        "metric": f"{module}.py:{module}",
    }
    assert names[kind] == expected[kind]
    if kind != "dataset":
        code = {**record.protocol["code"], **record.protocol.get("evaluation_code", {})}
        assert f"{module}.py" in code
    assert names[kind] in command("table").output or kind == "metric"


def test_a_skeleton_replaces_nothing(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_mine.py").write_text("mine")
    with pytest.raises(FileExistsError, match=r"test_mine\.py exists"):
        write("model", "mine", tmp_path)
    assert [p.name for p in tmp_path.rglob("*.*")] == ["test_mine.py"]


def test_a_skeleton_that_cannot_be_written_is_not_begun(tmp_path):
    (tmp_path / "tests").write_text("a file, where the last of the skeleton's needs a folder")
    with pytest.raises(OSError):
        write("model", "mine", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["tests"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("My Model", "cannot name a model"),
        ("class", "cannot name a model"),
        ("mld", "the name of a registered model"),
        ("json", "the name of an installed module"),
    ],
)
def test_a_name_that_cannot_be(tmp_path, name, words):
    with pytest.raises(ValueError, match=words):
        write("model", name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_metric_s_skeleton_says_what_it_measures(tmp_path):
    write("metric", "brightness", tmp_path)
    text = (tmp_path / "brightness.py").read_text()
    assert 'title="Brightness (so far an energy distance)"' in text and 'name="brightness"' in text
