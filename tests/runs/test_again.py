"""What is older than a change of numbers comes with the command that measures it again."""

import shlex
from pathlib import Path

import factory
import pytest
from click.testing import CliRunner

from mmbench.cli.main import main
from mmbench.core.score import Score
from mmbench.protocols.protocol import digest, load, resolve
from mmbench.records import versions
from mmbench.records.paths import Place
from mmbench.records.record import Declared
from mmbench.records.store import write
from mmbench.registry import names
from mmbench.runs.again import again

OUT = Path("results")


def made(settings=(), which=None, sampler=None, **changes):
    plain = {"model": "mld", "dataset": "mhd-mini"} | changes
    protocol = load(plain["dataset"], which, settings, plain["model"], sampler)
    return factory.record(protocol=resolve(protocol, plain["model"]), **plain)


def arguments(line):
    """The options of a command with their values."""
    words = shlex.split(line)
    assert words[:2] == ["mmbench", "run"]
    found = {}
    for word in words[2:]:
        if word.startswith("--"):
            found.setdefault(word, []).append([])
            of = found[word][-1]
        else:
            of.append(word)
    return found


@pytest.mark.parametrize(
    ("dataset", "model", "settings", "which", "sampler"),
    [
        ("mhd-mini", "mvae", [], None, None),
        ("mhd", "mld", [], None, "fast"),
        ("cub", "diff-mvae-star", [], "diff-mvae", None),
        ("mhd-mini", "mld", ["models.mld.d=0.3", "models.mld.score.epochs=7"], None, None),
        ("mhd-mini", "diff-mvae-star", ["models.diff-mvae-star.auxiliary=false"], None, None),
    ],
)
def test_the_command_makes_the_same_protocol(dataset, model, settings, which, sampler):
    runs = [
        made(settings, which, sampler, model=model, dataset=dataset, seed=s, model_version=0)
        for s in (2, 0)
    ]
    [line] = again(runs, OUT)
    told = arguments(line)
    assert told["--model"] == [[model]] and told["--dataset"] == [[dataset]]
    assert told["--seed"] == [["0", "2"]] and told["--out"] == [["results"]]
    again_made = load(
        dataset,
        *(of[0] for of in told.get("--protocol", [[None]])),
        [of[0] for of in told.get("--set", [])],
        model,
        *(of[0] for of in told.get("--sampler", [[None]])),
    )
    assert digest(resolve(again_made, model)) == runs[0].protocol_hash


def test_current_runs_are_not_listed():
    assert not list(again([made(), factory.record("own:Model")], OUT))


def test_an_older_metric_is_scored_again(monkeypatch):
    r = made(metrics={"fmd": Declared(1)})
    monkeypatch.setattr(versions, "now", lambda group, name: 2 if group == "metrics" else None)
    [line] = again([r], OUT)
    assert "--rescore" in arguments(line)


@pytest.mark.parametrize(
    "changes",
    [
        {"samples": "s" * 64, "dataset_version": 0},
        {"protocol": {"evaluation": {}}, "model_version": 0},
        {"model": "x\nrm -rf y", "dataset_version": 0},
    ],
)
def test_what_no_command_makes_is_a_comment(changes):
    plain = {"model": "mld", "dataset": "mhd-mini"} | changes
    [line] = again([factory.record(**plain)], OUT)
    assert line.startswith("#") and "\n" not in line


def test_the_command_lists_them(tmp_path):
    r = made(model_version=0, scores=[Score("coherence", (), "joint", 50.0, 10)])
    write(r, tmp_path / Place.of(r).record)
    done = CliRunner().invoke(main, ["records", "stale", str(tmp_path)])
    assert done.exit_code == 0
    assert arguments(done.stdout.strip())["--out"] == [[str(tmp_path)]]


def test_nothing_stale_is_said_as_a_comment_of_each_folder(tmp_path):
    r = made(scores=[Score("coherence", (), "joint", 50.0, 10)])
    for folder in ("a", "b"):
        write(r, tmp_path / folder / Place.of(r).record)
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    for arguments in ([a, "--results", b], [a, b], ["--results", a, "--results", b]):
        done = CliRunner().invoke(main, ["records", "stale", *arguments])
        first, second = done.stdout.splitlines()
        assert first.startswith("#") and second.startswith("#")
        assert {a, b} == {word for line in (first, second) for word in line.split() if "/" in word}


def test_a_modality_that_is_called_a_model_is_none(monkeypatch):
    known = {group: {**names(group), "own-data": None} for group in ("models", "datasets")}
    monkeypatch.setattr("mmbench.protocols.variants.names", known.get)
    setting = "modalities.supermodel.network=generic/vector"
    [line] = again([made([setting], dataset="own-data", model_version=0)], OUT)
    (told,) = arguments(line)["--set"]
    assert told == ['modalities.supermodel.network="generic/vector"']
