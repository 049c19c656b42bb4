"""The papers' tables of results: which rows and columns each has, in its own order and words.

The shapes are data, in `layouts.toml`. The numbers are in `mmbench.leaderboard.papers.published`;
`mmbench.leaderboard.papers.comparison` fills the tables.
"""

import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from mmbench.registry import nearest

COHERENCE = ("coherence", "clip-s[mld]", "clip-s[percent]", "clip-s", "clip-s[in-domain]", "f1")
"""Metrics of whether modalities fit each other, the usual ones first."""

QUALITY = ("fid", "fid-tensorflow", "fmd", "fad")
"""Metrics of the distance from real examples, the usual ones first."""


@dataclass(frozen=True)
class Heading:
    """A column of a paper's table.

    Attributes:
        group: The heading above it, shared with its neighbours; may be empty.
        title: Its own heading.
        metric: What is scored, by its name here.
        given: The modalities given; "*" is any (see `mmbench.leaderboard.papers.published`).
        target: The modality scored.
    """

    group: str
    title: str
    metric: str
    given: tuple[str, ...]
    target: str


@dataclass(frozen=True)
class Method:
    """A row: the paper's name of a method, ours, and whether it is ranked: references are not."""

    label: str
    model: str
    ranked: bool = True


@dataclass(frozen=True)
class PaperTable:
    """The shape of one table.

    Attributes:
        paper: A key of `CITATIONS`.
        number: The number of the table in the paper.
        caption: What it shows, in a line.
        dataset: The data set's name here.
        headings: Its columns.
        methods: Its rows.
        spread: What its numbers are over; "" where the paper does not say.
        samples: Metric -> the number of samples that the paper scores, where it says so.
    """

    paper: str
    number: int
    caption: str
    dataset: str
    headings: tuple[Heading, ...]
    methods: tuple[Method, ...]
    spread: str
    samples: dict[str, int] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        """As in `--paper`, e.g. "mld-1"."""
        return f"{self.paper}-{self.number}"

    @property
    def source(self) -> str:
        """The paper, and the table in it."""
        return f"{CITATIONS[self.paper]}, table {self.number}"


def find(name: str) -> PaperTable:
    """The table of that name.

    Raises:
        LookupError: There is none.
    """
    known = {table.name: table for table in TABLES}
    if name not in known:
        paper = name.rpartition("-")[0]
        of = ", ".join(table.name for table in TABLES if table.paper == paper)
        hint = f"; there is {of}" if of else nearest(name, known)
        raise LookupError(f"no paper's table is called {name!r}{hint}")
    return known[name]


def _table(table: dict[str, Any]) -> PaperTable:
    """A table as the file has it: columns by name, methods as label -> model."""
    columns = _FOUND["columns"][table.pop("columns")]
    headings = tuple(
        Heading(group, title, metric, tuple(given.split("+")) if given else (), target)
        for group, title, metric, given, target in columns
    )
    unranked = table.pop("unranked", ())
    methods = tuple(
        Method(label, m, m not in unranked) for label, m in table.pop("methods").items()
    )
    return PaperTable(**table, headings=headings, methods=methods)


_FOUND = tomllib.loads(files(__package__).joinpath("layouts.toml").read_text(encoding="utf-8"))

CITATIONS: dict[str, str] = _FOUND["citations"]
"""The papers, by a short name."""

TABLES = tuple(map(_table, _FOUND["tables"]))
"""All tables, in the order of the papers."""
