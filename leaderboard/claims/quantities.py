"""What claims compare: one number of each run, e.g. its mean coherence given one modality."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from statistics import fmean, geometric_mean

from mmbench.core.score import JOINT
from mmbench.leaderboard.claims.contenders import Contender
from mmbench.leaderboard.claims.significance import sample
from mmbench.leaderboard.facts import facts, geometric
from mmbench.leaderboard.papers.layouts import QUALITY
from mmbench.leaderboard.papers.published import ANY
from mmbench.leaderboard.rows import Mean, Term, judge, of_metric, rows
from mmbench.leaderboard.tables.columns import modalities
from mmbench.protocols.variants import shipped_hash
from mmbench.records.record import GREATEST, Record
from mmbench.records.versions import current, stale

Given = int | str | tuple[str, ...]
"""How many modalities are given (0 for joint generation), or which, or one of the means below."""

CONDITIONAL = "conditional"
"""The mean over the numbers of given modalities, from 1."""

EVERY = "every"
"""The mean over the numbers of given modalities, from 0, which is joint generation."""

Basis = tuple[str, int, int, str]
"""What compared runs share: the data, for distances the number of samples, a number for the
networks that they were measured with, and the protocol but for a setting that is compared."""


@dataclass(frozen=True)
class Quantity:
    """A number of one run: a mean over scores, or how much it changes with more inputs.

    A mean is either of what is not given or, with `itself`, of reconstructions of what is given.

    Attributes:
        metric: The metric's name.
        given: What the samples are generated from.
        target: The modality generated; None for the mean over all targets. Where joint generation
            is scored as a whole, that score alone counts. Distances of different modalities have
            no common scale, so their mean is geometric: the same relative change counts the same
            in each.
        change: "" for the mean; else the change from one given modality to as many as possible,
            whatever `given` says: in "points" of the metric, or in "%" of its start.
        step: The numbers of given modalities between which a change is measured, instead of from
            the first to the last.
        itself: Whether the target is among the given modalities.
        numbers: The numbers of given modalities that a mean over them counts; none if it counts
            all that are scored.
    """

    metric: str
    given: Given = EVERY
    target: str | None = None
    change: str = ""
    step: tuple[int, int] | None = None
    itself: bool = False
    numbers: frozenset[int] = frozenset()

    def of(self, scores: Mapping[Term, float]) -> float | None:
        """Its value from one run's scores of the metric; None if they do not include it."""
        try:
            if not self.change:
                return self._mean(scores, self.given)
            most = max((len(given) for given, _ in self.terms(scores, CONDITIONAL)), default=0)
            start, end = (self._mean(scores, k) for k in self.step or (1, most))
        except OverflowError:  # of scores that no metric could give
            return None
        if most < 2 or start is None or end is None:
            return None
        if self.change != "%":
            return end - start
        return 100 * (end - start) / start if start else None

    def terms(self, scored: Collection[Term], given: Given) -> list[Term]:
        """Which of the scored terms it averages."""
        # Papers average over what is not given.
        alike = [(g, t) for g, t in scored if (t in g and t != ANY) == self.itself]
        fits = [(g, t) for g, t in alike if self._given(g, given)]
        whole = [term for term in fits if term[1] == JOINT]
        parts = [term for term in fits if term[1] != JOINT and self.target in (None, term[1])]
        if self.target is not None:
            return parts
        first = whole if given == 0 else parts
        return first or parts or whole

    def geometric_over(self, scored: Collection[Term]) -> list[str]:
        """The modalities over which its mean is geometric; none if it is arithmetic."""
        each = self.target is None and geometric(self.metric)
        return sorted({t for _, t in scored} - {JOINT, ANY}) if each else []

    def _given(self, of: tuple[str, ...], given: Given) -> bool:
        if isinstance(given, int):
            return len(of) == given
        if isinstance(given, tuple):
            return set(of) == set(given)
        return given == EVERY or len(of) > 0

    def _mean(self, scores: Mapping[Term, float], given: Given) -> float | None:
        """The mean over targets and subsets, then over numbers of given modalities.

        Distances are averaged over targets last, since their mean is geometric.
        """
        if len(targets := self.geometric_over(scores)) > 1:
            parts = [replace(self, target=t)._mean(scores, given) for t in targets]
            distances = [x for x in parts if x is not None]
            return geometric_mean(distances) if distances and min(distances) > 0 else None
        if given in (CONDITIONAL, EVERY):
            numbers = {len(g) for g, _ in scores} - ({0} if given == CONDITIONAL else set())
            each = [self._mean(scores, k) for k in sorted(numbers & (self.numbers or numbers))]
            found = [x for x in each if x is not None]
        else:
            found = [scores[term] for term in self.terms(scores, given)]
        mean = fmean(found) if found else math.nan
        return mean if abs(mean) < GREATEST else None

    @property
    def title(self) -> str:
        """In words, e.g. "coherence, given sound"."""
        what = self.metric + (f" of {self.target}" if self.target else "")
        if self.itself:
            return f"{what}, self-reconstruction"
        if self.step:
            fewer, more = self.step
            percent = " in %" if self.change == "%" else ""
            return f"change of {what} from {fewer} to {more} given{percent}"
        if self.change:
            return f"change of {what} with more inputs" + (" in %" if self.change == "%" else "")
        match self.given:
            case int(k):
                return f"{what}, " + (f"given {'one' if k == 1 else k}" if k else JOINT)
            case str(k):
                joint = k == EVERY and 0 in (self.numbers or {0})
                given = [str(n) for n in sorted(self.numbers - {0})] or ["any"]
                return f"{what}, {'joint and ' * joint}given {' and '.join(given)}"
            case names:
                return f"{what}, given {', '.join(names)}"


class Results:
    """The records of one data set.

    Attributes:
        dataset: The data set's name.
        records: Those that are compared.
        stale: Those that are left out because they are of other versions than those installed.

    Raises:
        ValueError: Two records are of the same run.
    """

    def __init__(self, dataset: str, records: Iterable[Record]) -> None:
        self.dataset = dataset
        every = list(records)
        rows(every)  # refuses two records of the same run
        self.records = current(every)
        self.stale = [r for r in every if stale(r)]

    @cached_property
    def modalities(self) -> list[str]:
        """The data set's modalities, in order."""
        return modalities(self.records)

    def metrics(self, kind: Sequence[str]) -> list[str]:
        """The metrics of a kind that have values; if none has, those whose values are missing."""
        scores = [s for r in self.records for s in r.scores if s.metric in kind]
        valued = {s.metric for s in scores if s.value is not None}
        return [m for m in kind if m in (valued or {s.metric for s in scores})]

    def steps(self, metric: str) -> list[tuple[int, int]]:
        """Numbers of given modalities that a metric scores, from 1, each with the next."""
        scores = [s for r in self.records for s in r.scores if s.metric == metric]
        counts = {len(s.given) for s in scores if s.given and s.target not in s.given}
        return list(pairwise(sorted(counts)))

    def targets(self, metric: str) -> list[str]:
        """The single modalities that a metric scores."""
        scored = {s.target for r in self.records for s in r.scores if s.metric == metric}
        return [m for m in self.modalities if m in scored]

    def samples(
        self, quantity: Quantity, contenders: Sequence[Contender]
    ) -> tuple[dict[Contender, Mean], Quantity, list[str]]:
        """Each contender's mean over seeds, from the scores that all contenders have.

        Only current runs on the same examples are compared, measured with the same networks and,
        for distances, with equal numbers of samples: those that most contenders share. Of a
        model's protocols, the shipped one counts, or else the one with the most seeds; where all
        contenders differ by the same setting, protocols that are equal but for it.

        Returns:
            The means of those who ran, the quantity with the numbers of given modalities that are
            scored, if not all are, and remarks about what is left out.
        """
        old = sum(any(c.made(r) for c in contenders) for r in self.stale)
        remarks = [f"{old} stale run{'s' * (old > 1)} left out"] if old else []
        ran: dict[tuple[Basis, Contender], dict[str, list[Record]]] = {}
        for basis, c, r in self._alike(quantity, contenders):
            ran.setdefault((basis, c), {}).setdefault(r.protocol_hash, []).append(r)
        if not ran:
            return {}, quantity, remarks

        def most(basis: Basis) -> tuple[int, int, Basis]:
            found = [of for (b, _), of in ran.items() if b == basis]
            return len(found), sum(len(runs) for of in found for runs in of.values()), basis

        basis = max({b for b, _ in ran}, key=most)
        chosen = {c: self._counting(c, of) for (b, c), of in ran.items() if b == basis}
        runs = [r for of in chosen.values() for r in of]
        every = sum(len(records) for of in ran.values() for records in of.values())
        left = every - len(runs)
        other = "other examples, networks, protocols or numbers of samples"
        remarks += [f"{left} run{'s' * (left > 1)} left out ({other})"] if left else []
        shared = set.intersection(*(set(_scores(r, quantity.metric)) for r in runs))
        if len(quantity.geometric_over(shared)) > 1:
            remarks.append(f"{quantity.metric}: the geometric mean over modalities")
        counts = {(t, s.n) for r in runs for t, s in of_metric(r, quantity.metric).items()}
        if sum(t in shared for t, _ in counts) > len(shared):
            remarks.append(f"{quantity.metric} measured with different numbers of samples")
        found = {}
        for c, of in chosen.items():
            scores = [_scores(r, quantity.metric) for r in of]
            values = [quantity.of({t: v for t, v in run.items() if t in shared}) for run in scores]
            if all(v is not None for v in values):
                least = _resolution(of[0], quantity, shared)
                found[c] = sample([v for v in values if v is not None], least)
        if not found:
            return found, quantity, [*remarks, "the runs have no score in common"]
        return found, self._narrowed(quantity, shared), remarks

    def _narrowed(self, quantity: Quantity, shared: set[Term]) -> Quantity:
        """A mean over numbers of given modalities, with those that are scored if not all are."""
        if quantity.given not in (CONDITIONAL, EVERY) or quantity.change or quantity.itself:
            return quantity
        scored = frozenset(len(given) for given, _ in quantity.terms(shared, quantity.given))
        every = set(range(0 if quantity.given == EVERY else 1, len(self.modalities)))
        return quantity if scored == every else replace(quantity, numbers=scored)

    def _alike(
        self, quantity: Quantity, contenders: Sequence[Contender]
    ) -> Iterator[tuple[Basis, Contender, Record]]:
        """The runs of contenders that have the quantity, each with its basis."""
        by_setting = len({c.setting for c in contenders}) == 1
        judges: list[dict[str, str]] = []  # target -> its networks, once for each set of them
        for c in contenders:
            for r in self.records:
                if not c.made(r) or quantity.of(scored := _scores(r, quantity.metric)) is None:
                    continue
                terms = {t: s for t, s in of_metric(r, quantity.metric).items() if t in scored}
                own = {target: judge(s) for (_, target), s in terms.items()}
                agree = (all(known.get(t, of) == of for t, of in own.items()) for known in judges)
                i = next((i for i, does in enumerate(agree) if does), len(judges))
                judges += [{}] if i == len(judges) else []
                judges[i] |= own
                n = max(s.n for s in terms.values()) if quantity.metric in QUALITY else 0
                yield (r.data, n, i, c.elsewhere(r) if by_setting else ""), c, r

    def _counting(self, contender: Contender, of: Mapping[str, list[Record]]) -> list[Record]:
        """The runs under the one protocol that counts."""
        ours = shipped_hash(self.dataset, contender.model)
        return max(of.items(), key=lambda runs: (runs[0] == ours, len(runs[1]), runs[0]))[1]


def _resolution(record: Record, quantity: Quantity, shared: set[Term]) -> float:
    """By how much one sample changes a percentage of right ones; 0 for other metrics."""
    terms = quantity.terms(shared, EVERY if quantity.change else quantity.given)
    n = sum(s.n for t, s in of_metric(record, quantity.metric).items() if t in terms)
    known = facts(quantity.metric)
    return 100 / n if known and known.counts and n else 0.0


def _scores(record: Record, metric: str) -> dict[Term, float]:
    scores = of_metric(record, metric)
    return {t: s.value for t, s in scores.items() if s.value is not None}
