"""Reference files: what results are expected to be, one score a line, for `mmbench check`.

A row is the runs of one model under one protocol on the same examples. The file is JSON, sorted,
its numbers to six digits, so that two versions of it differ in the lines that changed.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from mmbench.core.score import Score
from mmbench.files.atomic import write_text
from mmbench.leaderboard.rows import Row, Term, mean, rows
from mmbench.records.record import Record
from mmbench.records.shapes import built
from mmbench.records.strict import Faults, read, short, shown
from mmbench.records.versions import current

SCHEMA = 1

LARGEST = 64 * 2**20
"""Bytes of a reference; one of 160 models on PolyMNIST has 4,300,000."""

SEEDS = "seeds"
"""The tolerance that comes from the deviation over seeds."""

Key = tuple[str, tuple[str, ...], str]
"""(metric, given, target)."""


@dataclass(frozen=True)
class Expected:
    """One score of a row: a line of the file.

    Attributes:
        metric, given, target: As in records.
        mean, std, seeds: As in `mmbench.leaderboard.rows.Mean`, to six digits.
        n: Samples that each value was computed from.
        extractor: What it was measured with, as in records.
    """

    metric: str
    given: tuple[str, ...]
    target: str
    mean: float | None
    std: float | None
    seeds: int
    n: int
    extractor: str | None

    @property
    def key(self) -> Key:
        """What identifies it among the scores of its row."""
        return self.metric, self.given, self.target


@dataclass(frozen=True)
class ExpectedRow:
    """A row of the tables (`mmbench.leaderboard.rows.Row`), without its records."""

    dataset: str
    model: str
    protocol_hash: str
    data: str
    seeds: tuple[int, ...]
    scores: tuple[Expected, ...]

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What identifies it among rows."""
        return self.dataset, self.model, self.protocol_hash, self.data


@dataclass(frozen=True)
class Reference:
    """Expected results.

    Attributes:
        rows: By data set, model, protocol and data.
        tolerances: Metric -> by how much a mean may differ: a number, a part of the expected mean
            ("10%"), or "seeds", which is also that of a metric without an entry.
    """

    rows: tuple[ExpectedRow, ...]
    tolerances: dict[str, float | str] = field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def metrics(self) -> set[str]:
        """The names of its metrics."""
        return {s.metric for row in self.rows for s in row.scores}


def of_records(
    records: Iterable[Record], tolerances: Mapping[str, float | str] | None = None
) -> Reference:
    """The reference that some records would be, with the tolerances of some metrics.

    Stale ones are left out.

    Raises:
        ValueError: Two records are of the same run, those of an unregistered model or data set
            are of two versions, or the seeds of a row were measured with different networks or
            numbers of samples.
    """
    key = lambda row: (row.dataset, row.model, row.protocol_hash, row.data)
    order = sorted(rows(current(records)), key=key)
    made = Reference(tuple(map(_row, order)))
    for one, other in pairwise(made.rows):
        if one.key == other.key:
            wrong = f"the records of {one.model} on {one.dataset} are of two versions"
            raise ValueError(f"{wrong} of an unregistered model or data set, expected one")
    known = tolerances or {}
    made.tolerances.update({m: known.get(m, SEEDS) for m in sorted(made.metrics)})
    return made


def write(reference: Reference, path: Path) -> None:
    """Writes a reference, whole or not at all."""
    blocks = []
    for row in reference.rows:
        head = {k: v for k, v in asdict(row).items() if k != "scores"}
        lines = [f"   {_line(k)}: {_line(v)}," for k, v in head.items()]
        scores = ",\n".join(f"    {_line(asdict(s))}" for s in row.scores)
        blocks.append("\n".join(["  {", *lines, f'   "scores": [\n{scores}\n   ]', "  }"]))
    tolerances = [f"  {_line(k)}: {_line(v)}" for k, v in reference.tolerances.items()]
    top = ["{", f' "schema": {SCHEMA},', ' "tolerances": {', ",\n".join(tolerances), " },"]
    write_text(path, "\n".join([*top, ' "rows": [', ",\n".join(blocks), " ]", "}", ""]))


def load(path: Path) -> Reference:
    """Reads what `write` wrote, or a person edited.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no reference; the sentence names it.
    """
    try:
        found: Reference = built(read(path, LARGEST), Reference)
        if found.schema != SCHEMA:
            raise Faults([f"schema is {found.schema}, expected {SCHEMA}"])
        for metric, tolerance in found.tolerances.items():
            parsed(metric, tolerance)
        keys: list[tuple[object, ...]] = [r.key for r in found.rows]
        keys += [(*r.key, *s.key) for r in found.rows for s in r.scores]
        if twice := [" ".join(map(str, k)) for k, count in Counter(keys).items() if count > 1]:
            raise Faults([f"{short(twice[0])} occurs twice"])
    except ValueError as error:
        first, *others = str(error).splitlines()
        more = f", and {len(others)} more of its values are wrong" if others else ""
        raise ValueError(f"{shown(path)} is no reference: {first}{more}") from None
    return found


def parsed(metric: str, tolerance: float | str) -> tuple[float, float] | None:
    """A tolerance as (absolute, relative to the expected mean); None if seeds decide.

    Raises:
        ValueError: It is not at least 0, a percentage, or "seeds".
    """
    if tolerance == SEEDS:
        return None
    text = str(tolerance)
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        wrong = f"the tolerance of {metric} is {short(tolerance)}"
        wanted = 'a number of at least 0, a percentage such as "10%", or "seeds"'
        raise ValueError(f"{wrong}, expected {wanted}")
    return (0.0, value / 100) if text.endswith("%") else (value, 0.0)


def _row(row: Row) -> ExpectedRow:
    scored = {(s.metric, s.given, s.target) for r in row.records for s in r.scores}
    order = sorted(scored, key=lambda key: (key[0], len(key[1]), *key[1:]))
    runs = {metric: row.scores(metric) for metric in {metric for metric, _, _ in scored}}
    scores = tuple(_expected(row, metric, (g, t), runs[metric]) for metric, g, t in order)
    return ExpectedRow(row.dataset, row.model, row.protocol_hash, row.data, row.seeds, scores)


def _expected(row: Row, metric: str, term: Term, runs: Sequence[Mapping[Term, Score]]) -> Expected:
    given, target = term
    scores = [run[term] for run in runs if term in run]
    measured = [s for s in scores if s.value is not None] or scores
    numbers = {s.n for s in measured}
    networks = {s.extractor for s in measured}
    for what, seen in (("numbers of samples", numbers), ("networks", networks)):
        if len(seen) > 1:
            whose = f"the seeds of {row.model} on {row.dataset} have {metric} of {target}"
            several = " and ".join(sorted(map(str, seen)))
            raise ValueError(f"{whose} by different {what}, {several}: they have no mean")
    found = mean(runs, [term])
    n, extractor = measured[0].n, measured[0].extractor
    seeds = int(found.seeds)
    return Expected(metric, given, target, _six(found.value), _six(found.std), seeds, n, extractor)


def _six(x: float | Decimal | None) -> float | None:
    return None if x is None else float(f"{x:.6g}")


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
