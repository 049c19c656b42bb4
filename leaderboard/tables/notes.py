"""Notes below a table: what one must know before comparing its numbers."""

from collections.abc import Iterable, Sequence

from mmbench.core.score import JOINT, Score
from mmbench.errors import hint
from mmbench.leaderboard.facts import facts, geometric, title
from mmbench.leaderboard.rows import Row, Term
from mmbench.protocols.protocol import digest
from mmbench.protocols.variants import of_paper, variants
from mmbench.records.differences import departures

Shown = Sequence[tuple[Row, Sequence[Score]]]
"""Rows, each with the scores that the table shows."""

SHOWN = 4
"""The departures of a row that its note lists; it counts the rest."""


def notes(metric: str, shown: Shown, several: bool = False) -> Iterable[str]:
    """Sentences that hold for the whole table; they name rows only where rows differ.

    Args:
        metric: The metric's name.
        shown: The rows.
        several: Whether rows of one column were measured with different networks.
    """
    yield "Mean ± sample standard deviation over seeds."
    counts = [(row.label, {s.n for s in of if s.value is not None}) for row, of in shown]
    if any(ns for _, ns in counts):
        yield "Samples N: " + by_row((label, numbers(ns)) for label, ns in counts)
    yield from small(metric, {n for _, ns in counts for n in ns})
    yield from unlike([row for row, _ in shown], several)


def departure(row: Row, paper: str) -> str:
    """In what a row's protocol departs from a paper's, in words; "" if it does not."""
    published = of_paper(row.dataset, row.model, paper) or {}
    return _listed(departures(row.records[0].protocol, published))


def shipped(row: Row) -> bool:
    """Whether a row's protocol comes with mmbench."""
    return row.protocol_hash in variants(row.dataset, row.model)


def depart(rows: Iterable[tuple[str, str]]) -> Iterable[str]:
    """Sentences on (row, from what it departs and in what): one for all rows that do so alike."""
    for what, of in alike(rows).items():
        yield f"{' and '.join(of)} {'depart' if of[1:] else 'departs'} from {what}"


def _listed(which: Sequence[str]) -> str:
    more = f", and {len(which) - SHOWN} more" if len(which) > SHOWN else ""
    return ", ".join(which[:SHOWN]) + more


def small(metric: str, counts: Iterable[int]) -> Iterable[str]:
    """That a metric is biased, if it was measured with as few samples as one of these numbers."""
    known = facts(metric)
    if known and any(n < known.full_rank for n in counts):
        few = f"Small N: {metric} is biased upwards, most below {known.full_rank:,} samples"
        yield f"{few}, and can only be compared at equal N"


def scales(metric: str, columns: Iterable[Iterable[Term]]) -> Iterable[str]:
    """That means over modalities are geometric, if a column of a metric has such a mean."""
    if geometric(metric) and any(len({target for _, target in terms}) > 1 for terms in columns):
        yield f"{title(metric)}: geometric mean over modalities, whose distances differ in scale"


def unlike(shown: Sequence[Row], several: bool = False) -> Iterable[str]:
    """Which rows are not comparable with others; `several` as for `notes`."""
    if len({row.data for row in shown}) > 1:
        yield "Rows marked (data …) were trained and tested on different examples"
    first: dict[str, Row] = {}
    told = []
    for row in shown:
        own = of_paper(row.dataset, row.model)
        if not row.by_hash and (own is None or row.stale or shipped(row)):
            continue
        if own is None and first.setdefault(row.model, row) is row:
            continue  # the others of the model are compared with it
        base = own or first[row.model].records[0].protocol
        whose = "the data set's protocol" if own else first[row.model].label
        if row.protocol_hash == digest(base):
            yield f"{row.label} is by {whose}"
        else:
            listed = _listed(departures(row.records[0].protocol, base))
            what = listed or "only its metrics and what is given"
            told.append((row.label, f"{whose}: {what}"))
    yield from depart(told)
    if older := by_row((row.label, row.stale) for row in shown):
        yield f"Stale rows have no rank (see {hint('records stale')}): {older}"
    if several:
        most = "most rows that are not stale" if older else "most rows"
        ranks = f"ranks are among those measured with the same networks as {most}"
        yield f"Numbers by different networks are not comparable; {ranks}"


def provenance(shown: Shown) -> Iterable[str]:
    """Sentences on where the numbers of a table come from; they name rows where rows differ."""
    yield "Seeds: " + by_row((row.label, listed(row.seeds)) for row, _ in shown)
    yield "Network evaluations per sample: " + by_row(
        (row.label, evaluations(row)) for row, _ in shown
    )
    yield "Protocol: " + by_row((row.label, row.protocol_hash) for row, _ in shown)
    yield "Data: " + by_row((row.label, row.data[:16]) for row, _ in shown)
    if networks := measured_with(shown):
        yield f"Measured with: {networks}"


def measured_with(shown: Shown) -> str:
    """The networks that the scores of some rows were measured with; "" for none."""
    networks: dict[str, dict[str, list[str]]] = {}  # target -> row -> its networks
    for row, s in by_networks(shown):
        networks.setdefault(s.target, {}).setdefault(row, []).append(str(s.extractor))
    of_rows = (((row, listed(of)) for row, of in rows.items()) for rows in networks.values())
    return "; ".join(dict.fromkeys(map(by_row, of_rows)))


def by_networks(shown: Shown) -> list[tuple[str, Score]]:
    """(Row, score) of what networks measured, without joint scores by those of other targets."""
    scored = [(row.label, s) for row, of in shown for s in of if s.extractor]
    others = {network for _, s in scored if s.target != JOINT for network in s.networks}
    return [
        (row, s)
        for row, s in scored
        if s.target != JOINT or not s.networks or not others.issuperset(s.networks)
    ]


def evaluations(row: Row) -> str:
    """How many network evaluations a sample of a row costs."""
    return numbers(row.evaluations) or "–"


def by_row(texts: Iterable[tuple[str, str]]) -> str:
    """Joins what is said of rows: "a", or where they differ "a (row, row); b (row)".

    Args:
        texts: (row, what is said of it); rows of which nothing is said are left out.
    """
    rows = alike(texts)
    if len(rows) < 2:
        return next(iter(rows), "")
    return "; ".join(f"{text} ({', '.join(of)})" for text, of in rows.items())


def alike(texts: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """What is said of rows -> those rows; `texts` as for `by_row`."""
    rows: dict[str, list[str]] = {}
    for row, text in texts:
        if text:
            rows.setdefault(text, []).append(row)
    return rows


def listed(items: Iterable[object]) -> str:
    """Items in their order, each once."""
    return ", ".join(dict.fromkeys(map(str, items)))


def numbers(counts: Iterable[int]) -> str:
    """Whole numbers by size, each once: "70 and 2,410"."""
    return " and ".join(f"{n:,}" for n in sorted(set(counts)))
