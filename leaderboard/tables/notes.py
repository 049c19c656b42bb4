"""Notes below a table: what one must know before comparing its numbers."""

from collections.abc import Iterable, Sequence

from mmbench.core.score import JOINT, Score
from mmbench.leaderboard.facts import facts
from mmbench.leaderboard.rows import Row

Shown = Sequence[tuple[Row, Sequence[Score]]]
"""Rows, each with the scores that the table shows."""


def notes(metric: str, shown: Shown, several: bool = False) -> Iterable[str]:
    """Sentences that hold for the whole table; they name rows only where rows differ.

    Args:
        metric: The metric's name.
        shown: The rows.
        several: Whether rows of one column were measured with different networks.
    """
    yield "Mean ± sample standard deviation over seeds."
    yield "Seeds: " + by_row((row.label, _list(row.seeds)) for row, _ in shown)
    counts = [(row.label, {s.n for s in of if s.value is not None}) for row, of in shown]
    if any(ns for _, ns in counts):
        yield "Samples N: " + by_row((label, _numbers(ns)) for label, ns in counts)
    known = facts(metric)
    if known and any(n < known.full_rank for _, ns in counts for n in ns):
        few = f"Small N: {metric} of fewer than {known.full_rank:,} samples is biased upwards"
        yield f"{few}, and can only be compared at equal N"
    # What another program's samples cost is not known.
    yield "Network evaluations per sample: " + by_row(
        (row.label, _numbers(r.evaluations for r in row.records if r.samples is None) or "–")
        for row, _ in shown
    )
    yield "Protocol: " + by_row((row.label, row.protocol_hash) for row, _ in shown)
    yield "Data: " + by_row((row.label, row.data[:16]) for row, _ in shown)
    if len({row.data for row, _ in shown}) > 1:
        yield "Rows marked (data …) were trained and tested on different examples"
    if older := by_row((row.label, row.stale) for row, _ in shown):
        yield f"Stale rows have no rank (see mmbench records stale): {older}"
    if several:
        same = "measured with the same networks as most rows"
        yield f"Numbers by different networks are not comparable; ranks are among those {same}"
    scored = [(row.label, s) for row, of in shown for s in of]
    networks = {
        target: by_row((label, _list(of)) for label, of in _networks(scored, target).items())
        for target in dict.fromkeys(s.target for _, s in scored)
    }
    others = {text for target, text in networks.items() if target != JOINT}
    if set(networks.get(JOINT, "").split("; ")) <= others:
        networks.pop(JOINT, None)  # a list of the networks of the other targets
    if any(networks.values()):
        yield "Measured with: " + "; ".join(dict.fromkeys(filter(None, networks.values())))


def by_row(texts: Iterable[tuple[str, str]]) -> str:
    """Joins what is said of rows: "a", or where they differ "a (row, row); b (row)".

    Args:
        texts: (row, what is said of it); rows of which nothing is said are left out.
    """
    rows: dict[str, list[str]] = {}
    for row, text in texts:
        if text:
            rows.setdefault(text, []).append(row)
    if len(rows) < 2:
        return next(iter(rows), "")
    return "; ".join(f"{text} ({', '.join(of)})" for text, of in rows.items())


def _networks(scored: Sequence[tuple[str, Score]], target: str) -> dict[str, list[str]]:
    """Label -> what the scores of a target were measured with."""
    found: dict[str, list[str]] = {}
    for label, s in scored:
        if s.target == target and s.extractor:
            found.setdefault(label, []).append(s.extractor)
    return found


def _list(items: Iterable[object]) -> str:
    return ", ".join(dict.fromkeys(map(str, items)))


def _numbers(counts: Iterable[int]) -> str:
    return " and ".join(f"{n:,}" for n in sorted(set(counts)))
