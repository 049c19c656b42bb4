"""Arguments of the Python interface as the options of the command that is running."""

import click

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
