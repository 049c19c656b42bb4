"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click


class Numbers(click.Command):
    """A command that takes "--seed 0 1 2" for "--seed 0 --seed 1 --seed 2"."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:  # noqa: D102
        spelt: list[str] = []
        seeds = False
        for arg in args:
            if seeds and arg.isdigit() and spelt[-1] != "--seed":
                spelt.append("--seed")
            elif not arg.isdigit():
                seeds = arg == "--seed"
            spelt.append(arg)
        return super().parse_args(ctx, spelt)


data = click.option(
    "--data",
    type=click.Path(path_type=Path),
    envvar="MMBENCH_DATA",
    metavar="DIR",
    help="Where the data set's files lie; a TOML file tells it itself.  [env: MMBENCH_DATA; "
    "default: where 'mmbench data download' puts them]",
)
dataset_of_records = click.option(
    "--dataset",
    metavar="NAME",
    help="The data set, where the record's name for it is not a registered one: module:object or "
    "a TOML file.",
)
device = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="DEVICE",
    help="cpu, cuda, cuda:1, ... or auto.",
)
folders = click.option(
    "--results",
    "folders",
    type=click.Path(path_type=Path, file_okay=False),
    multiple=True,
    default=["results"],
    show_default=True,
    metavar="DIR",
    help="A results folder; may be repeated: a record that lies in several counts once.",
)
seeds = click.option(
    "--seed",
    "seeds",
    type=click.IntRange(min=0),
    multiple=True,
    default=[0],
    show_default=False,
    metavar="N ...",
    help="Seed of the run; several make several runs.  [default: 0]",
)
settings = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Overrides a protocol's value, e.g. models.mld.score.epochs=10.",
)
