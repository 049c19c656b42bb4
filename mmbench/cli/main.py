"""The command line: `mmbench`, its commands, and how errors are shown.

A command's module is imported when the command is called, and heavy packages within the command.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, cast

import click

from mmbench import __version__, errors
from mmbench.cli.arguments.parsing import Lazy, Nearest
from mmbench.cli.arguments.spelling import option, repeated
from mmbench.errors import first_line, sentence
from mmbench.files.locks import Busy

if TYPE_CHECKING:
    from mmbench.registry import Group

errors.spelling, errors.repeating = option, repeated


class Terminated(BaseException):
    """The process was asked to end, by SIGTERM."""


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Lets SIGTERM, too, remove temporary files before it ends the process.

    A second one ends it at once. A process that ignores or handles the signal goes on doing so.
    """

    def unwind(*_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    main_thread = threading.current_thread() is threading.main_thread()  # others cannot set it
    if not main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    except Terminated:
        os.kill(os.getpid(), signal.SIGTERM)  # whoever waits sees by which signal it ended
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


class Later(click.ClickException):
    """What another process is doing at this time."""

    exit_code = Busy.exit_code


class Sentences(click.Command):
    """A command that shows what a user caused as one sentence, without a traceback.

    With MMBENCH_DEBUG set, the traceback shows.

    Attributes:
        stopped: What is said after Ctrl-C.
    """

    stopped = "Aborted: nothing saved is lost, the same command goes on from there"

    def invoke(self, ctx: click.Context) -> Any:  # noqa: D102
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # click ends without a word: the reader, such as `head`, has seen enough
        except (KeyboardInterrupt, click.Abort):
            click.echo(f"\n{self.stopped}", err=True)
            raise click.exceptions.Exit(1) from None
        except Exception as error:
            words = sentence(error)
            if not words or os.environ.get("MMBENCH_DEBUG"):
                raise
            kind = Later if isinstance(error, Busy) else click.ClickException
            raise kind(words) from None


class Commands(Sentences, Lazy):
    """All commands but `list`."""

    places: ClassVar[dict[str, str]] = {
        "ablate": "mmbench.cli.analysis:ablate",
        "check": "mmbench.cli.claims:check",
        "claims": "mmbench.cli.claims:claims",
        "data": "mmbench.cli.data:data",
        "demo": "mmbench.cli.demo:demo",
        "doctor": "mmbench.cli.doctor:doctor",
        "evaluate": "mmbench.cli.samples:evaluate",
        "figure": "mmbench.cli.figures:figure",
        "generate": "mmbench.cli.samples:generate",
        "leaderboard": "mmbench.cli.leaderboard:leaderboard",
        "new": "mmbench.cli.new:new",
        "page": "mmbench.cli.leaderboard:page",
        "robustness": "mmbench.cli.analysis:robustness",
        "records": "mmbench.cli.leaderboard:records",
        "run": "mmbench.cli.run:run",
        "sweep": "mmbench.cli.sweep:sweep",
        "table": "mmbench.cli.leaderboard:table",
    }
    others: ClassVar[dict[str, str]] = {
        "train": "'mmbench run' trains, generates and scores",
        "score": "'mmbench evaluate' scores samples, 'mmbench run' a model",
        "sample": "'mmbench generate' draws samples",
        "show": "'mmbench table' shows results, 'mmbench data show' a data set",
    }

    def main(self, *arguments: Any, **options: Any) -> Any:  # noqa: D102
        with ending_in_order():
            return super().main(*arguments, **options)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:  # noqa: D102
        # before any line: a console of few characters shows question marks for ± and arrows
        if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
            sys.stdout.reconfigure(errors="replace")
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            hint = f"give it after the command, as in 'mmbench run {error.option_name} ...'"
            wrong = f"there is no option {error.option_name} of mmbench itself"
            raise click.UsageError(f"{wrong}: {hint}", ctx) from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mmbench")
def main() -> None:
    """Benchmark multi-modal generative models: any subset of modalities from any other."""


OTHER = "any other data set"
"""Whose protocol is the default one."""

GROUPS = ["models", "datasets", "metrics", "extractors", "networks", "protocols", "samplers"]


@main.command("list")
@click.argument("group", type=Nearest(GROUPS))
def list_(group: str) -> None:
    """List what is registered, with its paper and what it needs; or the protocols or samplers."""
    kinds = {"protocols": _protocols, "samplers": _samplers}
    found = kinds[group]() if group in kinds else _registered(cast("Group", group))
    wide = max(19, *map(len, found))
    for name, lines in found.items():
        for title, line in zip_longest([name], lines, fillvalue=""):
            click.echo(f"{title:<{wide}} {line}")


def _protocols() -> dict[str, list[str]]:
    """Data set -> its protocols by name, with their papers."""
    from mmbench.leaderboard.papers.layouts import CITATIONS
    from mmbench.protocols.shipped import COMPACT, every

    about = {**CITATIONS, COMPACT: "the first one's methods and networks, trained on two cores"}
    found: dict[str, list[str]] = {}
    for dataset, name in every():
        own = "its own" if dataset else "default: networks by kind and shape"
        line = f"{name}: {about[name]}" if name else f"{own}, of no paper"
        if dataset in found:
            line += f"; by --protocol {name}"
        found.setdefault(dataset or OTHER, []).append(line)
    return found


def _samplers() -> dict[str, list[str]]:
    """Sampler or preset -> what a sample costs, and which data sets' protocols name it."""
    from mmbench.models.diffusion.sampler import Sampler
    from mmbench.models.diffusion.samplers import SAMPLERS, make_sampler
    from mmbench.protocols.shipped import every, samplers

    def cost(settings: dict[str, Any]) -> str:
        sampler: Sampler = make_sampler(settings)
        return f"{sampler.evaluations:,}"

    found: dict[str, dict[str, list[str]]] = {name: {} for name in SAMPLERS}
    for dataset, which in every():
        for preset, settings in samplers(dataset, which).items():
            name = settings["name"]
            line = f"{cost(settings)} by --sampler {preset}, which is {name}, on"
            line = line if preset else f"{cost(settings)} by the protocols for"
            found.setdefault(preset or name, {}).setdefault(line, []).append(dataset or OTHER)
    for name in SAMPLERS:
        default = f"{cost({'name': name})} network evaluations a sample by default"
        found[name] = {default: [], **found[name]}
    return {
        name: [f"{line} {', '.join(dict.fromkeys(of))}".rstrip() for line, of in lines.items()]
        for name, lines in found.items()
    }


def _registered(group: Group) -> dict[str, list[str]]:
    """Name -> what is said of each registered object of a group."""
    from mmbench.extras import command, installed
    from mmbench.registry import names

    found = {}
    for name, entry in names(group).items():
        try:
            lines = _described(group, name)
        except Exception as error:  # another package's mistakes hide nothing of the others
            lines = [f"cannot be imported: {first_line(error)}"]
        else:
            for extra in entry.extras:
                state = "is installed" if installed(extra) else f"is missing: {command(extra)}"
                lines[-1] += f"; extra [{extra}] {state}"
        found[name] = lines
    return found


def _described(group: Group, name: str) -> list[str]:
    """The lines of `list` about one registered object; the last says what it needs."""
    from mmbench.declarations import declared
    from mmbench.registry import names, place

    if group == "networks":
        return [place(group, name)]
    facts = declared(group, name, "title", "paper")
    if not isinstance(facts.get("title"), str) or "paper" not in facts:
        return [f"is no {group[:-1]}: {place(group, name)}"]
    title, judge = facts["title"], facts.get("judge") or ""
    if group == "metrics":
        unit = f", in {facts['unit']}" if facts.get("unit") else ""
        title += f": {facts['better']} is better{unit}"
    card = declared("extractors", judge, "url") if judge in names("extractors") else facts
    url = card.get("url") or card.get("download")
    return [title, facts["paper"], f"needs {url}" if url else "nothing to download"]
