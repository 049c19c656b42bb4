"""The command `table`. Heavy packages are imported where they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from click.core import ParameterSource

from mmbench.cli import options

if TYPE_CHECKING:
    from mmbench.records.store import Record


@click.command()
@options.folders
@click.option("--paper", "papers", multiple=True, metavar="NAME",
              help="Prints a table of a paper in its own shape, e.g. mld-1; may be repeated.  "
              "[see --list-papers]")  # fmt: skip
@click.option("--show", type=click.Choice(["published", "measured", "both"]),
              help="Of a paper's table: which numbers; both come with the difference.  "
              "[default: both]")  # fmt: skip
@click.option("--list-papers", is_flag=True, help="Lists the papers' tables, then stops.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Also write to a file: .md, .csv, .tex or .html.")  # fmt: skip
@click.pass_context
def table(
    context: click.Context,
    folders: tuple[Path, ...],
    papers: tuple[str, ...],
    show: Literal["published", "measured", "both"] | None,
    list_papers: bool,
    out: Path | None,
) -> None:
    """Prints the results: mean ± deviation over seeds, the best and second best marked.

    \b
    Examples:
      mmbench table
      mmbench table --results records --results results --out results.html
      mmbench table --paper mld-1 --paper mld-11 --out papers.html
      mmbench table --paper diff-mvae-3 --show published
    """  # noqa: D301  (click's mark for "do not wrap" is the control character)
    from mmbench.files.atomic import write_text
    from mmbench.leaderboard.papers import layouts as shapes
    from mmbench.leaderboard.papers import render as paper_render
    from mmbench.leaderboard.papers.comparison import fill
    from mmbench.leaderboard.tables import render
    from mmbench.leaderboard.tables import table as tables

    if list_papers:
        for shape in shapes.TABLES:
            click.echo(f"{shape.name:<13} {shape.caption}")
        return
    if papers:
        wanted = [shapes.find(name) for name in papers]
        show = show or "both"
        records = [] if show == "published" else _records(context, folders)
        filled = [fill(shape, records, show) for shape in wanted]
        write = partial(paper_render.render, filled)
    else:
        if show is not None:
            raise click.UsageError("--show says which numbers of a paper's table: give --paper")
        made = tables.tables(_records(context, folders, needed=True))
        write = partial(render.render, made)
    if out is not None:
        write_text(out, write(out.suffix))
    click.echo(write("terminal"))
    if out is not None:
        click.echo(f"wrote {out}")


def _records(
    context: click.Context, folders: Sequence[Path], needed: bool = False
) -> list[Record]:
    """Those in results folders; none where the default one is missing and that does no harm."""
    from mmbench.leaderboard.submissions.collection import merged

    named = context.get_parameter_source("folders") is not ParameterSource.DEFAULT
    if not (needed or named or any(folder.is_dir() for folder in folders)):
        return []
    return merged(folders)
