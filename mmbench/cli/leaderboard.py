"""The `leaderboard` commands. Heavy packages are imported by the commands that need them."""

from __future__ import annotations

from pathlib import Path

import click

_SHOWN = 20


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def leaderboard() -> None:
    """Checks records that others sent, and adds them to a results folder."""


@leaderboard.command()
@click.argument("records", nargs=-1, required=True, type=click.Path(path_type=Path))
def validate(records: tuple[Path, ...]) -> None:
    """Says whether RECORDS, files or results folders, add up.

    A record does if its values are possible, are what its protocol asks for, and agree with one
    another and with its name. Nothing in it is run.
    """
    from mmbench.leaderboard.submissions.collection import valid

    found, faults = valid(records)
    _refuse(faults)
    click.echo(f"{len(found):,} records add up" if len(found) != 1 else "1 record adds up")


@leaderboard.command()
@click.argument("records", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--to", "folder", required=True, metavar="DIR",
              type=click.Path(path_type=Path, file_okay=False),
              help="The results folder that they are added to.")  # fmt: skip
@click.option("--replace", is_flag=True, help="Write over other records of the same runs.")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be done, then stop.")
def add(records: tuple[Path, ...], folder: Path, replace: bool, dry_run: bool) -> None:
    """Adds RECORDS, files or results folders, to a results folder if they add up.

    Each is written to DIR/<dataset>/<model>/<seed>-<key>.json. If one is refused, none is added.

    \b
    Example:
      mmbench leaderboard add sent/0-1a2b3c4d.json --to records
    """  # noqa: D301  (click's mark for "do not wrap" is the control character)
    from mmbench.leaderboard.submissions.collection import add as put
    from mmbench.leaderboard.submissions.collection import valid
    from mmbench.records.strict import shown

    found, faults = valid(records)
    _refuse(faults)
    for path, outcome in put(found, folder, replace, dry_run):
        would = "would be " if dry_run and outcome != "already there" else ""
        click.echo(f"{would}{outcome}: {shown(path)}")


def _refuse(faults: list[str]) -> None:
    if faults:
        for fault in faults[:_SHOWN]:
            click.echo(fault, err=True)
        more = f"; {len(faults) - _SHOWN:,} are not shown" if len(faults) > _SHOWN else ""
        raise click.ClickException(f"refused for {len(faults):,} faults{more}"
                                   if len(faults) > 1 else "refused")  # fmt: skip
