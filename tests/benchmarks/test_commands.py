"""Every command of this folder explains its options, and refuses bad input by one sentence."""

import argparse
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pandas
import pytest
import torch

import mmbench
from mmbench.errors import argument
from mmbench.models.diffusion.samplers import make_sampler
from mmbench.models.diffusion.sde import VPSDE
from mmbench.progress import Progress
from mmbench.protocols.shipped import samplers
from mmbench.sweeps.estimate import Estimate
from mmbench.training.estimate import Stage
from mmbench.training.trainer import Trainer
from tests.benchmarks import command, quality, sampler_spread, scaling, start_speed

HERE = Path(__file__).parent
NAMES = [p.stem for p in HERE.glob("*.py") if "\ndef main()" in p.read_text()]
NAMES += [p.parent.name for p in HERE.glob("*/__main__.py")]


def call(monkeypatch, name, *words):
    """The exit status of a command that ends before it works."""
    module = import_module(f"tests.benchmarks.{name}")
    if hasattr(module, "__path__"):
        module = import_module(f"{module.__name__}.__main__")
    monkeypatch.setattr(sys, "argv", [name, *words])
    with pytest.raises(SystemExit) as end:
        module.main()
    return end.value.code


@pytest.mark.parametrize("name", NAMES)
def test_help_says_how_to_call_it_and_what_every_option_is(name, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "1000")  # so that no word is broken
    parsers = []
    shown = argparse.ArgumentParser.print_help
    spy = lambda parser, *file: (parsers.append(parser), shown(parser, *file))
    monkeypatch.setattr(argparse.ArgumentParser, "print_help", spy)
    assert call(monkeypatch, name, "--help") == 0
    text = capsys.readouterr().out
    assert f"python -m tests.benchmarks.{name} " in text
    assert "None" not in text
    for action in parsers[0]._actions:
        assert action.help, action.dest
        if argparse.SUPPRESS not in (action.help, action.default) and action.default:
            several = isinstance(action.default, list | tuple)
            values = action.default if several else [action.default]
            assert all(str(value) in text for value in values), action.dest


BAD = [
    ("captions", "--model multivae:mopoe", "multivae:mopoe"),
    ("captions", "--model mldd", "mldd"),
    ("captions", "--seed 0", "--seed"),
    ("captions", "--out /proc/x", "--out"),
    ("data_cache", "--faces 0", "--faces"),
    ("data_cache", "--faces 1000001", "1,000,000"),
    ("data_cache", "--folder=", "--folder"),
    ("data_cache", "--folder /nonexist", "--folder"),
    ("device", "--device cuda:99", "--device"),
    ("device", "--device cpu --data /nonexist", "--data"),
    ("device", "--device cpu --models mldd", "mldd"),
    ("device", "--device cpu --out /proc/x", "--out"),
    ("device", "--device cpu --set foo", "foo"),
    ("device", "--device cpu --set models.mld.width=-1", "width"),
    ("device", "--device cpu --set models.mvae.latent=8", "mvae"),
    ("device", "--minutes 0", "--minutes"),
    ("diffusion_speed", "--device cuda:99", "--device"),
    ("diffusion_speed", "--steps 0", "--steps"),
    ("diffusion_speed", "--patch 3", "--patch"),
    ("peers", "--precision float8", "--precision"),
    ("peers", "distances --rounds 1", "--rounds"),
    ("peers", "inception --weights /nonexist", "--weights"),
    ("peers", "vaes --device cuda:99", "--device"),
    ("peers", "vae", "vae"),
    ("quality", "--data /nonexist", "--data"),
    ("quality", "--dataset mhd-minii", "mhd-minii"),
    ("quality", "--dataset polymnist --data /nonexist", "--data"),
    ("quality", "--dataset polymnist --protocol compact", "--data"),
    ("quality", "--examples 0", "--examples"),
    ("quality", "--examples 10000000", "--examples"),
    ("quality", "--model mldd", "mldd"),
    ("quality", "--out=", "--out"),
    ("quality", "--out /proc/x", "--out"),
    ("quality", "--out /dev/null/x", "--out"),
    ("quality", "--protocol compact", "compact"),
    ("quality", "--seed -1", "--seed"),
    ("quality", "--seed ten", "--seed"),
    ("quality", "--set foo", "foo"),
    ("quality", "--set models.mld.width=-1", "width"),
    ("quality", "--set models.mld.score.epoch=1", "epoch"),
    ("records_speed", "--records 0", "--records"),
    ("records_speed", "--records 1000001", "1,000,000"),
    ("records_speed", "--folder=", "--folder"),
    ("records_speed", "--folder /nonexist", "--folder"),
    ("sampler_spread", "5", "5"),
    ("sampler_spread", "foo", "foo"),
    ("sampler_spread", "{name='reepaint'}", "reepaint"),
    ("scaling", "--models mldd", "--models"),
    ("scaling", "--out x.foo", "--out"),
    ("scaling", "--out /nonexist/x.svg", "--out"),
    ("score_speed", "--batch 0", "--batch"),
    ("score_speed", "--width 1001", "1001"),
    ("start_speed", "--dataset mhd-minii", "mhd-minii"),
    ("start_speed", "--model cub", "cub"),
    ("start_speed", "--beside /bin/false", "/bin/false"),
    ("start_speed", "--beside /etc/passwd", "/etc/passwd"),
    ("start_speed", "--beside /nonexist", "--beside"),
]


@pytest.fixture
def held(toy, monkeypatch):
    """A twin of few examples, none held out; what has files is looked for as always."""
    usual = mmbench.load_dataset
    some = lambda name, *more: toy if name in quality.TWINS else usual(name, *more)
    monkeypatch.setattr(mmbench, "load_dataset", some, raising=False)
    monkeypatch.setattr(quality, "held_out", lambda *_: pytest.fail("before all is known to fit"))
    monkeypatch.delenv("MMBENCH_DATA", raising=False)


@pytest.mark.parametrize(("name", "words", "named"), BAD)
def test_bad_input_is_refused_by_a_sentence(name, words, named, held, monkeypatch, capsys):
    assert call(monkeypatch, name, *words.split()) == 2
    said = capsys.readouterr()
    line, *more = said.err.splitlines()
    assert named in line and not more and not said.out


def test_every_command_is_given_bad_input():
    assert {name for name, *_ in BAD} == set(NAMES)


def test_a_data_set_with_too_few_examples_to_hold_out_is_refused(toy):
    with pytest.raises(ValueError, match="5,000"):
        quality.held_out(replace(toy, name="mine"), 100)


def test_a_repeated_option_adds_to_its_values_and_replaces_its_default():
    parser = command.Parser("quality", "About.")
    parser.add_run()
    parser.add_argument("--seed", type=int, nargs="+", action=command.Several, default=[1, 2])
    asked = parser.parse_args(["--set", "a=1", "b=2", "--seed", "5", "--set", "c=3"])
    assert (asked.set, asked.seed) == (["a=1", "b=2", "c=3"], [5])
    asked = parser.parse_args([])
    assert (asked.set, asked.seed) == ([], [1, 2])


def test_an_interrupted_command_ends_by_a_sentence(capsys):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        command.run(interrupt)
    assert end.value.code == 1 and len(capsys.readouterr().err.split("\n")) == 3
    for name in NAMES:
        script = next(p for p in (HERE / f"{name}.py", HERE / name / "__main__.py") if p.exists())
        assert script.read_text().endswith("\n    command.run(main)\n")


@pytest.mark.parametrize("name", ["diffusion_speed", "score_speed"])
def test_what_the_machine_cannot_hold_is_refused_by_a_sentence(name, monkeypatch):
    module = import_module(f"tests.benchmarks.{name}")
    monkeypatch.setattr(sys, "argv", [name, "--batch", str(10**14)])
    with pytest.raises(SystemExit) as end:
        command.run(module.main)
    assert "memory" in end.value.code and "\n" not in end.value.code


def test_a_process_that_fails_has_said_why():
    fails = [sys.executable, "-c", "raise SystemExit(3)"]
    with pytest.raises(SystemExit) as end:
        command.run(lambda: subprocess.run(fails, check=True))
    assert end.value.code == 3


@pytest.mark.parametrize("kind", [RuntimeError, TypeError, ValueError])
def test_a_defect_of_a_command_keeps_its_traceback(kind):
    def broken():
        raise kind("a mistake of ours")

    with pytest.raises(kind):
        command.run(broken)


def test_a_seed_that_is_given_twice_is_measured_once(toy, monkeypatch, capsys):
    trained = []
    run = SimpleNamespace(record=SimpleNamespace(seconds={"vae": 1.0}))
    train = lambda model, data, seed, *_, **__: trained.append(seed) or run
    columns = ("metric", "given", "target", "value")
    frame = pandas.DataFrame([("coherence", "", "joint", 50.0)], columns=columns)
    monkeypatch.setattr(quality, "prepared", lambda *_: toy)
    monkeypatch.setattr(mmbench, "train", train, raising=False)
    monkeypatch.setattr(mmbench, "evaluate", lambda _: frame, raising=False)
    monkeypatch.setattr(sys, "argv", ["quality", "--seed", "11", "10", "--seed", "11"])
    quality.main()
    assert trained == [11, 10]
    assert "seeds [11, 10]" in capsys.readouterr().out


def test_pythons_that_are_timed_beside_one_another_take_turns(tmp_path, monkeypatch, capsys):
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    other.chmod(0o755)
    timed = []
    monkeypatch.setattr(start_speed, "seconds", lambda python, *_: timed.append(python) or (1, 2))
    words = ["start_speed", "--times", "2", "--beside", str(other)]
    monkeypatch.setattr(sys, "argv", words)
    start_speed.main()
    assert timed == [sys.executable, str(other)] * 3  # the first turn does not count
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(sys.executable) and second.startswith(str(other))


def test_the_spread_of_every_sampler_of_a_protocol_is_printed_once(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sampler_spread"])
    sampler_spread.main()
    _, *rows = capsys.readouterr().out.splitlines()
    assert len(set(rows)) == len(rows)
    fast = [make_sampler(samplers(name)["fast"]).evaluations for name in ("mhd", "polymnist")]
    assert {2410, 116, 89, *fast} <= {int(row.split()[0].replace(",", "")) for row in rows}


SAMPLERS = [
    {"name": "repaint", "steps": 12, "resamplings": 3, "jump": 1},
    {"name": "predictor-corrector", "steps": 12, "corrections": 2, "snr": 0.3},
]


@pytest.mark.parametrize("table", SAMPLERS)
def test_the_spread_that_a_sampler_keeps_is_that_of_what_it_draws(table):
    sampler, sde, s, n = make_sampler(table), VPSDE(), 0.5, 20_000
    score = lambda r, t: -r / ((sde.alpha(t) * s) ** 2 + sde.sigma(t) ** 2)
    free = torch.ones(1, dtype=torch.bool)
    drawn = sampler.sample(score, sde, torch.zeros(n, 1), free, torch.Generator().manual_seed(0))
    assert sampler_spread.kept(sampler, sde, s) == pytest.approx(drawn.std().item() / s, rel=0.02)


@pytest.mark.parametrize("kind", [KeyError, AssertionError, KeyboardInterrupt, ZeroDivisionError])
def test_a_defect_and_an_interruption_keep_their_traceback(kind):
    def broken():
        raise kind("a mistake of ours")

    with pytest.raises(kind) as caught, command.Parser("quality", "About.").refusing():
        broken()
    assert "broken" in [entry.name for entry in caught.traceback]
    assert argument("folder") == "folder"  # as before


class FirstSteps(Trainer):
    """Takes the first step of each stage, of two examples."""

    def minimise(self, stage, module, loss, examples, with_, content=None):
        loss(torch.arange(2), torch.Generator().manual_seed(0)).backward()


SIZES = [
    {**scaling.USUAL, what: value, "training examples N": 300}
    for what, values in scaling.VARIED.items()
    for value in values
    if what != "training examples N"
]


SLOW = pytest.param("diff-mvae-star", marks=pytest.mark.slow)  # it imports diffusers


@pytest.mark.parametrize("model", ["mld", "mopoe", SLOW])
def test_every_size_of_a_model_takes_its_first_steps(model, tmp_path, monkeypatch):
    built = []

    class Session:
        def __init__(self, *_):
            pass

        def estimate(self, run):
            trainer = FirstSteps(tmp_path, 0, run.device, Progress(None))
            run.build().fit(run.dataset.train, trainer)
            built.append(len(run.dataset.modalities))
            stages = (scaling.GENERATION, scaling.SCORING)
            return Estimate("", "", tuple(map(Stage, stages)))

    monkeypatch.setattr(scaling, "Session", Session)
    for size in SIZES:
        scaling.cost(model, size, tmp_path)
    assert built == [size["modalities M"] for size in SIZES]
