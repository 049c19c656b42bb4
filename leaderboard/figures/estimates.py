"""What figures show: means over seeds of one metric, from records and from the papers' tables."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import comb

from mmbench.core.score import JOINT
from mmbench.errors import hint
from mmbench.leaderboard import facts
from mmbench.leaderboard.papers.layouts import CITATIONS
from mmbench.leaderboard.papers.published import ANY, Published, numbers
from mmbench.leaderboard.rows import Mean, Row, Term, mean, overall, rows
from mmbench.leaderboard.tables.columns import (
    CONDITIONAL,
    MEAN,
    Column,
    Given,
    chosen,
    in_words,
    modalities,
)
from mmbench.records.record import Record
from mmbench.records.versions import current, stale
from mmbench.registry import names


@dataclass(frozen=True)
class Estimate:
    """A point of a figure.

    Attributes:
        row: The row whose runs it is the mean of.
        metric: The metric's name.
        target: The modality generated; `MEAN` where it is a mean over all.
        given: How many modalities are given, in words: "joint", "2", or "conditional".
        mean: The mean over seeds, of each seed the mean over targets and given subsets.
        scores: How many were averaged in each seed.
        printed: The cells of papers' tables that it is of; none where it was measured.
    """

    row: Row
    metric: str
    target: str
    given: str
    mean: Mean
    scores: int
    printed: tuple[Published, ...] = ()

    @property
    def value(self) -> float:
        """The mean."""
        return float(self.mean.value or 0.0)

    @property
    def std(self) -> float | None:
        """The deviation over seeds; None for one seed, and where a paper prints none."""
        return None if self.mean.std is None else float(self.mean.std)

    @property
    def n(self) -> int:
        """The fewest samples that a score was computed from; 0 where a paper printed it."""
        return min(self.mean.n, default=0)

    @property
    def terms(self) -> tuple[Term, ...]:
        """The scores that were averaged in each seed, or the cells."""
        return self.mean.terms or tuple((p.given, p.target) for p in self.printed)

    @property
    def published(self) -> bool:
        """Whether a paper printed it."""
        return bool(self.printed)


class Estimates:
    """The estimates of one data set.

    Args:
        dataset: The data set's name.
        records: The records of this data set.
        beside: The models for which the papers' numbers are added; None for all.

    Attributes:
        rows: Those with scores, without stale ones.
        remarks: Sentences about what has no estimate, in the order in which it was asked for.

    Raises:
        ValueError: Two records are of the same run.
    """

    def __init__(
        self, dataset: str, records: Sequence[Record], beside: Collection[str] | None = ()
    ) -> None:
        self.dataset = dataset
        scored = [row for row in rows(records) if any(r.scores for r in row.records)]
        self.rows = [row for row in scored if not row.stale]
        self.remarks = [
            f"{row.label}, {len(row.seeds)} runs, is left out: {row.stale}"
            for row in scored
            if row.stale
        ]
        self._printed: dict[str, dict[tuple[str, Term], Published]] = {}
        papers = {name: i for i, name in enumerate(CITATIONS)}  # the first that prints it counts
        for p in sorted(numbers(), key=lambda p: papers.get(p.paper, 99)):
            if p.dataset != dataset or (beside is not None and p.model not in beside):
                continue
            known = self._printed.setdefault(p.metric, {})
            known.setdefault((p.model, (tuple(sorted(p.given)), p.target)), p)
        self._scored: dict[str, set[Term]] = {}
        targets = {p.target for of in self._printed.values() for p in of.values()}
        self.names = modalities(records) or sorted(targets - {ANY, JOINT})

    def metrics(self) -> list[str]:
        """The metrics that have a value, those that count right answers first."""
        scores = (s for row in self.rows for r in row.records for s in r.scores)
        found = {s.metric for s in scores if s.value is not None}
        return sorted(found | set(self._printed), key=facts.order)

    def usual(self, kind: Iterable[str]) -> str | None:
        """The metric of a kind, such as `COHERENCE`, that most rows have, the first of equals."""
        counts = dict.fromkeys((m for m in kind if m in self.metrics()), 0)
        for row in self.rows:
            scores = (s for r in row.records for s in r.scores if s.value is not None)
            for metric in {s.metric for s in scores} & counts.keys():
                counts[metric] += 1
        return max(counts, key=lambda m: counts[m], default=None)

    def targets(self, metric: str) -> list[str]:
        """The single modalities that a metric scores, in order."""
        scored = {target for _, target in self._terms(metric)}
        return [m for m in self.names if m in scored]

    @cached_property
    def most(self) -> int:
        """The largest number of given modalities with something left to generate."""
        terms = [term for metric in self.metrics() for term in self._terms(metric)]
        terms += [term for of in self._printed.values() for _, term in of]
        return max((len(g) for g, t in terms if t not in g or t == ANY), default=0)

    def of(self, metric: str, target: str, given: Given, also: str = "") -> list[Estimate]:
        """The estimates of all rows, measured ones first, of a modality or `MEAN` (see `chosen`).

        A row that lacks scores which others have gets none, since a mean of other scores would
        not be comparable, and so does a row measured with other networks than most; a remark says
        so. Of `also`, another metric, only what it scored too counts.
        """
        terms = self._terms(metric)
        if also:
            others = self._terms(also)
            whole = {g for g, t in others if t == JOINT}
            drawn = {g for g, _ in others}
            terms = {
                (g, t)
                for g, t in terms
                if (g, t) in others or g in whole or (t == JOINT and g in drawn)
            }
        column = chosen(terms, target, given)
        found = []
        for row in self.rows if column else ():
            assert column is not None  # for the type checker
            one = mean(row.scores(metric), column.terms)
            if one.value is None or len(one.terms) < len(column.terms):
                what = f"{metric} of {target}" if target else metric
                remark = f"{row.label} has no {what}, {column.given}: {'; '.join(one.remarks)}"
                if not any(row.scores(metric)):  # said once, not for each of its targets
                    remark = f"{row.label} has no {metric}: not evaluated"
                self.remarks += [remark] if remark not in self.remarks else []
                continue
            one = replace(one, interval=None)  # figures show deviations over seeds alone
            found.append(Estimate(row, metric, target, in_words(given), one, len(one.terms)))
        return self._alike(found) + self.beside(metric, target, given, column)

    def _alike(self, found: list[Estimate]) -> list[Estimate]:
        """The estimates by the networks that measured most of them; a remark names the rest."""
        counts = Counter(e.mean.judges for e in found)
        usual = max(counts, key=lambda judges: (counts[judges], sorted(judges)), default=None)
        for e in found:
            remark = f"{e.row.label} has no {e.metric} by the networks of most rows"
            if e.mean.judges != usual and remark not in self.remarks:
                self.remarks.append(remark)
        return [e for e in found if e.mean.judges == usual]

    def _terms(self, metric: str) -> set[Term]:
        """What any row scored; else what the papers print, term by term."""
        if metric not in self._scored:
            runs = [run for row in self.rows for run in row.scores(metric)]
            scored = {t for run in runs for t, s in run.items() if s.value is not None}
            printed = self._printed.get(metric, {})
            self._scored[metric] = scored or {
                term for _, term in printed if ANY not in (*term[0], term[1])
            }
        return self._scored[metric]

    def beside(
        self, metric: str, target: str, given: Given, column: Column | None
    ) -> list[Estimate]:
        """What the papers print of it: an average of their own, or that of a column's scores."""
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
            if len(known) == 1:
                average = Mean(float(known[0][0].value), known[0][0].deviation)
            else:
                each = [(p.target, float(p.value)) for p, weight in known for _ in range(weight)]
                average = Mean(overall(metric, each))
            row = Row(f"{model}, published", model, self.dataset)
            printed = tuple(p for p, _ in known)
            words = in_words(given)
            found.append(Estimate(row, metric, target, words, average, count, printed))
        return found


def fresh(dataset: str, records: Sequence[Record]) -> list[Record]:
    """The records of a data set that are not stale.

    Raises:
        ValueError: There are records, and all are stale.
    """
    found = current(records)
    if records and not found:
        older = "; ".join(dict.fromkeys(map(stale, records)))
        raise ValueError(
            f"every record of {dataset} that is asked for is stale ({older}), expected current "
            f"ones: '{hint('records stale')}' prints what to run again"
        )
    return found


def _averages(cells: dict[Term, Published], given: Given) -> list[tuple[Published, int]] | None:
    """The averages that a paper prints, and of how many scores each is; None if it prints none."""
    by_number = {len(g): p for (g, t), p in cells.items() if g and {t, *g} == {ANY}}
    if given == 0:
        known = cells.get(((), JOINT)) or cells.get(((), ANY))
        return [(known, 1)] if known else None
    M = max(by_number, default=0) + 1
    wanted = range(1, M) if given == CONDITIONAL else [int(given)]
    if not by_number or not all(k in by_number for k in wanted):
        return None
    return [(by_number[k], M * comb(M - 1, k)) for k in wanted]
