"""What the papers print of the quantities that claims compare."""

from functools import cache

from mmbench.leaderboard.claims.contenders import Contender
from mmbench.leaderboard.claims.quantities import Quantity
from mmbench.leaderboard.facts import twin
from mmbench.leaderboard.papers.published import Published, numbers
from mmbench.leaderboard.rows import Mean, Term


def printed(paper: str, dataset: str, quantity: Quantity, contender: Contender) -> Mean:
    """The value that a paper prints, with its deviation if it prints one.

    Raises:
        LookupError: It prints no such value.
    """
    cells = _cells().get((paper, dataset, contender.model, quantity.metric), {})
    value = quantity.of({term: float(p.value) for term, p in cells.items()})
    lacks = quantity.numbers - {len(given) for given, _ in cells}
    if value is None or contender.note or lacks:
        raise LookupError(f"{paper} prints no {quantity.title} of {contender.label} on {dataset}")
    alone = [] if quantity.change else quantity.terms(cells, quantity.given)
    return Mean(value, cells[alone[0]].deviation if len(alone) == 1 else None)


@cache
def _cells() -> dict[tuple[str, str, str, str], dict[Term, Published]]:
    """(paper, data set, model, metric) -> what is printed of it."""
    found: dict[tuple[str, str, str, str], dict[Term, Published]] = {}
    for p in numbers():
        found.setdefault((p.paper, p.dataset, p.model, p.metric), {})[p.given, p.target] = p
    return found


def origin(dataset: str) -> str | None:
    """The data set of the papers that this one is, or stands in for; None for others."""
    name = twin(dataset) or dataset
    return name if any(p.dataset == name for p in numbers()) else None
