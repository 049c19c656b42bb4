"""What figures show: means over seeds of one metric, from records and from the papers' tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from math import comb

from mmbench.core.score import JOINT
from mmbench.leaderboard.papers.layouts import CITATIONS
from mmbench.leaderboard.papers.published import ANY, Published, published
from mmbench.leaderboard.tables.cells import cell
from mmbench.leaderboard.tables.columns import Column, Term, modalities
from mmbench.leaderboard.tables.table import tables
from mmbench.records.record import Record
from mmbench.registry import names

CONDITIONAL = "conditional"
"""Of the modalities given: any number of them from 1."""

Given = int | str
"""How many modalities are given: 0 is joint generation; or `CONDITIONAL`."""

MEAN = ""
"""The target of a mean over targets."""


COHERENCE = ("coherence", "clip-s[mld]", "clip-s[percent]", "clip-s", "clip-s[in-domain]", "f1")
"""Metrics of whether modalities fit each other, the usual ones first."""

QUALITY = ("fid", "fid-tensorflow", "fmd", "fad")
"""Metrics of the distance from real examples, the usual ones first."""


@dataclass(frozen=True, eq=False)
class Group:
    """The runs of one model under one protocol on the same examples: a row of the tables.

    Attributes:
        label: As in the tables.
        model: The model's name.
        records: One for each seed; none where a paper printed the numbers.
    """

    label: str
    model: str
    records: tuple[Record, ...] = ()


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        group: Of which runs.
        metric: The metric's name.
        target: The modality generated; `MEAN` where it is a mean over all.
        given: How many modalities are given, in words: "joint", "2", or "conditional".
        mean: Over seeds; of each seed over targets and given subsets.
        std: Sample standard deviation over seeds; None for one seed, and where a paper prints
            none.
        seeds: Their number; 0 where a paper printed the value.
        terms: Number of scores that were averaged in each seed.
        n: The fewest samples that one of them was computed from; 0 where a paper printed it.
        source: Paper and tables that printed it; "" where it was measured.
    """

    group: Group
    metric: str
    target: str
    given: str
    mean: float
    std: float | None
    seeds: int
    terms: int
    n: int
    source: str = ""

    @property
    def published(self) -> bool:
        """Whether a paper printed it."""
        return bool(self.source)


class Estimates:
    """The estimates of one data set.

    Args:
        dataset: The data set's name.
        records: Of this data set.
        beside: The models of which to add what the papers print; None for all.

    Attributes:
        groups: The measured ones, in the order of the tables.
        remarks: Sentences about what has no estimate, in the order in which it was asked for.

    Raises:
        ValueError: Two records are of the same run.
    """

    def __init__(
        self, dataset: str, records: Sequence[Record], beside: Collection[str] | None = ()
    ) -> None:
        self.dataset = dataset
        self.groups = groups(records)
        self.remarks: list[str] = []
        self._papers: dict[str, Group] = {}
        self._printed: dict[str, dict[tuple[str, Term], Published]] = {}
        # Of what several tables print, the first paper's counts, with its deviation if it has one.
        papers = {name: i for i, name in enumerate(CITATIONS)}
        for p in sorted(published(), key=lambda p: papers.get(p.paper, 99)):
            if p.dataset == dataset and (beside is None or p.model in beside):
                known = self._printed.setdefault(p.metric, {})
                key = (p.model, (tuple(sorted(p.given)), p.target))
                old = known.get(key)
                if old is None or (old.paper == p.paper and old.deviation is None
                                   and p.deviation is not None):  # fmt: skip
                    known[key] = p
        targets = {p.target for of in self._printed.values() for p in of.values()}
        self.names = modalities(records) or sorted(targets - {ANY, JOINT})

    def metrics(self) -> list[str]:
        """The metrics that have a value, coherence first."""
        found = {s.metric for g in self.groups for r in g.records for s in r.scores
                 if s.value is not None} | set(self._printed)  # fmt: skip
        return sorted(found, key=lambda m: (m != "coherence", m))

    def usual(self, kind: Iterable[str]) -> str | None:
        """Of some metrics the one that most groups have a value of, the first of equals.

        Args:
            kind: `COHERENCE` or `QUALITY`.
        """
        counts = {
            metric: sum(any(s.metric == metric and s.value is not None
                            for r in g.records for s in r.scores) for g in self.groups)
            for metric in kind if metric in self.metrics()
        }  # fmt: skip
        return max(counts, key=lambda m: counts[m], default=None)

    def targets(self, metric: str) -> list[str]:
        """The single modalities that a metric scores, in order."""
        scored = {target for _, target in self._terms(metric)}
        return [m for m in self.names if m in scored]

    @property
    def most(self) -> int:
        """The largest number of given modalities with something left to generate."""
        terms = [term for metric in self.metrics() for term in self._terms(metric)]
        terms += [term for of in self._printed.values() for _, term in of]
        return max((len(g) for g, t in terms if t not in g or t == ANY), default=0)

    def of(self, metric: str, target: str, given: Given, also: str = "") -> list[Estimate]:
        """The estimates of all groups, measured ones first.

        A group that lacks scores which others have gets none, since a mean of other scores would
        not be comparable; a remark says so.

        Args:
            metric: The metric's name.
            target: The modality generated, or `MEAN`. Joint generation that is scored as a whole
                counts for every target.
            given: How many modalities are given.
            also: Another metric: only what it scored too counts.
        """
        terms = self._terms(metric)
        if also:
            others = self._terms(also)
            whole = {g for g, t in others if t == JOINT}
            drawn = {g for g, _ in others}
            terms = {(g, t) for g, t in terms if (g, t) in others or g in whole
                     or (t == JOINT and g in drawn)}  # fmt: skip
        column = chosen(terms, target, given)
        found = []
        for group in self.groups if column else ():
            assert column is not None  # for the type checker
            runs = [{(s.given, s.target): s for s in r.scores if s.metric == metric}
                    for r in group.records]  # fmt: skip
            why: list[str] = []
            one = cell(runs, column, why)
            if one.mean is None or len(one.terms) < len(column.terms):
                what = f"{metric} of {target}" if target else metric
                remark = f"{group.label} has no {what}, {column.given}: {'; '.join(why)}"
                self.remarks += [remark] if remark not in self.remarks else []
                continue
            n = min(run[t].n for run in runs for t in one.terms if t in run)
            found.append(Estimate(group, metric, target, in_words(given), one.mean, one.std,
                                  one.seeds, len(one.terms), n))  # fmt: skip
        return found + self._beside(metric, target, given, column)

    def _terms(self, metric: str) -> set[Term]:
        """What any group scored; else what the papers print, term by term."""
        found = {(s.given, s.target) for g in self.groups for r in g.records for s in r.scores
                 if s.metric == metric and s.value is not None}  # fmt: skip
        if found:
            return found
        printed = self._printed.get(metric, {})
        return {term for _, term in printed if ANY not in (*term[0], term[1])}

    def _beside(
        self, metric: str, target: str, given: Given, column: Column | None
    ) -> list[Estimate]:
        """What the papers print of it."""
        cells = self._printed.get(metric, {})
        found = []
        order = list(names("models"))
        models = dict.fromkeys(model for model, _ in cells)
        for model in sorted(models, key=lambda m: order.index(m) if m in order else len(order)):
            own = {term: p for (of, term), p in cells.items() if of == model}
            known = _averages(own, given) if target == MEAN else None
            if known is None and column is not None:
                asked = [(tuple(sorted(g)), t) for g, t in column.terms]
                if all(t in own for t in asked):
                    known = [(own[t], 1) for t in asked]
            if not known:
                continue
            count = sum(weight for _, weight in known)
            mean = sum(float(p.value) * (weight / count) for p, weight in known)
            alone = known[0][0].deviation if len(known) == 1 else None
            found.append(Estimate(
                self._papers.setdefault(model, Group(f"{model}, published", model)),
                metric, target, in_words(given), mean, None if alone is None else float(alone), 0,
                count, 0, "; ".join(dict.fromkeys(p.source for p, _ in known)),
            ))  # fmt: skip
        return found


def groups(records: Sequence[Record]) -> list[Group]:
    """The rows of the tables, and the records in each.

    Raises:
        ValueError: Two records are of the same run.
    """
    found: dict[tuple[str, str, str, str], str] = {}
    for table in tables(records, lambda name: None):
        for row in table.rows:
            if row.seeds:
                key = (table.dataset, row.model, row.protocol_hash, row.data)
                found.setdefault(key, row.label)
    order = {key: [r for r in records if (r.dataset, r.model, r.protocol_hash, r.data) == key]
             for key in found}  # fmt: skip
    return [Group(found[key], key[1], tuple(sorted(of, key=lambda r: r.seed)))
            for key, of in order.items()]  # fmt: skip


def chosen(terms: set[Term], target: str, given: Given) -> Column | None:
    """The scores that are averaged, or None if there are none.

    The mean over targets of so many given modalities is that of the tables with a column for each
    number (`mmbench.leaderboard.tables.columns`): every target that is not given, from every
    subset.

    Args:
        terms: What was scored.
        target: The modality generated, or `MEAN`. Joint generation that is scored as a whole
            counts for every target.
        given: How many modalities are given.
    """
    fits = sorted((g, t) for g, t in terms if t not in g
                  and (len(g) > 0 if given == CONDITIONAL else len(g) == given))  # fmt: skip
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


def _averages(cells: dict[Term, Published], given: Given) -> list[tuple[Published, int]] | None:
    """The averages over targets and subsets that a paper prints, and of how many scores each is.

    None where a paper does not print such averages.
    """
    by_number = {len(g): p for (g, t), p in cells.items() if g and {t, *g} == {ANY}}
    if given == 0:
        known = cells.get(((), JOINT)) or cells.get(((), ANY))
        return [(known, 1)] if known else None
    M = max(by_number, default=0) + 1
    wanted = range(1, M) if given == CONDITIONAL else [int(given)]
    if not by_number or not all(k in by_number for k in wanted):
        return None
    return [(by_number[k], M * comb(M - 1, k)) for k in wanted]
