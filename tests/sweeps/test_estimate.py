"""What runs will take: the stages of the runs themselves, and nothing is left behind."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from mmbench.cli.main import main
from mmbench.progress import Progress
from mmbench.protocols.protocol import load, override
from mmbench.registry import names
from mmbench.runs.run import Run
from mmbench.sweeps import estimate
from mmbench.sweeps.estimate import DAY, Estimate, session
from mmbench.training import history
from mmbench.training.estimate import TRAINED, Stage

QUIET = Progress(None)
SCORING = ["evaluation.examples=8", "evaluation.metrics={mse='all', coherence='all'}"]
TABLES = load("mhd-mini")["models"]
SAMPLING = ["evaluation.sampler={name='ancestral', steps=2}"]


SHORT = {"epochs": 2, "warmup": 1, "steps": 2}
"""Setting -> its most."""


def briefly(table):
    """A table of a protocol in which all training and sampling is short."""
    return {
        k: briefly(v) if isinstance(v, dict) else min(v, SHORT[k]) if k in SHORT else v
        for k, v in table.items()
    }


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """Little is timed."""
    monkeypatch.setattr("mmbench.training.estimate.SECONDS", 0.1)
    monkeypatch.setattr("mmbench.evaluation.cost.SECONDS", 0.5)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A cache that no other process writes to."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def make(toy, tmp_path, alone):
    """Makes a run of the toy that takes a moment; its results lie in a folder of this name."""

    def run(model, out="results", seed=0):
        protocol = override(load(toy.name), [*SCORING, *SAMPLING])
        protocol["models"] = briefly(protocol["models"])
        place = (tmp_path / out, torch.device("cpu"), alone)
        return Run(model, toy, seed, protocol, *place, QUIET, {})

    return run


def files(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*")}


def estimated(run):
    with session(run.cache, QUIET) as one:
        return one.estimate(run)


def training(found):
    """Stage of training -> its steps."""
    return {s.title: s.steps for s in found.stages if not s.title.startswith("evaluation")}


def kept(run):
    """The record but for its timings, and the weights."""
    record = json.loads((run.out / run.place.record).read_text())
    return record | dict.fromkeys(("seconds", "seal", "commit")), load_file(
        run.out / run.place.weights
    )


ABSENT = pytest.mark.skipif(find_spec("multivae") is None, reason="needs the extra [multivae]")


@pytest.mark.parametrize(
    "model", [pytest.param(m, marks=[ABSENT][: ":" in m]) for m in names("models") if m in TABLES]
)
def test_it_lists_the_stages_of_the_run_and_writes_nothing(model, make, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    run = make(model)
    torch.manual_seed(5)
    before, drawn = files(run.cache), torch.rand(3)
    torch.manual_seed(5)
    found = estimated(run)
    assert torch.equal(torch.rand(3), drawn)
    assert files(run.cache) == before
    assert not run.out.exists() and not list((tmp_path / "temporary").glob("mmbench*"))
    record = run.execute()
    assert [s.title for s in found.stages] == list(record.seconds)
    curves = history.read(run.out / run.place.history)
    assert training(found) == {stage: points[-1].step for stage, points in curves.items()}
    assert all(s.seconds > 0 and s.memory > 0 and not s.why for s in found.stages)
    size = (run.out / run.place.weights).stat().st_size
    assert 0 <= size - found.weights < 2**16  # names and shapes
    assert estimated(run).lines() == [
        f"{model} on mhd-mini, seed 0: nothing to do: {estimate.RECORDED}"
    ]


@pytest.mark.parametrize("model", ["mld", "sbm-vae-c", "mopoe"])
def test_a_run_after_it_gives_the_same(model, make):
    """Also after the estimate of an interrupted run, in the same process."""
    wanted, run = make(model, "untouched"), make(model)
    wanted.execute()
    estimated(run)
    run.train()
    estimated(run)
    run.execute()
    (record, weights), (again, same) = kept(wanted), kept(run)
    assert record == again
    assert all(torch.equal(x, same[k]) for k, x in weights.items())


def test_what_is_there_takes_nothing(make):
    first = make("mld")
    first.train()
    (image, *_), other = estimated(make("mld-uni")).stages, estimated(make("mld-uni", seed=1))
    assert (image.title, image.seconds, image.why) == ("autoencoder image", 0.0, TRAINED)
    assert training(other)["autoencoder image"] > 0
    rest = estimated(first)
    assert set(training(rest).values()) == {0}
    assert rest.stages[-1].seconds > 0 and rest.weights == 0
    first.execute()
    (first.out / first.place.record).unlink()
    assert estimated(first).seconds == 0


def test_a_stage_that_two_runs_share_is_counted_once(make):
    with session(make("mld").cache, QUIET) as one:
        several = [one.estimate(make(m, seed=s)) for m in ("sbm-vae", "sbm-vae-c") for s in (0, 1)]
    steps = [training(e) for e in several]
    for seed in (0, 1):
        assert steps[seed]["vae image"] > 0 and steps[seed]["score"] > 0
        assert {k for k, n in steps[2 + seed].items() if n} == {"matching"}
        assert f"sbm-vae on mhd-mini, seed {seed}" in several[2 + seed].stages[0].why


def test_networks_that_judge_are_counted_once(make, monkeypatch, tmp_path):
    monkeypatch.setattr("mmbench.metrics.extractors.judges.TRAINED", tmp_path / "none")
    runs = [make(m) for m in ("mvae", "mopoe")]
    cache = tmp_path / "cache"
    runs = [Run(**{**vars(r), "cache": cache}) for r in runs]
    with session(cache, QUIET) as one:
        first, second = map(one.estimate, runs)
    assert {s.title for s in first.networks} == {
        f"classifier of {m}" for m in ("image", "trajectory", "sound")
    }
    assert all(s.seconds > 0 for s in first.networks) and not second.networks
    assert not cache.exists()


def test_what_stops_a_run_stops_its_estimate(make, monkeypatch):
    def fails(self, *rest):
        raise ValueError("there is no such thing")

    monkeypatch.setattr("mmbench.baselines.vae.MultimodalVAE.generate", fails)
    found = estimated(make("mvae"))
    assert found.impossible and "no such thing" in found.lines()[0]


def test_an_estimate_of_what_cannot_run_fails(toy_loads, tmp_path, monkeypatch):
    def fails(self, *rest):
        raise ValueError("there is no such thing")

    monkeypatch.setattr("mmbench.baselines.vae.MultimodalVAE.generate", fails)
    run = ["run", "--model", "mvae", "--estimate", "--out", str(tmp_path), "--device", "cpu"]
    done = CliRunner().invoke(main, [*run, *(a for x in SCORING for a in ("--set", x))])
    assert done.exit_code == 1 and "no such thing" in done.stdout


@pytest.mark.parametrize(
    ("days", "words"), [(1.9, None), (3, "3.0 days"), (21, "3.0 weeks"), (700, "100.0 weeks")]
)
def test_it_says_where_a_run_takes_weeks(days, words):
    lines = Estimate("a run", "cpu", (Stage("score", 5, days * DAY),)).lines()
    told = [line for line in lines if line.startswith("a run takes about")]
    assert bool(told) == (words is not None)
    assert words is None or words in told[0]


def test_runs_that_are_impossible_take_no_time_in_all(toy_loads, tmp_path, monkeypatch):
    def found(session, run):
        why = "it does not fit" if run.seed else ""
        return Estimate(run.model, "cpu", (Stage("vae", 5, 60.0),), why=why, impossible=bool(why))

    monkeypatch.setattr(estimate.Session, "estimate", found)
    asked = ["sweep", "--model", "mvae", "--seed", "0-1", "--plan", "--estimate"]
    done = CliRunner().invoke(main, [*asked, "--out", str(tmp_path), "--device", "cpu"])
    assert done.exit_code == 0 and "1 run takes 1.00 minutes" in done.stderr, done.output


def test_the_commands_print_it(toy_loads, tmp_path):
    quick = ["models.mvae.latent=4", "models.mvae.training.epochs=1", *SCORING]
    rest = [a for x in quick for a in ("--set", x)]
    rest += ["--out", str(tmp_path / "results"), "--device", "cpu"]

    def mmbench(*arguments):
        done = CliRunner().invoke(main, [*arguments, *rest], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done

    # The cache has the evaluation networks afterwards.
    first = [*rest[:-3], str(tmp_path / "first"), *rest[-2:]]
    assert not CliRunner().invoke(main, ["run", "--model", "mvae", *first]).exit_code
    one = mmbench("run", "--model", "mvae", "--estimate").stdout
    assert [line.split("  ")[0] for line in one.splitlines()[1:]] == [
        "stage",
        "vae",
        "evaluation: generation",
        "evaluation: scoring",
        estimate.BESIDE,
        "in all",
    ]
    sweep = ("sweep", "--model", "mvae", "--seed", "0-1", "--plan", "--estimate")
    many = mmbench(*sweep)
    assert [line.split()[:2] for line in many.stdout.splitlines()] == [["mmbench", "run"]] * 2
    assert "2 runs take" in many.stderr
    events = [json.loads(line) for line in mmbench(*sweep, "--json").stdout.splitlines()]
    assert [e["seed"] for e in events] == [0, 1]
    for event in events:
        found = event["estimate"]
        parts = sum(s["seconds"] for s in found["stages"]) + found["beside"]
        assert found["seconds"] == pytest.approx(parts)
        assert found["stages"][0] | {"title": "vae", "steps": 3} == found["stages"][0]
    assert not list(Path(tmp_path, "results").rglob("*.*"))
