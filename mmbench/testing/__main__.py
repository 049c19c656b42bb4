"""`python -m mmbench.testing my_file.py:MyModel`: checks a model on the command line."""

import sys

import click

from mmbench.cli.arguments import options, parsing
from mmbench.cli.main import Sentences
from mmbench.testing import brief
from mmbench.testing.checks import CHECKS


class Told(Sentences, parsing.Several):
    """A command that shows its errors as sentences."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:  # noqa: D102
        parsing.expect_fit(self, ctx, args)
        return super().parse_args(ctx, args)


@click.command(cls=Told, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model")
@click.option(
    "--dataset",
    default=brief.TOY,
    metavar="NAME",
    help="The data set that it is trained on for a moment: as for 'mmbench run'.  [default: one "
    "that is made at once, of images, trajectories and sounds]",
)
@options.settings
def check(model: str, dataset: str, settings: tuple[str, ...]) -> None:
    """Check a model as those of mmbench are checked.

    MODEL is a registered name, module:class or file.py:class. Each fault is reported in a
    sentence that says what to do.
    """
    of = brief.briefly_trained(model, dataset, settings)
    wide, wrong = max(map(len, CHECKS)), 0
    for name in CHECKS:
        found = brief.faults(of, name)
        wrong += len(found)
        for line in found or ["right"]:
            click.echo(f"{name:<{wide}}  {line}")
    if wrong:
        click.echo(f"{wrong} {'fault' if wrong == 1 else 'faults'} found", err=True)
        sys.exit(1)


if __name__ == "__main__":
    check(prog_name="python -m mmbench.testing")
