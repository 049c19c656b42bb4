"""What was trained by other code than the model has now: nothing happens to it silently."""

import json
import sys
import tomllib

import pytest
import torch
from click.testing import CliRunner

import mmbench
from mmbench.cli.main import main
from mmbench.leaderboard.submissions.validation import validated

OWN = """
import torch
from mmbench.core import Model

class Noise(Model):
    def __init__(self, modalities, parts):
        super().__init__()
        self.shapes = {m.name: m.shape for m in modalities}
        self.scale = torch.nn.Parameter(torch.tensor(0.0))
    def fit(self, train, trainer):
        self.scale.data.fill_(0.5)  # fit
    def generate(self, given, targets, n, generator):
        return {m: torch.rand(n, *self.shapes[m], generator=generator) * self.scale
                for m in targets}  # generate
"""
EDITED = OWN.replace("* self.scale", "* self.scale / 2")


@pytest.fixture
def own(toy, monkeypatch, tmp_path):
    """Runs a command on a model of a file, which is written anew if its text is given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mmbench.datasets.load.load_dataset", lambda *_: toy)
    monkeypatch.setattr("mmbench.runs.scoring.commit", lambda: None)

    def do(command, *more, text=None):
        if text is not None:
            (tmp_path / "own_noise.py").write_text(text)
            sys.modules.pop("own_noise.py", None)
        run = [
            *([] if "--model" in more else ["--model", "own_noise.py:Noise"]),
            "--set",
            "evaluation.examples=8",
            "--set",
            "evaluation.given=[1]",
            "--set",
            "evaluation.metrics={mse='all'}",
        ]
        arguments = [command, *(run if command in ("run", "sweep") else ()), *map(str, more)]
        return CliRunner().invoke(main, arguments)

    yield do
    sys.modules.pop("own_noise.py", None)


def records(folder):
    return {p: json.loads(p.read_text()) for p in sorted((folder / "results").rglob("*.json"))}


def weights(folder):
    return {p: p.stat().st_mtime_ns for p in (folder / "results").rglob("weights.safetensors")}


@pytest.fixture
def edited(own, tmp_path):
    """A finished run, and then another text of its model."""
    done = own("run", text=OWN)
    assert done.exit_code == 0, done.output
    (found,) = records(tmp_path).items()
    own("table", text=EDITED)
    return *found, weights(tmp_path)


def test_a_run_says_that_the_code_has_changed_and_stops(own, edited, tmp_path):
    path, record, before = edited
    for more in ([], ["--seed", 0], ["--rescore"]):
        told = own("run", *more)
        assert told.exit_code == 1
        assert "the code of own_noise.py:Noise or its networks has changed since" in told.output
        assert "--keep-weights" in told.output and "--retrain" in told.output
    assert weights(tmp_path) == before and records(tmp_path) == {path: record}
    both = own("run", "--keep-weights", "--retrain")
    assert both.exit_code == 1 and weights(tmp_path) == before
    change = record["protocol"]["evaluation"]
    settings = {f"evaluation.{key}": change[key] for key in ("examples", "given", "metrics")}
    with pytest.raises(ValueError, match=r"keep_weights=True uses .*, retrain=True trains anew"):
        mmbench.train("own_noise.py:Noise", "mhd-mini", settings=settings, quiet=True)
    with pytest.raises(ValueError, match=r"keep_weights=True uses .*, retrain=True trains anew"):
        mmbench.load_run(path, "mhd-mini", quiet=True)


def test_weights_are_kept_and_the_record_names_both_codes(own, edited, tmp_path):
    path, old, before = edited
    done = own("run", "--keep-weights")
    assert done.exit_code == 0, done.output
    assert weights(tmp_path) == before
    found = records(tmp_path)
    assert found.pop(path) == old
    ((new, record),) = found.items()
    assert record["protocol"]["trained_code"] == old["protocol"]["code"]
    assert record["protocol"]["code"] != old["protocol"]["code"]
    assert record["protocol_hash"] != old["protocol_hash"]
    validated(new)
    mse = [s["value"] for r in (old, record) for s in r["scores"] if s["value"] is not None]
    assert len(set(mse)) == len(mse)  # the new code drew them
    again = own("run", "--keep-weights")
    assert "already done" in again.output and records(tmp_path) == {path: old, new: record}
    drawn = own("generate", "--run", new, "--out", tmp_path / "drawn")
    assert drawn.exit_code == 0, drawn.output


def test_it_is_trained_anew_if_asked(own, edited, tmp_path):
    path, old, before = edited
    done = own("run", "--retrain")
    assert done.exit_code == 0, done.output
    assert len(weights(tmp_path)) == 2 and before.items() <= weights(tmp_path).items()
    found = records(tmp_path)
    assert found.pop(path) == old
    (record,) = found.values()
    assert "trained_code" not in record["protocol"]
    assert own("run").exit_code == 0  # its own weights are there: nothing to ask
    assert own("run", text=OWN).exit_code == 0


def test_a_sweep_asks_and_its_runs_are_told(own, edited, tmp_path):
    def planned(*more):
        done = own("sweep", "--plan", "--json", *more)
        assert done.exit_code == 0, done.output
        (line,) = done.stdout.splitlines()  # a model is one, however its file is named
        return json.loads(line)

    asked = planned("--model", "./own_noise.py:Noise")
    assert asked["state"] == "impossible"
    assert "--keep-weights" in asked["why"] and "--retrain" in asked["why"]
    for choice, state in (("--keep-weights", "begun"), ("--retrain", "missing")):
        found = planned(choice)
        assert found["state"] == state and choice in found["command"]
    both = own("sweep", "--keep-weights", "--retrain")
    assert both.exit_code == 1 and "exclude each other" in both.output


def test_commands_take_what_their_refusals_name():
    for name in ("run", "sweep", "ablate", "generate", "demo", "robustness"):
        taken = {o for p in main.get_command(None, name).params for o in p.opts}
        assert "--keep-weights" in taken
        assert "--retrain" in taken or name in ("generate", "demo", "robustness")


def test_another_seed_or_setting_is_not_asked_about(own, edited, tmp_path):
    assert own("run", "--seed", 1).exit_code == 0
    assert own("run", "--set", "modalities.image.likelihood.scale=0.1").exit_code == 0


def test_other_weights_than_the_code_takes_are_told(own, edited, tmp_path):
    more = OWN.replace("    def fit", "        self.more = torch.nn.Linear(1, 1)\n    def fit")
    told = own("run", "--keep-weights", text=more)
    assert told.exit_code == 1
    assert "does not fit it as it is" in told.output and "--retrain" in told.output
    assert "delete" not in told.output


def test_samples_of_a_record_are_drawn_by_other_code_only_if_asked(own, edited, tmp_path):
    path, record, before = edited
    told = own("generate", "--run", path, "--out", tmp_path / "drawn")
    assert told.exit_code == 1 and "has changed since" in told.output
    assert "--keep-weights" in told.output and not (tmp_path / "drawn").exists()
    done = own("generate", "--run", path, "--keep-weights", "--out", tmp_path / "drawn")
    assert done.exit_code == 0, done.output
    assert "has changed since" in done.output
    assert records(tmp_path) == {path: record} and weights(tmp_path) == before


def test_a_fault_after_training_loses_no_weights(own, tmp_path, monkeypatch):
    """Of a kind that no trial can find: the run of the corrected code keeps what was trained."""

    def fails(*_, **__):
        raise ValueError("nothing can be drawn")

    with monkeypatch.context() as patch:
        patch.setattr("mmbench.runs.run.generate", fails)
        assert own("run", text=OWN).exit_code == 1
    before = weights(tmp_path)
    assert len(before) == 1 and not records(tmp_path)
    assert own("run", text=EDITED).exit_code == 1
    assert own("run", "--keep-weights").exit_code == 0
    assert weights(tmp_path) == before and len(records(tmp_path)) == 1
    assert torch.is_grad_enabled()


def test_a_file_is_found_where_the_model_was_trained(own, toy, tmp_path, monkeypatch):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "own_noise.py").write_text(OWN)
    done = own("run", "--model", "mine/own_noise.py:Noise")
    assert done.exit_code == 0, done.output
    draw = ["--run", f"results/{toy.name}/own_noise.py:Noise", "-n", 2, "--out", "drawn"]
    sys.modules.pop("own_noise.py")
    done = own("generate", *draw)  # by the name that tables show
    assert done.exit_code == 0, done.output
    project = tmp_path.rename(tmp_path.with_name("moved"))  # with code and results
    monkeypatch.chdir(project)
    sys.modules.pop("own_noise.py")
    assert own("generate", *draw).exit_code == 0
    sys.modules.pop("own_noise.py")
    (project / "mine").rename(project / "elsewhere")
    monkeypatch.setattr("mmbench.api.trained.loaded", lambda *_: pytest.fail("slow"))
    lost = own("generate", *draw)
    assert lost.exit_code == 1 and "--model DIR/own_noise.py:Noise" in lost.output
    monkeypatch.setattr("mmbench.api.trained.loaded", lambda *_: toy)
    found = own("generate", *draw, "--model", "elsewhere/own_noise.py:Noise")
    assert found.exit_code == 0, found.output
    other = own("generate", *draw, "--model", "mld")
    assert other.exit_code == 1 and "own_noise.py:Noise, not of mld" in other.output


def test_a_dry_run_shows_the_settings_of_a_file_in_another_folder(own, tmp_path):
    (tmp_path / "mine").mkdir()
    text = OWN.replace("parts)", "parts, *, level: float = 0.5)")
    (tmp_path / "mine" / "own_noise.py").write_text(text)
    model = "own_noise.py:Noise"
    level = ["--set", f"models.{model}.level=0.25"]
    done = own("run", "--model", f"mine/{model}", *level, "--dry-run")
    assert done.exit_code == 0, done.output
    assert tomllib.loads(done.stdout)["models"] == {model: {"level": 0.25}}


def test_an_unfinished_run_is_named_as_such(own, edited, tmp_path):
    path, _, (weights,) = edited
    path.unlink()
    weights.unlink()
    for run in (weights.parent, path.parent):
        told = own("generate", "--run", run, "--out", "drawn")
        assert "is not finished" in told.output and "--seed 0" in told.output
