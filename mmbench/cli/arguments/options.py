"""What several commands share: their options, and what they print.

Heavy packages are imported within the functions that need them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from mmbench.cli.arguments.parsing import Place, Seed, Whole
from mmbench.errors import hint
from mmbench.registry import expect
from mmbench.tracking import TRACKERS

if TYPE_CHECKING:
    from mmbench.records.record import Record
    from mmbench.registry import Group

Command = TypeVar("Command", bound=Callable[..., None])

SHOWN = 20
"""Faults that are printed."""


def drawable(context: click.Context, option: click.Parameter, path: Path) -> Path:
    """The path of a figure, refused before any work if no figure has its format."""
    from mmbench.leaderboard.figures.style import check_format

    check_format(path)
    return path


def trackable(context: click.Context, option: click.Parameter, tracker: str | None) -> str | None:
    """The name of a tracker, refused before any work if it is not installed."""
    from mmbench.tracking.tracking import expect_installed

    if tracker is not None:
        expect_installed(tracker)
    return tracker


path = partial(click.option, type=Place())
file = partial(click.option, type=Place(dir_okay=False), metavar="FILE")
folder = partial(click.option, type=Place(file_okay=False), metavar="DIR")
number = partial(click.option, type=Whole(min=0))
count = partial(click.option, type=Whole(min=1), show_default=True)
several = partial(click.option, multiple=True)


def registered(group: Group) -> Callable[[click.Context, click.Parameter, str], str]:
    """Refuses a misspelt name before any library is imported."""

    def check(context: click.Context, option: click.Parameter, name: str) -> str:
        if name:
            expect(group, name)
        return name

    return check


data = path(
    "--data",
    envvar="MMBENCH_DATA",
    metavar="DIR",
    help="Folder of the data set's files; not needed for a TOML file, which names its own.  "
    "[env: MMBENCH_DATA; default: where 'mmbench data download' puts them]",
)
dataset = click.option(
    "--dataset",
    default="mhd-mini",
    show_default=True,
    callback=registered("datasets"),
    metavar="NAME",
    help="A registered data set (see 'mmbench list datasets'), module:object, FILE.py:OBJECT, or "
    "a TOML file that describes your own.",
)
dataset_of_records = click.option(
    "--dataset",
    callback=registered("datasets"),
    metavar="NAME",
    help="The data set as module:object, FILE.py:OBJECT or a TOML file, if the record's is not "
    "registered.",
)
device = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="DEVICE",
    help="cpu, cuda, cuda:1, ...; auto is cuda where there is one.",
)
folders = folder(
    "--results",
    "folders",
    multiple=True,
    default=["results"],
    show_default=True,
    help="A results folder; may be repeated. A record found in several counts once.",
)
keep_weights = click.option(
    "--keep-weights",
    is_flag=True,
    help="After a change of the model's code, draw from the weights that the other code trained.",
)
model = click.option(
    "--model",
    default="mld",
    show_default=True,
    callback=registered("models"),
    metavar="NAME",
    help="A registered model (see 'mmbench list models'), module:class or FILE.py:CLASS.",
)
model_of_run = click.option(
    "--model",
    metavar="FILE.py:CLASS",
    help="Where the file that defines the run's model is now, if it has moved since the training.",
)
picture = file("--out", required=True, callback=drawable, help="The figure, .png or .svg.")
protocol = click.option(
    "--protocol",
    metavar="NAME|FILE",
    help="Use this protocol, not the data set's own: a paper's, such as diff-mvae for cub, or a "
    "file, which is laid over it unless it says whole = true.",
)
results = folder("--out", default="results", show_default=True, help="The results folder.")
retrain = click.option(
    "--retrain", is_flag=True, help="After a change of the model's code, train anew."
)
seeds = several(
    "--seed",
    "seeds",
    type=Seed(min=0),
    default=[0],
    metavar="N ...",
    help="Seed of the run; one run for each.  [default: 0]",
)
settings = several(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    help="Override a value of the protocol, e.g. models.mld.score.epochs=10; may be repeated.",
)
track = click.option(
    "--track",
    type=click.Choice([*TRACKERS]),
    callback=trackable,
    help="Log losses, scores and the grid of samples there, too; each needs its extra.",
)
trained_run = path(
    "--run",
    "run_path",
    required=True,
    metavar="RUN",
    help="A record, results/<dataset>/<model>/<seed>-<key>.json, the folder of its weights, or "
    "that of a model with one trained run.",
)
weights = several(
    "--weights",
    "assignments",
    metavar="NAME=FILE",
    help="Weights of a pretrained network (see 'mmbench list extractors'); may be repeated.  "
    "[default: the published file, in the folder MMBENCH_WEIGHTS or torch's cache]",
)


def decorated(*several: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Some options as one decorator, in their order."""

    def add(command: Command) -> Command:
        for option in reversed(several):
            command = option(command)
        return command

    return add


beside_run = decorated(model_of_run, dataset_of_records, data, device, keep_weights)
"""What commands that draw from a trained run take beside `trained_run`."""


def count_stale(records: Iterable[Record]) -> None:
    """Says how many of some records are stale, and thus not counted."""
    from mmbench.records.versions import stale

    if count := sum(bool(stale(r)) for r in records):
        which = "1 stale record is" if count == 1 else f"{count:,} stale records are"
        click.echo(f"{which} left out: see {hint('records stale')}", err=True)


def refuse(faults: Sequence[str]) -> None:
    """Ends a command that was given files with faults, of which the first 20 are printed."""
    for fault in faults[:SHOWN]:
        click.echo(fault, err=True)
    more = f"; {len(faults) - SHOWN:,} are not shown" if len(faults) > SHOWN else ""
    if faults:
        count = f" for {len(faults):,} faults{more}" if len(faults) > 1 else ""
        raise click.ClickException(f"refused{count}")


def show(records: list[Record], out: Path) -> None:
    """Prints a summary of records of one model and where the rest is, in a results folder."""
    from shlex import join

    from mmbench.leaderboard.summary import summaries
    from mmbench.leaderboard.tables.render import render
    from mmbench.records.paths import Place

    click.echo(render(summaries(records), "terminal"))
    places = [Place.of(r) for r in records]
    files = ", ".join(place.record.name for place in places)
    beside = "it" if len(places) == 1 else "each"
    click.echo(
        f"In {out / places[0].home}: {files}, and samples in a picture beside {beside} (.png)"
    )
    where = [] if out == Path("results") else ["--results", str(out)]
    of = ["--dataset", places[0].dataset, "--model", places[0].model]
    click.echo(
        f"Every target and given subset: {join(['mmbench', 'table', '--full', *where, *of])}"
    )
