"""What papers print of the columns of a summary, which are means over targets and subsets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmbench.leaderboard.figures.estimates import Estimate, Estimates
from mmbench.leaderboard.papers.layouts import CITATIONS, TABLES
from mmbench.leaderboard.papers.measurements import unlike
from mmbench.leaderboard.papers.published import published
from mmbench.leaderboard.rows import Mean, Row, Term, overall
from mmbench.leaderboard.tables.cells import Cell
from mmbench.leaderboard.tables.columns import MEAN, chosen

Columns = Sequence[tuple[str, tuple[Term, ...]]]
"""Of each column its metric, and the scores that it averages."""


@dataclass(frozen=True)
class Printed:
    """What papers print of one model.

    Attributes:
        means: By the number of the column.
        sources: Papers and tables, and what their deviations are over.
        paper: The first paper that has results of the model on the data set.
    """

    means: dict[int, Mean]
    sources: tuple[str, ...]
    paper: str

    def remarks(self, row: Row, columns: Columns, cells: Sequence[Cell]) -> Iterator[str]:
        """How the samples and networks behind a row's numbers differ from the paper's."""
        tables = [t for t in TABLES if (t.paper, t.dataset) == (self.paper, row.dataset)]
        for metric, cell in ((columns[i][0], cells[i]) for i in self.means):
            for t in tables:
                if any(h.metric == metric for h in t.headings):
                    yield from unlike(t, metric, cell, row)


def printed(rows: Sequence[Row], columns: Columns) -> dict[str, Printed]:
    """Model -> what papers print of it, of those that have runs on one data set.

    A column of reconstructions has none.

    Args:
        rows: Of one data set, by their own runs.
        columns: Those of the summary.
    """
    if not rows:
        return {}
    dataset = rows[0].dataset
    found = Estimates(dataset, [], {r.model for r in rows})
    cells: dict[str, dict[int, list[Estimate]]] = {}
    for i, (metric, terms) in enumerate(columns):
        if any(target in given for given, target in terms):
            continue
        numbers = sorted({len(given) for given, _ in terms})
        each = [found.beside(metric, MEAN, k, chosen({*terms}, MEAN, k)) for k in numbers]
        for model in {e.row.model for of in each for e in of}:
            own = [e for of in each for e in of if e.row.model == model]
            if len(own) == len(numbers):  # a mean of other subsets is not comparable
                cells.setdefault(model, {})[i] = own
    made = {}
    for model, of in cells.items():
        papers = {p.paper for p in published() if (p.dataset, p.model) == (dataset, model)}
        sources = (p.source for own in of.values() for e in own for p in e.printed)
        means = {i: _mean(own) for i, own in of.items()}
        paper = next(paper for paper in CITATIONS if paper in papers)
        spreads = (t.spread for t in TABLES if (t.paper, t.dataset) == (paper, dataset))
        told = (text for text in (*sources, *spreads) if text)
        made[model] = Printed(means, tuple(dict.fromkeys(told)), paper)
    return made


def _mean(of: Sequence[Estimate]) -> Mean:
    """The mean of what several estimates average, of which one may be an average in print."""
    cells = [(p, e.scores // len(e.printed)) for e in of for p in e.printed]
    values = [(p.target, float(p.value)) for p, scores in cells for _ in range(scores)]
    return Mean(overall(of[0].metric, values), of[0].mean.std if len(of) == 1 else None)
