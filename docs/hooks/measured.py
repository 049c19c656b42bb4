"""What `records/` holds and what papers print, in tables and pictures."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import groupby
from pathlib import Path
from statistics import fmean

from mmbench.leaderboard import facts
from mmbench.leaderboard.claims.claims import verdicts
from mmbench.leaderboard.papers.comparison import fill
from mmbench.leaderboard.papers.layouts import TABLES, find
from mmbench.leaderboard.rows import Row, mean, rows
from mmbench.leaderboard.submissions.collection import merged
from mmbench.leaderboard.summary import summaries
from mmbench.leaderboard.tables.cells import Cell, decimals
from mmbench.leaderboard.tables.render import markdown
from mmbench.leaderboard.tables.selection import Selection
from mmbench.records.record import Record
from mmbench.text import escape_markdown

RECORDS = Path(__file__).parents[2] / "records"


def numbers(model: str) -> Iterator[str]:
    """What a model scored, by the number of given modalities, and what it cost."""
    own = [row for row in _rows() if row.model == model]
    if not own:
        yield "`records/` has no run of it."
    for dataset, of in groupby(own, lambda row: row.dataset):
        yield f"### [`{dataset}`](/datasets/{dataset}.md)\n"
        for row in of:
            yield from _scores(row)
            yield f"\n{_cost(row)}\n"


def _scores(row: Row) -> Iterator[str]:
    """A line for each metric that has a value, a column for each number of given modalities."""
    terms = {
        (s.metric, s.given, s.target)
        for record in row.records
        for s in record.scores
        if s.target not in s.given and s.value is not None
    }
    counts = sorted({len(given) for _, given, _ in terms})
    heads = ["joint" if k == 0 else f"{k} given" for k in counts]
    yield f"| {row.label} | {' | '.join(heads)} |\n|:--|{'--:|' * len(counts)}"
    for metric in sorted({m for m, _, _ in terms}, key=facts.order):
        own = sorted((given, target) for m, given, target in terms if m == metric)
        found = [mean(row.scores(metric), [t for t in own if len(t[0]) == k]) for k in counts]
        unit = facts.unit(metric)
        places = decimals([float(m.value) for m in found if m.value is not None], unit, least=0)
        cells = [Cell(replace(m, interval=None), places) for m in found]  # over seeds alone
        title = facts.title(metric) + (f" ({unit})" if unit else "") + facts.arrow(metric)
        yield f"| {title} | {' | '.join(c.text + c.spread for c in cells)} |"


def _cost(row: Row) -> str:
    """A sentence on the runs of a row and what they took."""
    first, *others = row.records
    took = fmean(sum(r.seconds.values()) for r in row.records)
    n = sorted({s.n for r in row.records for s in r.scores})
    parts = [
        f"{len(row.records)} seeds" if others else "**one seed**",
        f"N = {' or '.join(f'{x:,}' for x in n)}",
        f"{first.parameters:,} parameters",
        f"{first.evaluations:,} network evaluation{'s'[: first.evaluations > 1]} a sample",
        f"{took:,.0f} s a run with all scores",
        " or ".join(sorted({r.device for r in row.records})),
        *([f"stale: {row.stale}"] if row.stale else ()),
    ]
    return "; ".join(parts) + "."


def results(dataset: str, *models: str) -> Iterator[str]:
    """The summary of all models on a data set, or of some, the most coherent jointly first."""
    asked = Selection(models, (dataset,), sort="joint")
    for summary in summaries(asked.among(_records()), asked):
        yield markdown(summary.sheet)


def claims() -> Iterator[str]:
    """Which claims hold on which data set, as `mmbench claims` judges them."""
    found = {
        (claim.statement, dataset): verdict.words
        for dataset, claim, verdict in verdicts(_records())
        if verdict.state != "not run"
    }
    datasets = sorted({dataset for _, dataset in found})
    yield f"| claim | {' | '.join(datasets)} |\n|:--|{':--|' * len(datasets)}"
    for statement in dict.fromkeys(statement for statement, _ in found):
        words = [found.get((statement, dataset), "–") for dataset in datasets]
        yield f"| {escape_markdown(statement)} | {' | '.join(words)} |"


def published(dataset: str) -> Iterator[str]:
    """The papers' tables of a data set."""
    for table in TABLES:
        if table.dataset == dataset:
            yield from paper(table.name)


def paper(name: str) -> Iterator[str]:
    """A paper's table, such as mld-14, beside what `records/` holds on its data set."""
    table = find(name)
    measured = [r for r in _records() if r.dataset == table.dataset]
    yield markdown(fill(table, measured, show="both" if measured else "published").sheet)


def samples(model: str) -> Iterator[str]:
    """The picture beside a model's records, on mhd-mini if there is one."""
    found = sorted(RECORDS.glob(f"*/{model}/*.png"), key=lambda p: ("mhd-mini" not in p.parts, p))
    for picture in found[:1]:
        place = picture.relative_to(RECORDS.parent)
        yield f"![Samples of {model} on {place.parts[1]}, for each given subset](/{place})"


@cache
def _rows() -> list[Row]:
    return rows(_records())


@cache
def _records() -> list[Record]:
    return merged([RECORDS])
