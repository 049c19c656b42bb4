"""Reference files: what results are expected to be, one score a line, for `mmbench check`.

A row is the runs of one model under one protocol on the same examples. The file is JSON, sorted,
its numbers to six digits, so that two versions of it differ in the lines that changed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, stdev

from mmbench.files.atomic import write_text
from mmbench.records.record import Record
from mmbench.records.strict import Faults, built, read, short, shown

SCHEMA = 1

LARGEST = 64 * 2**20
"""Bytes of a reference; one of 160 models on PolyMNIST has 4,300,000."""

SEEDS = "seeds"
"""The tolerance that comes from the deviation over seeds."""

Key = tuple[str, tuple[str, ...], str]
"""(metric, given, target)."""


@dataclass(frozen=True)
class Expected:
    """One score of a row.

    Attributes:
        metric, given, target: As in records.
        mean: Over seeds; None where it was not computed.
        std: Sample standard deviation over seeds; None for fewer than two.
        seeds: Number of seeds that have a value.
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
        """What tells it from the other scores of its row."""
        return self.metric, self.given, self.target


@dataclass(frozen=True)
class Row:
    """The runs of one model under one protocol on the same examples."""

    dataset: str
    model: str
    protocol_hash: str
    data: str
    seeds: tuple[int, ...]
    scores: tuple[Expected, ...]

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells it from other rows."""
        return self.dataset, self.model, self.protocol_hash, self.data


@dataclass(frozen=True)
class Reference:
    """Expected results.

    Attributes:
        rows: By data set, model, protocol and data.
        tolerances: Metric -> by how much a mean may differ: a number, a part of the expected mean
            ("10%"), or "seeds", which is also that of a metric without an entry.
    """

    rows: tuple[Row, ...]
    tolerances: dict[str, float | str] = field(default_factory=dict)
    schema: int = SCHEMA


def of_records(
    records: Iterable[Record], tolerances: Mapping[str, float | str] | None = None
) -> Reference:
    """The reference that some records would be.

    Args:
        records: In any order.
        tolerances: Of some metrics.

    Raises:
        ValueError: Two records are of the same run, or the seeds of a row were measured with
            different networks or numbers of samples.
    """
    groups: dict[tuple[str, str, str, str], list[Record]] = {}
    for r in sorted(records, key=lambda r: r.seed):
        of = groups.setdefault((r.dataset, r.model, r.protocol_hash, r.data), [])
        if of and of[-1].seed == r.seed:
            raise ValueError(f"two records of {r.model!r} on {r.dataset!r} have seed {r.seed}, "
                             "expected one")  # fmt: skip
        of.append(r)
    rows = tuple(_row(of) for _, of in sorted(groups.items()))
    metrics = sorted({s.metric for row in rows for s in row.scores})
    known = tolerances or {}
    return Reference(rows, {m: known.get(m, SEEDS) for m in metrics})


def write(reference: Reference, path: Path) -> None:
    """Writes a reference, whole or not at all."""
    rows = []
    for row in reference.rows:
        head = {k: v for k, v in asdict(row).items() if k != "scores"}
        lines = [f"   {_line(k)}: {_line(v)}," for k, v in head.items()]
        scores = ",\n".join(f"    {_line(asdict(s))}" for s in row.scores)
        rows.append("\n".join(["  {", *lines, f'   "scores": [\n{scores}\n   ]', "  }"]))
    tolerances = [f"  {_line(k)}: {_line(v)}" for k, v in reference.tolerances.items()]
    write_text(path, "\n".join([
        "{", f' "schema": {SCHEMA},', ' "tolerances": {', ",\n".join(tolerances), " },",
        ' "rows": [', ",\n".join(rows), " ]", "}", "",
    ]))  # fmt: skip


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
        keys = [
            *(r.key for r in found.rows),
            *((*r.key, *s.key) for r in found.rows for s in r.scores),
        ]
        if twice := [" ".join(map(str, k)) for k, count in Counter(keys).items() if count > 1]:
            raise Faults([f"{short(twice[0])} occurs twice"])
    except ValueError as error:
        raise ValueError(f"{shown(path)} is no reference: {error}") from None
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
        raise ValueError(f"the tolerance of {metric} is {short(tolerance)}, expected a number of "
                         'at least 0, a percentage such as "10%", or "seeds"')  # fmt: skip
    return (0.0, value / 100) if text.endswith("%") else (value, 0.0)


def _row(of: Sequence[Record]) -> Row:
    first = of[0]
    scores: dict[Key, list[tuple[int, float | None, int, str | None]]] = {}
    for r in of:
        for s in r.scores:
            found = scores.setdefault((s.metric, s.given, s.target), [])
            found.append((r.seed, s.value, s.n, s.extractor))
    expected = []
    for (metric, given, target), runs in sorted(scores.items(), key=lambda item: _order(item[0])):
        measured = [run for run in runs if run[1] is not None] or runs
        for what, seen in (("numbers of samples", {run[2] for run in measured}),
                           ("networks", {run[3] for run in measured})):  # fmt: skip
            if len(seen) > 1:
                raise ValueError(
                    f"the seeds of {first.model} on {first.dataset} have {metric} of {target} by "
                    f"different {what}, {' and '.join(sorted(map(str, seen)))}: they have no mean"
                )
        values = [run[1] for run in measured if run[1] is not None]
        expected.append(Expected(
            metric, given, target,
            mean=_six(fmean(values)) if values else None,
            std=_six(stdev(values)) if len(values) > 1 else None,
            seeds=len(values), n=measured[0][2], extractor=measured[0][3],
        ))  # fmt: skip
    return Row(first.dataset, first.model, first.protocol_hash, first.data,
               tuple(r.seed for r in of), tuple(expected))  # fmt: skip


def _order(key: Key) -> tuple[str, int, tuple[str, ...], str]:
    metric, given, target = key
    return metric, len(given), given, target


def _six(x: float) -> float:
    return float(f"{x:.6g}")


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
