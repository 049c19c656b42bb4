"""The command `page`. Heavy packages are imported where they are needed."""

from __future__ import annotations

from pathlib import Path

import click

from mmbench.cli import options


@click.command()
@options.folders
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default="site",
              show_default=True, metavar="DIR",
              help="The folder of the page: index.html, and pictures of samples in grids/."
              )  # fmt: skip
@click.option("--records-url", metavar="URL",
              help="Where the page's readers find the records, e.g. the folder in a repository.  "
              "[default: the results folders, seen from the page]")  # fmt: skip
def page(folders: tuple[Path, ...], out: Path, records_url: str | None) -> None:
    """Makes one self-contained page of the results: tables, charts, samples, claims, runs.

    \b
    Examples:
      mmbench page --results records --out site
      mmbench page --results records --results results --records-url https://host/records
    """  # noqa: D301  (click's mark for "do not wrap" is the control character)
    from mmbench.leaderboard.page.page import write_site

    written, faults = write_site(folders, out, records_url)
    for fault in faults:
        click.echo(f"not shown: {fault}", err=True)
    click.echo(f"wrote {written}")
