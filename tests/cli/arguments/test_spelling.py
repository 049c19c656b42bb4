"""Messages name what their reader writes: options on the command line, arguments in Python."""

from inspect import signature

import click
import pytest

import mmbench
import mmbench.cli.main  # which has arguments spelt as options
from mmbench.cli.analysis import ablate
from mmbench.cli.claims import claims
from mmbench.cli.data import verify
from mmbench.cli.demo import demo
from mmbench.cli.run import run
from mmbench.cli.samples import evaluate
from mmbench.errors import argument, hint

FILE = {"inception": "FILE"}


@pytest.mark.parametrize(
    ("command", "name", "value", "words"),
    [
        (None, "keep_weights", True, "keep_weights=True"),
        (None, "folder", None, "folder"),
        (None, "weights", FILE, "weights={'inception': 'FILE'}"),
        (run, "keep_weights", True, "--keep-weights"),
        (run, "folder", None, "--data"),
        (run, "data", None, "--dataset"),
        (run, "weights", FILE, "--weights inception=FILE"),
        (run, "sampler", "fast", "--sampler fast"),
        (run, "again", True, "--rescore"),
        (evaluate, "again", True, "--replace"),
        (demo, "retrain", True, "'mmbench run --retrain'"),
        (demo, "weights", FILE, "'mmbench run --weights inception=FILE'"),
    ],
)
def test_an_argument_is_an_option_of_the_command_that_runs(command, name, value, words):
    if command is None:
        assert argument(name, value) == words
        return
    with click.Context(command):
        assert argument(name, value) == words


@pytest.mark.parametrize(
    ("command", "given", "hinted"),
    [
        (claims, ["--results", "records"], "mmbench records stale --results records"),
        (claims, ["--results", "a b", "--results", "c"], "{} --results 'a b' --results c"),
        (claims, [], "{}"),
        (claims, ["--results", "results"], "{}"),
        (run, ["--out", "elsewhere"], "{} --results elsewhere"),
        (run, ["--data", "there"], "{}"),
        (ablate, ["d"], "{} --results ablations"),
        (None, [], "{}"),
    ],
)
def test_a_command_that_is_named_has_the_folders_of_the_one_that_runs(command, given, hinted):
    hinted = hinted.format("mmbench records stale")
    if command is None:
        assert hint("records stale") == hinted
        return
    with command.make_context(command.name, given):
        assert hint("records stale") == hinted


def test_a_download_goes_where_the_data_are_looked_for(monkeypatch):
    monkeypatch.delenv("MMBENCH_DATA", raising=False)
    for command, given in ((run, []), (verify, ["mhd"])):
        with command.make_context("x", [*given, "--data", "there"]):
            assert hint("data download mhd") == "mmbench data download mhd --data there"
        with command.make_context("x", given):
            assert hint("data download mhd") == "mmbench data download mhd"


def test_whatever_train_takes_is_an_option():
    taken = set(signature(mmbench.train).parameters) - {"quiet"}
    with click.Context(run):
        assert all(argument(name).startswith("--") for name in taken)
