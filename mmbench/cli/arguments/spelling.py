"""Arguments of the Python interface, and other commands, in words of the command line."""

from shlex import join

import click
from click.core import ParameterSource

from mmbench import errors

OTHERWISE = {
    "again": ("--rescore", "--replace"),
    "data": ("--dataset",),
    "folder": ("--data",),
    "settings": ("--set",),
}
"""Arguments of the Python interface -> the options that are not called like them."""


def option(name: str, value: object = None) -> str:
    """An argument of the Python interface as an option of the command that is running.

    One that the command lacks is an option of `mmbench run`. Where no command is running, it is
    spelt as in Python.
    """
    context = click.get_current_context(silent=True)
    if context is None:
        return errors.in_python(name, value)
    known = {flag for parameter in context.command.params for flag in parameter.opts}
    flags = OTHERWISE.get(name, (f"--{name.replace('_', '-')}",))
    flag = next((f for f in flags if f in known), None)
    texts = [f"{key}={of}" for key, of in value.items()] if isinstance(value, dict) else [value]
    words = [flag or flags[0], *(str(text) for text in texts if text not in (None, True))]
    return " ".join(words) if flag else f"'mmbench run {' '.join(words)}'"


def repeated(command: str) -> str:
    """A command with the folders that the one that is running was given, of results or of data.

    Args:
        command: Its words, such as "records stale" or "data download mhd".
    """
    context = click.get_current_context(silent=True)
    names = ("data", "folder") if command.startswith("data ") else ("folders", "out")
    name = next((n for n in names if context and n in context.params), "")
    if context is None or not name or "run_path" in context.params:
        return errors.bare(command)
    flag, given = "--data" if name in ("data", "folder") else "--results", context.params[name]
    folders = [str(folder) for folder in (given if isinstance(given, tuple) else [given])]
    if name != "out" and context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
        return errors.bare(command)  # which has the same default
    words = [word for folder in folders if folders != ["results"] for word in (flag, folder)]
    return f"{errors.bare(command)} {join(words)}".rstrip()
