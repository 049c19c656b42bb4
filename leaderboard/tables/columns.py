"""Columns of a table of results: which scores stand below which heading.

With up to three modalities there is a column for each target and each subset of modalities it
may be given; with more, one for each number of given modalities, averaged over targets and
subsets.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import combinations

from mmbench.core.score import JOINT
from mmbench.leaderboard.rows import Term
from mmbench.leaderboard.tables.selection import ALL, Selection
from mmbench.records.record import Record

CONDITIONAL = "conditional"
"""Given any number of modalities from 1."""

Given = int | str
"""How many modalities are given: 0 is joint generation; or `CONDITIONAL`."""

MEAN = ""
"""The target of a mean over targets."""

WIDEST = 3
"""The largest number of modalities that get a column for each subset."""


@dataclass(frozen=True)
class Column:
    """What the cells below it are averages of.

    Attributes:
        target: The modality generated; "" where the column concerns several.
        given: What it is generated from, in words.
        terms: The scores that are averaged in each run.
    """

    target: str
    given: str
    terms: tuple[Term, ...]

    @property
    def title(self) -> str:
        """In a line, e.g. "image ← trajectory, sound"."""
        if not self.target:
            return self.given
        if self.given == JOINT:
            return f"{self.target} ({JOINT})"
        return f"{self.target} ← {self.given}"


def modalities(records: Iterable[Record]) -> list[str]:
    """All that were scored or given, in the order of the protocols, else of appearance."""
    seen: dict[str, None] = {}
    listed: dict[str, None] = {}
    for r in records:
        table = r.protocol.get("modalities")
        listed |= dict.fromkeys(table if isinstance(table, Mapping) else ())
        for s in r.scores:
            seen |= dict.fromkeys((*s.given, s.target))
    order: dict[str, None] = {}
    for key in listed:  # a name, a pattern such as "m*", or a kind such as "<image>"
        order |= dict.fromkeys(m for m in sorted(seen, key=_natural) if fnmatchcase(m, key))
    return [m for m in order | seen if m != JOINT]


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts m2 before m10."""
    # A longer number comes later, however large a number int() could read.
    parts = ((part, part.lstrip("0")) for part in re.split(r"(\d+)", name))
    return [(len(n), n) if part.isdecimal() else (-1, part) for part, n in parts]


def columns(
    terms: Iterable[Term], names: Sequence[str], asked: Selection = ALL
) -> tuple[Column, ...]:
    """The columns of one metric's scores: either no target is given, or every one is.

    Args:
        terms: The scores.
        names: The modalities, in order.
        asked: Which of the columns; single subsets, if it names some.
    """
    terms = {term for term in terms if asked.takes(term[0])}
    each = len(names) <= WIDEST or asked.subsets
    return tuple(_subsets(terms, names) if each else _averages(terms, names))


def _subsets(terms: set[Term], names: Sequence[str]) -> Iterable[Column]:
    targets = [JOINT, *names]

    def place(term: Term) -> tuple[int, int, list[int]]:
        given, target = term
        return targets.index(target), len(given), [names.index(m) for m in given]

    for given, target in sorted(terms, key=place):
        joint = (given, target) == ((), JOINT)
        title = "Joint" if joint else ", ".join(given) or JOINT
        yield Column("" if joint else target, title, ((given, target),))


def _averages(terms: set[Term], names: Sequence[str]) -> Iterable[Column]:
    """Their terms include those that nobody scored, so that an average cannot look complete."""
    itself = any(target in given for given, target in terms)
    scored = [m for m in names if any(target == m for _, target in terms)]
    for k in range(len(names) + 1):
        joint = tuple(sorted(t for t in terms if len(t[0]) == k and t[1] == JOINT))
        if joint:
            yield Column("", f"Joint ← {k} given" if k else "Joint", joint)
        if all(len(given) != k or target == JOINT for given, target in terms):
            continue  # of many modalities there are too many subsets to list for nothing
        each = tuple(
            (given, target)
            for target in scored
            for given in combinations(names, k)
            if (target in given) == itself
        )
        if terms & set(each):
            yield Column("", f"{k} given" if k else "Mean (joint)" if joint else "Joint", each)


def chosen(terms: set[Term], target: str, given: Given) -> Column | None:
    """The scores that a mean averages, out of `terms`; None if there are none.

    For `MEAN`, those of every target that is not given. Jointly, one score of all modalities
    stands for that mean, and for a target without a score of its own.
    """
    fits = sorted(
        (g, t)
        for g, t in terms
        if t not in g and (len(g) > 0 if given == CONDITIONAL else len(g) == given)
    )
    whole = [term for term in fits if term[1] == JOINT]
    parts = [term for term in fits if term[1] != JOINT and target in (MEAN, term[1])]
    # Jointly, a metric may score all at once, each by itself, or both: the mean is of the first.
    found = (whole or parts) if given == 0 and target == MEAN else (parts or whole)
    if given != 0 and target != MEAN:
        found = parts
    words = in_words(given) + (" given" if isinstance(given, int) and given else "")
    return Column(target, words, tuple(found)) if found else None


def in_words(given: Given) -> str:
    """How many modalities are given, as estimates say it."""
    return str(given) if given else JOINT
