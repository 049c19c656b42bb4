"""The numbers that the papers print in their tables of results, as data.

`published/*.csv` holds a line for each cell. Values stay as printed, also where two tables
disagree; the note then says so. `given` joins modalities by "+"; "*" stands for any modality, so
that "*+*" for the target "*" is the average over all targets and all pairs that they can be
generated from (the "leave-one-out" averages of PolyMNIST).
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, get_args

from mmbench.core.score import Direction
from mmbench.files.text import read_text
from mmbench.registry import nearest

UNITS = ("%", "")
ANY = "*"
"""Stands for any modality."""


@dataclass(frozen=True)
class Published:
    """A cell of a table.

    Attributes:
        paper: "mld", "workshop" or "diff-mvae".
        table: The table's number in it.
        dataset: The data set's name here.
        model: The model's name here; the papers' MMVAE, for one, is our `mmvae-elbo`.
        metric: The metric's name here.
        given: The modalities conditioned on.
        target: The modality scored, or "joint".
        value: With the digits that are printed.
        deviation: What stands after ±; None where nothing does.
        unit: "%" or "".
        direction: Which is better.
        source: Paper and table.
        note: What does not fit, e.g. what another table has for the same cell; mostly empty.

    Raises:
        ValueError: A value has the wrong type or is impossible.
    """

    paper: str
    table: int
    dataset: str
    model: str
    metric: str
    given: tuple[str, ...]
    target: str
    value: Decimal
    deviation: Decimal | None
    unit: str
    direction: Direction
    source: str
    note: str

    def __post_init__(self) -> None:
        for name in ("paper", "dataset", "model", "metric", "target", "source"):
            if not getattr(self, name):
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected a name")
        if self.table < 1:
            raise ValueError(f"table is {self.table!r}, expected its number, from 1")
        if not all(self.given):
            raise ValueError(f"given is {self.given!r}, expected names of modalities")
        for name, number in (("value", self.value), ("deviation", self.deviation)):
            if number is not None and not (number.is_finite() and number >= 0):
                raise ValueError(f"{name} is {number!r}, expected a number from 0")
        if self.unit not in UNITS:
            raise ValueError(f"unit is {self.unit!r}, expected '%' or nothing")
        if (wrong := self.direction) not in get_args(Direction):
            raise ValueError(f"direction is {wrong!r}{nearest(wrong, get_args(Direction))}")


COLUMNS = tuple(f.name for f in fields(Published))


@cache
def published() -> tuple[Published, ...]:
    """All cells of all tables, each paper's in the order of its tables, rows and columns.

    Raises:
        ValueError: A file was damaged.
    """
    folder = files("mmbench.leaderboard.papers") / "published"
    sources = [f for f in folder.iterdir() if f.name.endswith(".csv")]
    return tuple(read(sorted(sources, key=lambda f: f.name)))


@cache
def numbers() -> tuple[Published, ...]:
    """Every number once: of a paper's tables that print it, the first with a deviation, if any.

    Raises:
        ValueError: As `published`.
    """
    found: dict[tuple[object, ...], Published] = {}
    for p in published():
        key = (p.paper, p.dataset, p.model, p.metric, tuple(sorted(p.given)), p.target)
        old = found.setdefault(key, p)
        if old.deviation is None and p.deviation is not None:
            found[key] = p
    return tuple(found.values())


def read(sources: Iterable[Traversable]) -> list[Published]:
    """The cells in some CSV files with the columns `COLUMNS`, in any order.

    Raises:
        ValueError: A file has other columns, an impossible value, a cell twice, or two directions
            or units of one metric; the sentence names file and line.
        OSError: A file cannot be read.
    """
    cells: dict[tuple[object, ...], Published] = {}
    metrics: dict[str, tuple[str, str]] = {}
    for source in sources:
        lines = csv.reader(io.StringIO(read_text(source), newline=""))
        head = next(lines, [])
        for wrong in [name for name in head if name not in COLUMNS]:
            raise ValueError(f"{source} has a column {wrong!r}{nearest(wrong, COLUMNS)}")
        for missing in [name for name in COLUMNS if head.count(name) != 1]:
            raise ValueError(f"{source} has {head.count(missing)} columns {missing!r}, expected 1")
        for line in lines:
            where = f"{source}, line {lines.line_num}"
            if len(line) != len(head):
                raise ValueError(f"{where}: {len(line)} columns, expected {len(head)}")
            try:
                cell = _cell(dict(zip(head, line, strict=True)))
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
            given = frozenset(cell.given), len(cell.given)
            key = (cell.paper, cell.table, cell.model, cell.metric, given, cell.target)
            if key in cells:
                second = f"a second {cell.metric} of {cell.target!r} of {cell.model!r}"
                raise ValueError(f"{where}: {second} in this table, expected one")
            cells[key] = cell
            kind = (cell.direction, cell.unit)
            if metrics.setdefault(cell.metric, kind) != kind:
                other = f"direction and unit of {cell.metric} are {kind}"
                raise ValueError(f"{where}: {other}, but {metrics[cell.metric]} above")
    return list(cells.values())


def _cell(line: dict[str, str]) -> Published:
    found: dict[str, Any] = dict(line)
    found["table"] = _number("table", line["table"], int, "a whole number")
    found["given"] = tuple(line["given"].split("+")) if line["given"] else ()
    found["value"] = _number("value", line["value"], Decimal, "a number")
    found["deviation"] = None
    if line["deviation"]:
        found["deviation"] = _number("deviation", line["deviation"], Decimal, "a number")
    return Published(**found)


def _number(name: str, text: str, kind: type[int | Decimal], wanted: str) -> int | Decimal:
    try:
        return kind(text)
    except (ValueError, InvalidOperation):
        raise ValueError(f"{name} is {text!r}, expected {wanted}") from None
