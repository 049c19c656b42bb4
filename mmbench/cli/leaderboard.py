"""The commands that show results: `table`, `page`, and `leaderboard` for records of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import click
from click.core import ParameterSource

from mmbench.cli.arguments import options, parsing
from mmbench.errors import hint
from mmbench.records.store import uncollected

if TYPE_CHECKING:
    from mmbench.leaderboard.summary import Summary
    from mmbench.leaderboard.tables.selection import Selection
    from mmbench.leaderboard.tables.sheet import Tabular
    from mmbench.leaderboard.tables.table import Table
    from mmbench.records.record import Record

Show = Literal["published", "measured", "both"]


@click.command(cls=parsing.Several)
@options.folders
@options.several("--model", "models", metavar="NAME ...", help="Only these models.")
@options.several("--dataset", "datasets", metavar="NAME ...", help="Only these data sets.")
@options.several(
    "--metric", "metrics", metavar="NAME ...", help="Only these metrics, by the number given."
)
@options.several(
    "--given",
    metavar="WHAT ...",
    help="Only what is generated given these: joint, a number of modalities, or modalities "
    "themselves, as in image+sound.",
)
@click.option(
    "--sort", default="", metavar="COLUMN", help="Sort by a column, e.g. joint or fmd, best first."
)
@click.option("--full", is_flag=True, help="Every target and every given subset, by metric.")
@click.option(
    "--provenance", is_flag=True, help="Also seeds, cost, and hashes of protocols, data, networks."
)
@options.several(
    "--paper",
    "papers",
    metavar="NAME",
    help="Print a paper's table in its own layout, e.g. mld-1; may be repeated.",
)
@click.option(
    "--show",
    type=click.Choice(get_args(Show)),
    help="Numbers of a paper's table; both shows their difference, too.  [default: both]",
)
@click.option("--list-papers", is_flag=True, help="List the papers' tables, then stop.")
@options.file("--out", help="Also write a file: .md, .csv, .tex, .html, .parquet or .xlsx.")
@click.pass_context
@uncollected()
def table(
    context: click.Context,
    folders: tuple[Path, ...],
    models: tuple[str, ...],
    datasets: tuple[str, ...],
    metrics: tuple[str, ...],
    given: tuple[str, ...],
    sort: str,
    full: bool,
    provenance: bool,
    papers: tuple[str, ...],
    show: Show | None,
    list_papers: bool,
    out: Path | None,
) -> None:
    """Print the results: mean ± deviation over seeds, best and second best marked.

    A data set has one table, with a row for each model; --full shows a table for each metric.

    \b
    Examples:
      mmbench table
      mmbench table --dataset mhd-mini --sort joint
      mmbench table --full --model mld mvtcae --metric coherence --given image+sound
      mmbench table --results records --results results --out results.html
      mmbench table --paper mld-1 --paper mld-11 --out papers.html
      mmbench table --paper diff-mvae-3 --show published
    """
    from mmbench.leaderboard.submissions.collection import merged
    from mmbench.leaderboard.tables import render
    from mmbench.leaderboard.tables.selection import Selection

    asked = Selection(models, datasets, metrics, given, sort)
    found: Sequence[Tabular]
    if list_papers:
        from mmbench.leaderboard.papers.layouts import TABLES

        for shape in TABLES:
            click.echo(f"{shape.name:<13} {shape.caption}")
        return
    if out is not None:
        render.check(out.suffix, render.SUFFIXES)
    if papers:
        from mmbench.leaderboard.papers.comparison import fill
        from mmbench.leaderboard.papers.layouts import find

        if asked != Selection() or full or provenance:
            raise click.UsageError("--paper prints a whole table: give --show alone with it")
        wanted = [find(name) for name in papers]
        show = show or "both"
        there = () if show == "published" else existing(context, folders)
        records = merged(there) if there else []
        found = [fill(shape, records, show) for shape in wanted]
    elif show is not None:
        raise click.UsageError("--show chooses numbers of a paper's table: give --paper")
    else:
        found = results(merged(folders), asked, full, provenance)
    if out is not None:
        render.save(found, out)
    click.echo(render.render(found, "terminal"))
    if not (papers or full):
        click.echo(f"Every target and given subset: {hint('table --full')}")
    if out is not None:
        click.echo(f"wrote {out}")


def results(
    records: Iterable[Record], asked: Selection, full: bool, provenance: bool
) -> Sequence[Tabular]:
    """The tables of some records.

    Raises:
        LookupError: No record has what is asked for.
    """
    from mmbench.leaderboard.summary import summaries
    from mmbench.leaderboard.tables.provenance import provenances
    from mmbench.leaderboard.tables.table import tables
    from mmbench.registry import nearest

    records = asked.among(records)
    found: Sequence[Table | Summary] = (tables if full else summaries)(records, asked)
    called = {name: None for t in found for name in t.called}
    if asked.sort and asked.sort.lower() not in called:
        raise LookupError(f"no table has a column {asked.sort!r}{nearest(asked.sort, called)}")
    return [*found, *(provenances(records) if full or provenance else ())]


def existing(context: click.Context, folders: Sequence[Path]) -> Sequence[Path]:
    """The results folders; none if the user named none and the default one does not exist."""
    named = context.get_parameter_source("folders") is not ParameterSource.DEFAULT
    return folders if named or any(folder.is_dir() for folder in folders) else ()


@click.command()
@options.folders
@options.folder("--out", default="site", show_default=True, help="The folder of the page.")
@click.option(
    "--records-url",
    metavar="URL",
    help="Where readers find the records.  [default: the results folders, relative to the page]",
)
@uncollected()
def page(folders: tuple[Path, ...], out: Path, records_url: str | None) -> None:
    """Make one self-contained page of the results: who is best, charts, samples, claims, runs.

    The page's address follows what is chosen on it, so that a link shows a data set, a metric and
    some models to others.

    \b
    Examples:
      mmbench page --results records --out site
      mmbench page --results records --results results --records-url https://host/records
    """
    from mmbench.leaderboard.page.page import write_site

    written, faults = write_site(folders, out, records_url)
    for fault in faults:
        click.echo(f"not shown: {fault}", err=True)
    click.echo(f"wrote {written}")


@click.group(cls=parsing.Group, context_settings={"help_option_names": ["-h", "--help"]})
def leaderboard() -> None:
    """Validate records that others sent, and add them to a results folder."""


_FOLDER = click.Path(path_type=Path)
_RECORDS = click.argument("records", nargs=-1, required=True, type=click.Path(path_type=Path))


@leaderboard.command()
@_RECORDS
def validate(records: tuple[Path, ...]) -> None:
    """Validate RECORDS, files or results folders, without running anything in them.

    A record is valid if its values are possible, follow its protocol, and agree with one another
    and with its file's name.
    """
    from mmbench.leaderboard.submissions.validation import valid

    found, faults = valid(records)
    options.refuse(faults)
    click.echo(f"{len(found):,} records are valid" if len(found) != 1 else "1 record is valid")


@leaderboard.command()
@_RECORDS
@options.folder("--to", "folder", required=True, help="The results folder to add them to.")
@click.option("--replace", is_flag=True, help="Replace other records of the same runs.")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be done, then stop.")
def add(records: tuple[Path, ...], folder: Path, replace: bool, dry_run: bool) -> None:
    """Add RECORDS, files or results folders, to a results folder if they are valid.

    Each is written to DIR/<dataset>/<model>/<seed>-<key>.json. If one is refused, none is added.

    \b
    Example:
      mmbench leaderboard add sent/0-1a2b3c4d.json --to records
    """
    from mmbench.leaderboard.submissions.collection import add as put
    from mmbench.leaderboard.submissions.validation import valid
    from mmbench.records.strict import shown

    found, faults = valid(records)
    options.refuse(faults)
    for path, outcome in put(found, folder, replace, dry_run):
        would = "would be " if dry_run and outcome != "already there" else ""
        click.echo(f"{would}{outcome}: {shown(path)}")


@click.group(cls=parsing.Group)
def records() -> None:
    """Work on the files of results folders."""


def _each(command: Callable[[Path], None]) -> Callable[..., None]:
    """Gives a command each results folder in turn, named by --results or as its argument."""

    @click.argument("positional", metavar="[FOLDER]...", nargs=-1, type=_FOLDER)
    @options.folders
    @click.pass_context
    @wraps(command)
    def each(
        context: click.Context, positional: tuple[Path, ...], folders: tuple[Path, ...]
    ) -> None:
        default = context.get_parameter_source("folders") is ParameterSource.DEFAULT
        for folder in (*positional, *(() if default and positional else folders)):
            command(folder)

    return each


@records.command()
@_each
def migrate(folder: Path) -> None:
    """Rewrite the records of an earlier version; weights and pictures move with them.

    Tables read them without it, but `mmbench run` does not find its finished runs.

    \b
    Example:
      mmbench records migrate --results results
    """
    from mmbench.records.migrate import migrate as migrated

    done = 0
    for old, new in migrated(folder):
        click.echo(f"{old} is {new} now")
        done += 1
    click.echo(f"rewrote {done} record{'' if done == 1 else 's'} of schema 1 in {folder}")


@records.command()
@_each
def stale(folder: Path) -> None:
    """Print the runs that are older than a change of numbers, with a command for each.

    Tables mark their rows, and nothing else counts them. The commands write beside them.

    \b
    Example:
      mmbench records stale --results records | sh
    """
    from mmbench.records.store import find
    from mmbench.runs.again import again

    lines = list(again(find(folder).values(), folder))
    for line in lines or [f"# no record in {folder} is stale"]:
        click.echo(line)
