"""What the papers print of the quantities that claims compare."""

from mmbench.leaderboard.claims.quantities import Contender, Quantity
from mmbench.leaderboard.papers.published import Published, published
from mmbench.leaderboard.rows import Mean, Term


def printed(paper: str, dataset: str, quantity: Quantity, contender: Contender) -> Mean:
    """The value that a paper prints, with its deviation if it prints one.

    Raises:
        LookupError: It prints no such value.
    """
    cells: dict[Term, Published] = {}
    asked = (paper, dataset, contender.model, quantity.metric)
    for p in published():
        if (p.paper, p.dataset, p.model, p.metric) == asked:
            old = cells.setdefault((p.given, p.target), p)
            if old.deviation is None:  # of what it prints twice, the cell with the deviation
                cells[p.given, p.target] = p
    value = quantity.of({term: float(p.value) for term, p in cells.items()})
    if value is None or contender.note:
        raise LookupError(f"{paper} prints no {quantity.title} of {contender.label} on {dataset}")
    alone = [] if quantity.change else quantity.terms(cells, quantity.given)
    return Mean(value, cells[alone[0]].deviation if len(alone) == 1 else None)


def origin(dataset: str) -> str | None:
    """The data set of the papers that this one is, or stands in for; None for others."""
    stem = dataset.split("-mini")[0]
    names = {p.dataset for p in published()}
    return next((name for name in (dataset, stem, f"{stem}-hq") if name in names), None)
