"""Results against a reference: which scores moved by more than they may.

The tolerance of a metric is given, or comes from the seeds. Then it is the half-width of Student's
99 % interval for the difference of two means, with the deviation over the reference's seeds and
k - 1 degrees of freedom for k of them, the deviations pooled over the modalities given (a single
one, of two or three seeds, is by chance too small too often). Of a percentage of samples it is at
least one sample: seeds with the same count show no more. "Student", "The probable error of a
mean", 1908, https://doi.org/10.1093/biomet/6.1.1.

What was measured under another protocol, on other examples, from another number of samples or
with another network is reported, not compared.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from mmbench.leaderboard.check.reference import Expected, ExpectedRow, Reference, parsed
from mmbench.leaderboard.facts import facts
from mmbench.records.strict import short
from mmbench.registry import nearest
from mmbench.text import plain

LEVEL = 0.99
_ROUNDING = 1e-5  # references have six digits


@dataclass(frozen=True)
class Difference:
    """A score, or a row of them, that is not as expected.

    Attributes:
        row: Data set, model, protocol.
        score: Metric, target and given modalities; "" where it concerns the row.
        what: What differs, in words.
        off: How many tolerances the mean is off; 0 where nothing was compared.
    """

    row: str
    score: str
    what: str
    off: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """The number of scores compared; differences, the farthest off first; and remarks."""

    compared: int
    differences: tuple[Difference, ...]
    remarks: tuple[str, ...] = ()


def compare(
    reference: Reference,
    results: Reference,
    tolerances: Mapping[str, float | str] | None = None,
    across_extractors: bool = False,
) -> Comparison:
    """Compares results with what is expected of them.

    The tolerances of metrics replace those of the reference. With `across_extractors`, scores of
    different networks are compared too, with a remark.

    Raises:
        ValueError: A tolerance is impossible, or of a metric that nobody measured.
    """
    allowed = {**reference.tolerances, **(tolerances or {})}
    metrics = sorted(reference.metrics | results.metrics)
    for metric in tolerances or {}:
        if metric not in metrics:
            missing = f"no score is of the metric {short(metric)}"
            raise ValueError(missing + nearest(metric, metrics))
    known, found = ({r.key: r for r in part.rows} for part in (reference, results))
    differences: list[Difference] = []
    remarks: list[str] = []
    compared = 0
    for key in sorted(known | found):
        if key not in found:
            differences.append(_unmatched(known[key], results.rows, "missing in the results"))
        elif key not in known:
            differences.append(_unmatched(found[key], reference.rows, "not in the reference"))
        else:
            one = _rows(known[key], found[key], allowed, across_extractors)
            compared += one.compared
            differences += one.differences
            remarks += one.remarks
    differences.sort(key=lambda d: -d.off)
    return Comparison(compared, tuple(differences), tuple(remarks))


def changes(old: Reference, new: Reference) -> Comparison:
    """All that differs between two references, however little: also seeds and deviations."""
    found = compare(old, new, dict.fromkeys(old.metrics | new.metrics, 0.0))
    moved = []
    for m in sorted(old.tolerances | new.tolerances):
        was, now = old.tolerances.get(m, "none"), new.tolerances.get(m, "none")
        if was != now:
            moved.append(Difference("tolerances", m, f"was {was}, is {now}"))
    now_by_key = {row.key: row for row in new.rows}
    both = ((row, now_by_key[row.key]) for row in old.rows if row.key in now_by_key)
    spread = (d for a, b in both for d in _spread(a, b))
    return Comparison(found.compared, (*moved, *found.differences, *spread))


def _spread(was: ExpectedRow, now: ExpectedRow) -> Iterator[Difference]:
    """The seeds and deviations that differ: tolerances follow from them."""
    if was.seeds != now.seeds:
        seeds, other = (", ".join(map(str, row.seeds)) for row in (was, now))
        yield Difference(_title(was), "", f"seeds were {seeds}, are {other}")
    known = {s.key: s for s in was.scores}
    for s in now.scores:
        a = known.get(s.key)
        if a is not None and a.std != s.std:
            what = f"deviation was {_deviation(a)}, is {_deviation(s)}"
            yield Difference(_title(was), _about(s), what)


def report(found: Comparison) -> str:
    """A comparison in words: a line for each difference, below its row."""
    lines: list[str] = []
    rows: dict[str, list[Difference]] = {}
    for d in found.differences:
        rows.setdefault(d.row, []).append(d)
    wide = max((len(d.score) for d in found.differences), default=0)
    for row, of in rows.items():
        lines.append(row)
        lines += [f"  {d.score:<{wide}}  {d.what}" if d.score else f"  {d.what}" for d in of]
    return "\n".join(map(plain, [*lines, *found.remarks]))


def summary(found: Comparison) -> str:
    """A comparison in a line."""
    beyond = sum(d.off > 0 for d in found.differences)
    others = len(found.differences) - beyond
    within = f"{found.compared - beyond:,} of {found.compared:,} scores compared"
    parts = [f"{within} are within their tolerance"]
    parts += [f"{beyond:,} beyond it"] if beyond else []
    parts += [f"{others:,} missing, new or not comparable"] if others else []
    return ", ".join(parts)


def _rows(
    was: ExpectedRow, now: ExpectedRow, allowed: Mapping[str, float | str], across_extractors: bool
) -> Comparison:
    """Two rows of the same model, protocol and data."""
    title = _title(was)
    known, found = ({s.key: s for s in row.scores} for row in (was, now))
    differences, others, compared, strict = [], 0, 0, False
    for key in [*known, *(k for k in found if k not in known)]:
        a, b = known.get(key), found.get(key)
        what = _not_comparable(a, b, across_extractors)
        if what is not None:
            differences.append(Difference(title, _about(a or b), what))
        elif a is not None and b is not None and a.mean is not None and b.mean is not None:
            compared += 1
            others += a.extractor != b.extractor
            tolerance = _tolerance(a, b, was, allowed)
            by, slack = abs(b.mean - a.mean), _ROUNDING * max(abs(a.mean), abs(b.mean))
            if by > tolerance + slack:
                off = by / tolerance if tolerance else math.inf
                strict |= not tolerance
                differences.append(Difference(title, _about(a), _moved(a, b, tolerance), off))
    remarks = []
    if others:
        counted = f"{title}: {others:,} scores were measured with another network"
        remarks.append(f"{counted} than the reference's, and compared nevertheless")
    if strict and len(was.seeds) < 2:
        alone = f"{title}: one seed has no deviation"
        remarks.append(f"{alone}, so that its scores must be equal where no tolerance is given")
    return Comparison(compared, tuple(differences), tuple(remarks))


def _not_comparable(a: Expected | None, b: Expected | None, across: bool) -> str | None:
    """Why two scores have no difference, in words; None if they have one, or are both absent."""
    if b is None:
        return "missing in the results"
    if a is None:
        return f"new: {_number(b.mean)}"
    if (a.mean is None) != (b.mean is None):
        return f"was {_number(a.mean)}, is {_number(b.mean)}"
    if a.mean is None:
        return None
    if a.n != b.n:
        return f"not compared: was of {a.n:,} samples, is of {b.n:,}"
    if a.extractor != b.extractor and not across:
        was, now = a.extractor or "no network", b.extractor or "no network"
        return f"not compared: was measured with {was}, is with {now}"
    return None


def _tolerance(
    a: Expected, b: Expected, row: ExpectedRow, allowed: Mapping[str, float | str]
) -> float:
    """By how much a mean may differ; 0 where nothing says so."""
    given = parsed(a.metric, allowed.get(a.metric, "seeds"))
    if given is not None:
        absolute, relative = given
        return absolute + relative * abs(a.mean or 0.0)
    if a.seeds < 2:
        return 0.0
    from scipy.special import stdtrit

    kind = (a.metric, a.target, a.target in a.given, a.seeds)
    alike = [s for s in row.scores if (s.metric, s.target, s.target in s.given, s.seeds) == kind]
    squares = [s.std**2 for s in alike if s.std is not None]
    deviation = math.sqrt(fmean(squares)) if squares else 0.0
    known = facts(a.metric)
    if known and known.counts:
        deviation = max(deviation, 100 / max(1, a.n))
    quantile = float(stdtrit(a.seeds - 1, (1 + LEVEL) / 2))
    return quantile * deviation * math.sqrt(1 / a.seeds + 1 / max(1, b.seeds))


def _unmatched(row: ExpectedRow, others: Iterable[ExpectedRow], what: str) -> Difference:
    """A row without its like, with the reason where there is one of the same model."""
    same = [r for r in others if (r.dataset, r.model) == (row.dataset, row.model)]
    protocols = sorted({r.protocol_hash for r in same} - {row.protocol_hash})
    if any(r.protocol_hash == row.protocol_hash for r in same):
        hashes = ", ".join(sorted({r.data[:8] for r in same}))
        what += f": not compared with other examples (data {row.data[:8]}, there {hashes})"
    elif protocols:
        what += f": not compared with another protocol ({', '.join(protocols)})"
    return Difference(_title(row), "", f"{what}; {len(row.scores):,} scores")


def _moved(a: Expected, b: Expected, tolerance: float) -> str:
    assert a.mean is not None and b.mean is not None  # for the type checker
    by = b.mean - a.mean
    much = f"{abs(by) / tolerance:.1f} tolerances off" if tolerance else "expected to be equal"
    moved = f"was {_number(a.mean)}, is {_number(b.mean)} ({by:+.4g})"
    return f"{moved}, tolerance {tolerance:.4g}: {much}"


def _title(row: ExpectedRow) -> str:
    seeds = ", ".join(map(str, row.seeds))
    return f"{row.dataset}, {row.model}, protocol {row.protocol_hash}, seeds {seeds}"


def _about(s: Expected | None) -> str:
    assert s is not None  # for the type checker
    return f"{s.metric} {s.target}" + (f" ← {', '.join(s.given)}" if s.given else "")


def _deviation(s: Expected) -> str:
    return "none" if s.std is None else f"{s.std:.5g}"


def _number(x: float | None) -> str:
    return "not computed" if x is None else f"{x:.5g}"
