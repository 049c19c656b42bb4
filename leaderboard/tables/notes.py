"""Notes below a table: what one must know before comparing its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mmbench.core.score import JOINT, Score
from mmbench.records.record import Record

FULL_RANK = {"fid": 2048}
"""Metric -> dimension of its features; from fewer samples their covariance is singular."""

Runs = Sequence[tuple[str, Sequence[Record], Sequence[Score]]]
"""Label of a row, its records, and the scores of theirs that the table shows."""


def notes(metric: str, runs: Runs) -> Iterable[str]:
    """Sentences that hold for the whole table; they name rows only where rows differ."""
    yield "Mean ± sample standard deviation over seeds."
    yield "Seeds: " + told_apart((row, _list(r.seed for r in of)) for row, of, _ in runs)
    counts = [(row, {s.n for s in scores if s.value is not None}) for row, _, scores in runs]
    if any(ns for _, ns in counts):
        yield "Samples N: " + told_apart((row, _numbers(ns)) for row, ns in counts)
    few = FULL_RANK.get(metric, 0)
    if any(n < few for _, ns in counts for n in ns):
        yield (f"Small N: {metric} of fewer than {few:,} samples is biased upwards, and can only "
               "be compared at equal N")  # fmt: skip
    # What made samples from elsewhere is not known.
    yield "Network evaluations per sample: " + told_apart(
        (row, _numbers(r.evaluations for r in of if r.samples is None) or "–")
        for row, of, _ in runs
    )
    yield "Protocol: " + told_apart((row, of[0].protocol_hash) for row, of, _ in runs)
    yield "Data: " + told_apart((row, of[0].data[:16]) for row, of, _ in runs)
    if len({of[0].data for _, of, _ in runs}) > 1:
        yield "Other data: such rows learnt from, and are compared with, other examples"
    networks = {
        target: told_apart(
            (row, _list(s.extractor for s in scores if s.target == target and s.extractor))
            for row, _, scores in runs
        )
        for target in dict.fromkeys(s.target for _, _, scores in runs for s in scores)
    }
    others = {text for target, text in networks.items() if target != JOINT}
    if set(networks.get(JOINT, "").split("; ")) <= others:
        networks.pop(JOINT, None)  # a list of the networks of the other targets
    if any(networks.values()):
        yield "Measured with: " + "; ".join(dict.fromkeys(filter(None, networks.values())))


def told_apart(texts: Iterable[tuple[str, str]]) -> str:
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


def _list(items: Iterable[object]) -> str:
    return ", ".join(dict.fromkeys(map(str, items)))


def _numbers(counts: Iterable[int]) -> str:
    return " and ".join(f"{n:,}" for n in sorted(set(counts)))
