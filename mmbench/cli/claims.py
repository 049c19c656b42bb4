"""The commands that judge results: `claims` of the papers, `check` with a reference file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmbench.cli.arguments import options

if TYPE_CHECKING:
    from mmbench.leaderboard.claims.claims import Claim
    from mmbench.leaderboard.claims.verdicts import Verdict

Found = tuple[str, "Claim", "Verdict"]


@click.command()
@options.folders
@click.option(
    "--claim", "name", metavar="NAME", help="Only this claim, e.g. 'MLD is coherent jointly'."
)
@click.option("--format", "form", type=click.Choice(["text", "markdown", "json"]), default="text")
def claims(folders: tuple[Path, ...], name: str | None, form: str) -> None:
    """Say which of the papers' claims the results support, given how much seeds differ.

    A claim holds or fails if the 95 % interval of a difference of means over seeds says so; else
    it is undecided. It is not run if one side has no results; if only some of a side have none, it
    holds "of those run". Claims that a data set cannot test are not listed for it.

    \b
    Examples:
      mmbench claims --results records --results results
      mmbench claims --claim "MLD is coherent jointly" --format markdown
    """
    from mmbench.leaderboard.claims.claims import find, verdicts
    from mmbench.leaderboard.submissions.collection import merged

    wanted = None if name is None else find(name)
    records = merged(folders)
    options.count_stale(records)
    found = [one for one in verdicts(records) if wanted in (None, one[1])]
    if form == "json":
        click.echo(json.dumps([_data(*one) for one in found], indent=1))
        return
    lines = _markdown(found) if form == "markdown" else _text(found, short=wanted is None)
    for line in lines:
        click.echo(line)


def _data(dataset: str, claim: Claim, verdict: Verdict) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "claim": claim.name,
        "statement": claim.statement,
        "source": claim.source,
        "state": verdict.state,
        "further_seeds": verdict.further,
        "partial": verdict.partial,
        "evidence": verdict.evidence,
        "published": verdict.published,
    }


def _text(found: Sequence[Found], short: bool) -> Iterator[str]:
    """A paragraph for each; with `short`, one line a data set for all that were not run."""
    from mmbench.text import plain

    for dataset, group in groupby(found, key=lambda one: one[0]):
        of, title = list(group), plain(dataset)
        for _, claim, verdict in of:
            if short and verdict.state == "not run":
                continue
            yield f"{title}: {claim.name}: {verdict.words}"
            for line in (claim.statement, *verdict.evidence, *verdict.published, claim.source):
                yield f"    {plain(line)}"
        absent = [claim.name for _, claim, verdict in of if verdict.state == "not run"]
        if short and len(absent) == len(of):
            yield f"{title}: all {len(of)} claims not run: there are no results to compare"
        elif short and absent:
            yield f"{title}: not run: {', '.join(absent)}"


def _markdown(found: Sequence[Found]) -> Iterator[str]:
    from mmbench.text import escape_markdown

    yield "| Data set | Claim | State | Evidence | Source |"
    yield "|---|---|---|---|---|"
    for dataset, claim, verdict in found:
        evidence = "<br>".join(map(escape_markdown, (*verdict.evidence, *verdict.published)))
        cells = [*map(escape_markdown, (dataset, claim.statement, verdict.words)), evidence]
        yield f"| {' | '.join([*cells, escape_markdown(claim.source)])} |"


@click.command()
@options.folders
@options.file("--reference", "file", required=True, help="The expected results, as JSON.")
@options.several(
    "--tolerance",
    "assignments",
    metavar="METRIC=VALUE",
    help="How far a metric's means may differ, instead of the reference's tolerance: coherence=2, "
    "fmd=10%, or fid=seeds, the default; may be repeated.",
)
@click.option("--across-extractors", is_flag=True, help="Compare scores of different networks.")
@click.option("--update", is_flag=True, help="Write the results as the reference.")
@click.pass_context
def check(
    context: click.Context,
    folders: tuple[Path, ...],
    file: Path,
    assignments: tuple[str, ...],
    across_extractors: bool,
    update: bool,
) -> None:
    """Compare results with a reference file; exit with 1 if they differ.

    By default a metric's tolerance comes from its deviation over the reference's seeds.

    \b
    Examples:
      mmbench check --reference reference.json --update
      mmbench check --reference reference.json --tolerance coherence=2
    """
    from mmbench.errors import hint
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
    options.count_stale(records)
    if update:
        old = load(file) if file.exists() else None
        new = of_records(records, {**(old.tolerances if old else {}), **tolerances})
        if not new.rows:
            anew = hint("records stale")
            raise ValueError(f"every result is stale, expected some to write to {file}: {anew}")
        checks.compare(new, new, tolerances)  # refuses tolerances of no metric
        if old is not None:
            click.echo(checks.report(checks.changes(old, new)) or "nothing changed")
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
        click.echo(f"if the new results are right, --update writes them to {file}")
        context.exit(1)
