"""The command `claims`. Heavy packages are imported where they are needed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmbench.cli import options

if TYPE_CHECKING:
    from mmbench.leaderboard.claims.claims import Claim
    from mmbench.leaderboard.claims.verdicts import Verdict

Found = tuple[str, "Claim", "Verdict"]


@click.command()
@options.folders
@click.option("--claim", "name", metavar="NAME",
              help="Only this claim, e.g. 'MLD is coherent jointly'.  [default: all]")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "markdown", "json"]), default="text",
              show_default=True, help="How to print them.")  # fmt: skip
def claims(folders: tuple[Path, ...], name: str | None, form: str) -> None:
    """Says which of the papers' claims the results bear out, given how much seeds differ.

    A claim holds or fails where the 95 % interval of a difference of means over seeds says so, is
    undecided where it does not, and is not run where one side has no results. Where only some of a
    side have none it holds "of those run". A data set that cannot bear a claim does not list it.

    \b
    Examples:
      mmbench claims --results records --results results
      mmbench claims --claim "MLD is coherent jointly" --format markdown
    """  # noqa: D301  (click's mark for "do not wrap" is the control character)
    from mmbench.leaderboard.claims.claims import find, verdicts
    from mmbench.leaderboard.submissions.collection import merged

    wanted = None if name is None else find(name)
    found = [(dataset, claim, verdict) for dataset, claim, verdict in verdicts(merged(folders))
             if wanted in (None, claim)]  # fmt: skip
    if form == "json":
        click.echo(json.dumps([_data(*one) for one in found], indent=1))
        return
    lines = _markdown(found) if form == "markdown" else _text(found, short=wanted is None)
    for line in lines:
        click.echo(line)


def _data(dataset: str, claim: Claim, verdict: Verdict) -> dict[str, Any]:
    return {
        "dataset": dataset, "claim": claim.name, "statement": claim.statement,
        "source": claim.source, "state": verdict.state, "further_seeds": verdict.further,
        "partial": verdict.partial,
        "evidence": verdict.evidence, "published": verdict.published,
    }  # fmt: skip


def _text(found: Sequence[Found], short: bool) -> Iterator[str]:
    """A paragraph for each; `short` leaves those that were not run to one line a data set."""
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
            yield f"{title}: all {len(of)} claims not run: no results that they compare"
        elif short and absent:
            yield f"{title}: not run: {', '.join(absent)}"


def _markdown(found: Sequence[Found]) -> Iterator[str]:
    from mmbench.text import escape_markdown

    yield "| Data set | Claim | State | Evidence | Source |"
    yield "|---|---|---|---|---|"
    for dataset, claim, verdict in found:
        evidence = "<br>".join(map(escape_markdown, (*verdict.evidence, *verdict.published)))
        cells = map(escape_markdown, (dataset, claim.statement, verdict.words, claim.source))
        title, statement, words, source = cells
        yield f"| {title} | {statement} | {words} | {evidence} | {source} |"
