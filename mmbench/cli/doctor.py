"""The command `doctor`. Heavy packages are imported when it is called."""

from __future__ import annotations

from pathlib import Path

import click

from mmbench.cli.arguments import options


@click.command()
@options.results
@click.option(
    "--clean",
    is_flag=True,
    help="Remove from the cache what is made again when it is needed; downloads and evaluation "
    "networks stay.",
)
def doctor(out: Path, clean: bool) -> None:
    """Show versions, device, caches, and which extras, weights and data sets are there.

    A line that begins with "!" says how to get what is missing. Nothing is downloaded.

    \b
    Examples:
      mmbench doctor
      mmbench doctor --out /shared/results
      mmbench doctor --clean
    """
    from mmbench.api import doctor as machine
    from mmbench.files.transfer import readable

    if clean:
        removed, freed = machine.clean()
        for path in removed:
            click.echo(f"removed {path}")
        click.echo(f"{readable(freed)} freed")
        return
    for topic, lines in machine.examine(out):
        click.secho(topic, bold=True)
        for line in lines:
            click.echo(f"  {line}")
