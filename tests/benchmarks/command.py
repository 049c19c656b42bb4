"""What the commands of this folder share: a wrong word in one ends it by one sentence.

It imports no PyTorch by itself: some commands measure how long imports take, or how much memory
a process holds that has none.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mmbench import errors
from mmbench.cli.arguments.spelling import OTHERWISE
from mmbench.protocols.protocol import load, of_model
from mmbench.registry import expect

if TYPE_CHECKING:
    import torch

REFUSED, INTERRUPTED = 2, 1
"""Exit codes."""


def run(main: Callable[[], None]) -> None:
    """Runs a command, which ends by one sentence on Ctrl-C, or where the machine has too little.

    A process of its own that fails has said why.
    """
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
    except (MemoryError, OSError, RuntimeError, TypeError) as error:
        if not (words := sentence(error)):
            raise
        sys.exit(words)
    except KeyboardInterrupt:
        print("\nAborted: trained runs are kept, other figures are measured anew", file=sys.stderr)
        sys.exit(INTERRUPTED)


def sentence(error: Exception) -> str:
    """What is wrong, without lines of code, as the files of this folder are not a user's own."""
    trace, error.__traceback__ = error.__traceback__, None
    try:
        return errors.sentence(error)
    finally:
        error.__traceback__ = trace


class Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Help that ends in the default of an option, where it has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False):
            return action.help
        if isinstance(action.default, list | tuple):
            return f"{action.help} (default: {' '.join(map(str, action.default)) or 'none'})"
        return super()._get_help_string(action)


class Several(argparse.Action):
    """An option of several values, in the place of its default: repeated, it adds to them."""

    def __call__(self, parser, namespace, values, option_string=None):
        known = getattr(namespace, self.dest)
        setattr(namespace, self.dest, values if known is self.default else [*known, *values])


class Parser(argparse.ArgumentParser):
    """The options of the command `python -m tests.benchmarks.NAME`.

    Args:
        name: Its module.
        about: The module's docstring, whose first paragraph is shown.
    """

    def __init__(self, name: str, about: str | None) -> None:
        first = (about or "").partition("\n\n")[0]
        prog = f"python -m tests.benchmarks.{name}"
        super().__init__(prog=prog, description=first, formatter_class=Defaults)

    def error(self, message: str):
        self.exit(REFUSED, f"{self.prog}: {message}\n")

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Ends the command by one sentence if what is checked here does not fit."""
        spelling, errors.spelling = errors.spelling, option
        try:
            yield
        except Exception as error:
            if not (words := sentence(error)):
                raise
            self.error(words)
        finally:
            errors.spelling = spelling

    def add_run(self, model: str = "mld") -> None:
        """Adds the options of a trial that trains a model and keeps it."""
        self.add_argument("--model", default=model, metavar="NAME", help="the model to train")
        self.add_settings("results/held-out")

    def add_settings(self, out: str) -> None:
        """Adds the options of how runs are made and where they are kept."""
        self.add_argument(
            "--set",
            action=Several,
            nargs="+",
            default=[],
            metavar="KEY=VALUE",
            help="values of the protocol to override, such as models.mld.width=256",
        )
        self.add_argument(
            "--out",
            type=results,
            default=out,
            metavar="DIR",
            help="the results folder, whose runs are not made twice",
        )


def expect_run(
    model: str, dataset: str, protocol: str | None = None, settings: Sequence[str] = ()
) -> None:
    """Refuses a run whose words alone are wrong, before a library is imported or data are made."""
    expect("models", model)
    expect("datasets", dataset)
    of_model(load(dataset, protocol, settings, model), model)


def option(name: str, value: object = None) -> str:
    """An argument of the Python interface as these commands spell it."""
    flag = OTHERWISE.get(name, (f"--{name.replace('_', '-')}",))[0]
    return flag if value is None else f"{flag} {value}"


def whole(least: int, most: int = 10**18) -> Callable[[str], int]:
    """A type of options: whole numbers of a range."""

    def read(text: str) -> int:
        if re.fullmatch(r"(?a:-?\d{1,18})", text) and least <= int(text) <= most:
            return int(text)
        limit = "" if most == 10**18 else f" and at most {most:,}"
        expected = f"expected a whole number of at least {least:,}{limit}"
        raise argparse.ArgumentTypeError(f"{text!r} does not fit, {expected}")

    return read


def file(text: str) -> Path:
    """A type of options: files that are there."""
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text!r}")
    return Path(text).absolute()


def python(text: str) -> Path:
    """A type of options: Pythons that have mmbench."""
    path = file(text)
    try:
        done = subprocess.run([path, "-P", "-c", "import mmbench"], capture_output=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text!r} does not run: {error.strerror}") from None
    if done.returncode:
        raise argparse.ArgumentTypeError(f"{text!r} is no Python that has mmbench")
    return path


def path(text: str) -> Path:
    """A type of options: paths, of which the empty one does not mean the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty, expected that of a folder")
    return Path(text)


def folder(text: str) -> Path:
    """A type of options: folders that are there and take files."""
    try:
        with tempfile.TemporaryFile(dir=path(text)):
            return Path(text)
    except OSError as error:
        wrong = f"the folder {text!r} takes no files"
        raise argparse.ArgumentTypeError(f"{wrong}: {error.strerror}") from None


def results(text: str) -> Path:
    """A type of options: folders that take files, or can be made where one does."""
    place = path(text)
    folder(str(next(p for p in (place, *place.parents) if os.path.lexists(p))))
    return place


def figure(text: str) -> Path:
    """A type of options: figures that can be drawn and written."""
    from mmbench.leaderboard.figures.style import FORMATS

    path = Path(text)
    if path.suffix not in FORMATS or path.is_dir():
        ends = " or ".join(FORMATS)
        raise argparse.ArgumentTypeError(f"{text!r} names no figure, expected one in {ends}")
    folder(str(path.parent))
    return path


def device(text: str) -> torch.device:
    """A type of options: devices that compute.

    It leaves PyTorch's settings, which what is timed depends on, unlike mmbench's own.
    """
    import torch

    from mmbench.api.device import expect_usable

    try:
        expect_usable(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return torch.device(text)
