"""Messages name what their reader writes: options on the command line, arguments in Python."""

from inspect import signature

import click
import pytest

import mmbench
import mmbench.cli.main  # which has arguments spelt as options
from mmbench.cli.demo import demo
from mmbench.cli.run import run
from mmbench.cli.samples import evaluate
from mmbench.errors import argument

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


def test_whatever_train_takes_is_an_option():
    taken = set(signature(mmbench.train).parameters) - {"quiet"}
    with click.Context(run):
        assert all(argument(name).startswith("--") for name in taken)
