"""The command `check`. Heavy packages are imported when it is called."""

from __future__ import annotations

from pathlib import Path

import click

from mmbench.cli import options


@click.command()
@options.folders
@click.option("--reference", "file", type=click.Path(path_type=Path, dir_okay=False),
              required=True, metavar="FILE", help="What is expected, as JSON.")  # fmt: skip
@click.option(
    "--tolerance",
    "assignments",
    multiple=True,
    metavar="METRIC=VALUE",
    help="By how much a metric's means may differ, e.g. coherence=2, fmd=10% or fid=seeds, which "
    "is the default; in the place of the reference's.",
)
@click.option("--across-extractors", is_flag=True,
              help="Compare also what another network measured.")  # fmt: skip
@click.option("--update", is_flag=True,
              help="Write the results as the reference, with the tolerances given.")  # fmt: skip
@click.pass_context
def check(
    context: click.Context,
    folders: tuple[Path, ...],
    file: Path,
    assignments: tuple[str, ...],
    across_extractors: bool,
    update: bool,
) -> None:
    """Compares results with a reference file; exits with 1 where they differ.

    Without a tolerance, that of a metric comes from the deviation over the reference's seeds.

    \b
    Examples:
      mmbench check --reference reference.json --update
      mmbench check --reference reference.json --tolerance coherence=2
    """  # noqa: D301  (click's mark for "do not wrap" is the control character)
    from mmbench.leaderboard.check import check as checks
    from mmbench.leaderboard.check.reference import load, of_records, parsed, write
    from mmbench.leaderboard.submissions.collection import merged

    tolerances: dict[str, float | str] = {}
    for assignment in assignments:
        metric, equals, value = assignment.rpartition("=")
        if not equals or not metric:
            raise ValueError(f"--tolerance {assignment!r} is not of the form METRIC=VALUE")
        given = parsed(metric, value)
        absolute = given is not None and not value.endswith("%")
        tolerances[metric] = given[0] if given is not None and absolute else value
    records = merged(folders)
    if update:
        old = load(file) if file.exists() else None
        new = of_records(records, {**(old.tolerances if old else {}), **tolerances})
        checks.compare(new, new, tolerances)  # refuses tolerances of no metric
        if old is not None:
            found = checks.changes(old, new)
            click.echo(checks.report(found) or "nothing changed")
        write(new, file)
        scores = sum(len(row.scores) for row in new.rows)
        click.echo(f"wrote {file}: {scores:,} scores of {len(new.rows):,} rows")
        return
    if not file.exists():
        raise FileNotFoundError(f"there is no reference {file}: write it with --update")
    found = checks.compare(load(file), of_records(records), tolerances, across_extractors)
    if not found.compared and not found.differences:
        raise ValueError(f"neither {file} nor the results have a score to compare")
    if text := checks.report(found):
        click.echo(text)
    click.echo(checks.summary(found))
    if found.differences:
        click.echo(f"if that is right, --update writes {file} anew")
        context.exit(1)
