"""A sweep knows how far each of its runs is, and its commands make what is missing."""

import json
import shlex
import shutil
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner

from mmbench import registry
from mmbench.api.data import load_dataset
from mmbench.api.preparation import runs
from mmbench.cli.main import main
from mmbench.cli.run import run
from mmbench.cli.sweep import ranges
from mmbench.datasets import load
from mmbench.progress import Progress
from mmbench.records.store import find
from mmbench.sweeps import plan as module
from mmbench.sweeps.plan import ALL, Sweep, why_impossible
from mmbench.sweeps.planned import Planned
from mmbench.tracking import tracking

SILENT = Progress(None)
QUICK = [
    "models.mvae.latent=4",
    "models.mvae.training.epochs=1",
    "evaluation.examples=8",
    "evaluation.metrics={mse='all'}",
]


def mmbench(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture
def planned(toy_loads, tmp_path):
    """The plan of a sweep over the toy, (model, seed) -> run."""

    def make(models=("mvae",), seeds=(0, 1), **more):
        sweep = Sweep(tmp_path / "results", **{"settings": QUICK, "device": "cpu", **more})
        found = sweep.plan(models, ["mhd-mini"], seeds, SILENT)
        return {(p.model, p.seed): p for p in found}

    return make


def test_its_commands_make_what_is_missing_and_nothing_twice(planned, tmp_path):
    before = planned()
    assert {p.state for p in before.values()} == {"missing"}
    done = mmbench(*shlex.split(before["mvae", 1].command)[1:])
    assert done.exit_code == 0, done.output
    after = planned()
    assert {key: p.state for key, p in after.items()} == {
        ("mvae", 0): "missing",
        ("mvae", 1): "done",
    }
    assert after["mvae", 0].seconds == pytest.approx(
        sum(next(iter(find(tmp_path / "results").values())).seconds.values())
    )


def test_a_run_of_an_older_version_is_stale_and_a_damaged_record_is_named(planned, tmp_path):
    mmbench(*shlex.split(planned()["mvae", 0].command)[1:])
    (path,) = (tmp_path / "results" / "mhd-mini" / "mvae").glob("*.json")
    record = json.loads(path.read_text())
    path.unlink()
    for folder in (p for p in path.parent.iterdir() if p.is_dir()):
        shutil.rmtree(folder)
    old = path.with_name("0-0123456789abcdef.json")
    old.write_text(json.dumps(record | {"model_version": record["model_version"] - 1}))
    assert (planned()["mvae", 0].state, planned()["mvae", 1].state) == ("stale", "missing")
    assert "version" in planned()["mvae", 0].why
    other = planned(settings=[*QUICK, "models.mvae.latent=5"])
    assert other["mvae", 0].state == "missing"  # the old record has other settings
    path.write_text("{")
    assert planned()["mvae", 0].state == "impossible" and path.name in planned()["mvae", 0].why


def test_a_plan_uses_no_gpu_whatever_its_runs_will(planned, monkeypatch):
    def use(*_, **__):
        raise RuntimeError("a GPU is used")

    monkeypatch.setattr(torch.cuda, "_lazy_init", use)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for device in ("cuda", "cuda:3", "auto"):
        found = planned(device=device)["mvae", 0]
        assert found.state == "missing" and (device == "auto") != (device in found.arguments)


def test_weights_without_a_record_are_begun(planned, tmp_path):
    mmbench(*shlex.split(planned()["mvae", 0].command)[1:])
    (path,) = (tmp_path / "results" / "mhd-mini" / "mvae").glob("*.json")
    path.unlink()
    assert planned()["mvae", 0].state == "begun"


def test_what_cannot_be_made_says_why_and_is_no_obstacle(planned, monkeypatch):
    monkeypatch.setattr(module, "installed", lambda extra: extra != "diffusion")
    found = planned(["mvae", "sbm-vae", "supervised"], [0])
    assert found["mvae", 0].state == "missing"
    assert "[diffusion]" in found["sbm-vae", 0].why
    assert {found[m, 0].state for m in ("sbm-vae", "supervised")} == {"impossible"}
    assert not found["supervised", 0].wanted


@pytest.mark.parametrize("fault", [ValueError, PermissionError, KeyError])
def test_damaged_data_are_no_obstacle_to_other_data(toy, monkeypatch, tmp_path, fault):
    def loads(name, *_):
        if name == "polymnist-mini":
            raise fault("damaged")
        return toy

    monkeypatch.setattr(load, "load_dataset", loads)
    sweep, named = Sweep(tmp_path, settings=QUICK, device="cpu"), ["polymnist-mini", "mhd-mini"]
    first, second = sweep.plan(["mvae"], named, [0], SILENT)
    assert first.state == "impossible" and "damaged" in first.why
    assert (second.dataset, second.state) == ("mhd-mini", "missing")


@pytest.mark.parametrize("fault", [ValueError("damaged"), KeyError("damaged")])
def test_why_an_error_in_own_code_makes_a_run_impossible_is_one_line_with_its_place(fault):
    try:
        raise fault
    except Exception as error:
        why = why_impossible(error)
    assert "damaged" in why and f"{__file__}, line " in why
    assert "\n" not in why and "MMBENCH_DEBUG" not in why


def test_a_mistake_of_ours_makes_no_run_impossible():
    with pytest.raises(KeyError):
        why_impossible(KeyError("ours"))


def test_the_protocol_is_that_by_which_the_runs_are_made(toy, namesake, tmp_path):
    """The data set calls itself mhd-mini, which has a protocol of its own."""
    data = load_dataset(namesake)
    (planned,) = Sweep(tmp_path, device="cpu").runs("mvae", data, [0], SILENT)
    (made,) = runs("mvae", namesake, [0], tmp_path, "cpu", SILENT)
    assert planned.place == made.place
    assert planned.place != runs("mvae", toy, [0], tmp_path, "cpu", SILENT)[0].place


def test_every_option_reaches_the_runs(tmp_path, monkeypatch):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "a.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tracking, "expect_installed", lambda tracker: None)
    settings = ["a=1", "b=2"]
    sweep = Sweep(
        *(Path("out"), Path("data"), "mine.toml", settings, "euler", "cpu", ["x=y"], True, True),
        track="wandb",
    )
    planned = Planned("mld", "own/a.toml", 3, "missing", options=sweep.options("mld", "mhd"))
    _, *arguments = planned.arguments
    found = run.make_context("run", arguments).params
    own = {"model": "mld", "dataset": "own/a.toml", "seeds": (3,)}
    later = ("rescore", "estimate", "dry_run", "download_weights", "only_shared")
    assert found == own | dict.fromkeys(later, False) | {
        "data": Path("data"),
        "protocol": "mine.toml",
        "settings": ("a=1", "b=2"),
        "sampler": "euler",
        "device": "cpu",
        "assignments": ("x=y",),
        "out": Path("out"),
        "keep_weights": True,
        "retrain": True,
        "track": "wandb",
    }
    few = Sweep(Path("out")).options("mld", "mhd")
    assert not {"--keep-weights", "--retrain", "--data"} & {*few}


def test_a_run_of_a_sweep_gets_the_settings_of_its_model(tmp_path):
    settings = ["models.mvae.latent=5", "models.mld.width=32", "evaluation.examples=8"]
    sweep = Sweep(tmp_path, settings=settings, device="cpu")
    of = lambda model: [s for s in sweep.options(model, "mhd-mini") if "=" in s]
    assert of("mvae") == settings[::2]
    assert of("mld") == of("mld-uni") == settings[1:]  # whose table is like mld's
    assert all(
        p.state == "missing" for p in sweep.plan(["mvae", "mld"], ["mhd-mini"], [0], SILENT)
    )
    with pytest.raises(ValueError, match=r"models\.mld\.width=32 is of none of the models"):
        sweep.plan(["mvae"], ["mhd-mini"], [0], SILENT)


def test_runs_that_share_a_stage_are_known_before_they_are_made(planned):
    mlds = ["mld", "mld-uni", "mld-inpaint", "mvae"]
    found = planned(mlds, [0, 1])
    shares = {model: found[model, 1].shares for model in mlds}
    assert shares["mld"] == shares["mld-uni"] == shares["mld-inpaint"] != shares["mvae"] == ""
    other = planned(["mld"], [0], settings=["models.mld.autoencoder.learning_rate=0.1"])
    assert other["mld", 0].shares not in ("", shares["mld"])


def test_all_are_the_models_of_the_protocol(planned):
    sweep = Sweep(Path("results"), device="cpu")
    found = sweep._models([ALL], "mhd-mini")
    assert {"mld", "mvae", "diff-mvae-star"} <= set(found) <= set(registry.names("models"))
    assert "supervised" not in found


@pytest.mark.parametrize(
    ("models", "datasets"), [(["mldd"], ["mhd-mini"]), (["mld"], ["mhd-mimi"])]
)
def test_misspelt_names_are_refused(models, datasets):
    with pytest.raises(LookupError, match=r"mld|mhd-mini"):
        Sweep(Path("results")).plan(models, datasets, [0], SILENT)


def test_the_command_prints_a_plan(toy_loads, tmp_path):
    asked = ["sweep", "--model", "mvae", "supervised", "--seed", "0-1", "4", "--plan"]
    asked += ["--device", "cpu", "--out", tmp_path]
    done = mmbench(*asked)
    assert done.exit_code == 0
    lines = [line for line in done.stdout.splitlines() if line.startswith("mmbench run")]
    assert [line.split("--seed ")[1].split()[0] for line in lines] == ["0", "1", "4"]
    assert "3 missing, 3 impossible" in done.output
    asked[4:7] = ["--seed=0-1", "4", "0"]
    assert mmbench(*asked).stdout == done.stdout
    found = [json.loads(line) for line in mmbench(*asked, "--json").stdout.splitlines()]
    assert {(p["model"], p["state"]) for p in found} == {
        ("mvae", "missing"),
        ("supervised", "impossible"),
    }


def test_a_program_is_told_why_runs_are_impossible(toy_loads, tmp_path):
    asked = ["sweep", "--model", "supervised", "--seed", "0-1", "--device", "cpu"]
    done = mmbench(*asked, "--out", tmp_path, "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 1
    assert [(e["event"], e["seed"]) for e in events] == [("impossible", 0), ("impossible", 1)]
    assert all(e["why"] for e in events)


def test_a_seed_counts_once():
    assert len(ranges(None, None, ("0-999", "5", "3-7"))) == 1000
    with pytest.raises(click.BadParameter, match="1,001 seeds"):
        ranges(None, None, ("0-999", "1000"))


@pytest.mark.parametrize("seed", ["x", "4-2", "-1", "1-", "0-1000000000", "9" * 5000])
def test_bad_seeds_are_one_sentence(seed):
    done = mmbench("sweep", "--seed", seed, "--plan")
    assert done.exit_code == 2 and "seed" in done.output


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (["--device", "cuda:99"], "cuda:99"),
        (["--device", "coda"], "coda"),
        (["--workers", "2", "--per-gpu", "2"], "--per-gpu"),
    ],
)
def test_what_cannot_be_is_refused_before_planning(wrong, named, monkeypatch):
    monkeypatch.setattr(Sweep, "plan", None)
    done = mmbench("sweep", *wrong)
    assert done.exit_code == 1 and done.output.startswith("Error: ") and named in done.output
