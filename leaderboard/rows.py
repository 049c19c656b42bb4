"""Records in rows, and means over the seeds of a row.

Everything that shows results shows rows: the runs of one version of a model under one protocol on
the same examples, one for each seed.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import lru_cache
from statistics import fmean, geometric_mean, stdev

from mmbench import registry
from mmbench.core.score import Score
from mmbench.errors import hint
from mmbench.leaderboard import facts
from mmbench.protocols.variants import variants
from mmbench.records.record import Record
from mmbench.records.versions import older_metric, stale

Number = float | Decimal
"""A measured number, or one with the digits that a paper prints."""

Term = tuple[tuple[str, ...], str]
"""(given, target): what one score is about."""


@dataclass(frozen=True)
class Row:
    """The runs of one model under one protocol on the same examples.

    Real examples, and what a paper prints, have rows without records.

    Attributes:
        label: The model's name, with what is said of a shipped protocol that is not the data set's
            own, with the protocol's hash and the fingerprint of the data where rows differ in
            them, and with a mark if it is stale.
        model: The model's name; "" for real examples.
        dataset: The data set's name.
        protocol_hash: As in records; "" without records.
        data: As in records; "" for what a paper prints.
        stale: In what its versions are not those installed (`mmbench.records.versions.stale`).
        by_hash: Whether its label tells it from others of its model by the protocol's hash.
        records: One for each seed, by seed.
    """

    label: str
    model: str
    dataset: str = ""
    protocol_hash: str = ""
    data: str = ""
    stale: str = ""
    by_hash: bool = False
    records: tuple[Record, ...] = field(default=(), hash=False, repr=False)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of its runs."""
        return tuple(r.seed for r in self.records)

    @property
    def evaluations(self) -> tuple[int, ...]:
        """Network evaluations a sample, of each run; not known of another program's samples."""
        return tuple(r.evaluations for r in self.records if r.samples is None)

    def scores(self, metric: str) -> list[Mapping[Term, Score]]:
        """What each of its runs scored of a metric."""
        return [of_metric(r, metric) for r in self.records]


@dataclass(frozen=True)
class Mean:
    """A mean over seeds.

    Attributes:
        value: The mean; None where there is none.
        std: Sample standard deviation; None for fewer than two seeds.
        seeds: Number of seeds that have a value; infinite for a number that is known, 0 for one
            that a paper prints.
        terms: The scores that were averaged in each of them.
        n: Numbers of samples of those scores.
        judges: (target, the networks that its scores were measured with, see `judge`).
        interval: 95 % interval over samples: its ends, averaged over seeds; None for an average of
            several scores, and for scores without one.
        remarks: Why there is no value, or of what it is not the mean.
    """

    value: Number | None = None
    std: Number | None = None
    seeds: float = 0
    terms: tuple[Term, ...] = ()
    n: frozenset[int] = frozenset()
    judges: frozenset[tuple[str, str]] = frozenset()
    interval: tuple[float, float] | None = None
    remarks: tuple[str, ...] = ()


def rows(records: Iterable[Record]) -> list[Row]:
    """The rows of some records: by data set, then by model in the order of the registry.

    Raises:
        ValueError: Two records are of the same run, which a mean would count twice.
    """
    known = list(registry.names("models"))
    found: dict[tuple[str, int, str, str, str, tuple[int, int]], list[Record]] = {}
    for r in sorted(records, key=lambda r: r.seed):
        order = known.index(r.model) if r.model in known else len(known)
        versions = r.model_version, r.dataset_version
        key = (r.dataset, order, r.model, r.protocol_hash, r.data, versions)
        same = found.setdefault(key, [])
        if same and same[-1].seed == r.seed:
            twice = f"two records of {r.model!r} on {r.dataset!r} have seed {r.seed}"
            raise ValueError(f"{twice}, expected one: a mean would count the run twice")
        same.append(r)
    protocols: dict[tuple[str, str], set[str]] = {}
    examples: dict[tuple[str, str], set[str]] = {}
    older: dict[tuple[str, str], set[str]] = {}
    for (dataset, _, model, protocol_hash, data, _), of in found.items():
        protocols.setdefault((dataset, model), set()).add(protocol_hash)
        examples.setdefault((dataset, model), set()).add(data)
        older.setdefault((dataset, model), set()).add(stale(of[0]))
    made = []
    for (dataset, _, model, protocol_hash, data, _), of in sorted(found.items()):
        label = model
        called = variants(dataset, model).get(protocol_hash)
        by_hash = not called and len(protocols[dataset, model]) > 1
        if called:
            label += f" ({called})"
        elif by_hash:
            label += f" [{protocol_hash[:6]}]"
        if len(examples[dataset, model]) > 1:
            label += f" (data {data[:6]})"
        old = stale(of[0])
        label += mark(old, older[dataset, model])
        made.append(Row(label, model, dataset, protocol_hash, data, old, by_hash, tuple(of)))
    return made


def mark(old: str, among: Collection[str]) -> str:
    """What is appended to a row's label: "" for a current one, else " (stale)".

    The versions stand with it where rows of its model are stale in different ways.

    Args:
        old: In what the row is stale.
        among: In what the rows of its model are.
    """
    if not old:
        return ""
    return f" (stale: {old})" if {*among} - {old, ""} else " (stale)"


def of_metric(record: Record, metric: str) -> Mapping[Term, Score]:
    """What a run scored of a metric, the scores without a value included.

    Scores of another version of the metric have none: it would not be comparable.
    """
    scores = record.by_metric.get(metric, {})
    if old := older_metric(record, metric):
        reason = f"{old}: {hint('records stale')} prints how to measure it again"
        return {
            term: replace(s, value=None, low=None, high=None, reason=reason)
            for term, s in scores.items()
        }
    return scores


def judge(score: Score) -> str:
    """The networks that a score was measured with, in words; "" for none."""
    named = [f"{name} {sha[:8]}" for name, sha in score.networks]
    return ", ".join(named) or (score.extractor or "")


def known(value: float) -> Mean:
    """A number without deviation to compare with, such as zero."""
    return Mean(value, 0.0, math.inf)


def average(values: Sequence[float]) -> Mean:
    """The mean of one value for each seed."""
    return _average(tuple(values)) if values else Mean()


@lru_cache(100_000)  # tables, charts and claims average the same values, each in their order
def _average(values: tuple[float, ...]) -> Mean:
    return Mean(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


def overall(metric: str, values: Sequence[tuple[str, float]]) -> float:
    """The mean of one run's values of a metric, over what is given and over modalities.

    Where a metric says so, the mean over modalities is geometric: their distances have no common
    scale, and so the same relative change counts the same in each.

    Args:
        metric: The metric's name.
        values: (target, value) of each score, at least one.
    """
    if not facts.geometric(metric):
        return fmean(value for _, value in values)
    by_target: dict[str, list[float]] = {}
    for target, value in values:
        by_target.setdefault(target, []).append(value)
    each = [fmean(of) for of in by_target.values()]
    if len(each) == 1:
        return each[0]  # which logarithms would round
    return geometric_mean(each) if min(each) > 0 else 0.0


def averaged(scores: Sequence[Score]) -> float:
    """The `overall` mean of scores of one metric, which all have a value."""
    return overall(scores[0].metric, [(s.target, s.value or 0.0) for s in scores])


def mean(runs: Sequence[Mapping[Term, Score]], terms: Sequence[Term]) -> Mean:
    """The average in each run over the terms that all runs have, then over runs.

    Runs that scored one term with different numbers of samples, or by different networks, have no
    mean.

    Args:
        runs: The scores of a metric, for each seed.
        terms: Which scores are averaged.
    """
    wanted = set(terms)
    asked = [{t: s for t, s in run.items() if t in wanted} for run in runs]
    scored = [of for run in asked if (of := {t: s for t, s in run.items() if s.value is not None})]
    shared = [t for t in terms if scored and all(t in of for of in scored)]
    values = [averaged([of[t] for t in shared]) for of in scored] if shared else []
    remarks = [s.reason for run in asked for s in run.values() if s.reason]
    if scored and not values:
        remarks.append("the seeds have no score in common")
    n = [{of[t].n for of in scored} for t in shared]
    if any(len(numbers) > 1 for numbers in n):
        values = []
        remarks.append("the seeds have different numbers of samples, and so no mean")
    judges = [{(t[1], judge(of[t])) for of in scored} for t in shared]
    if any(len(networks) > 1 for networks in judges):
        values = []
        remarks.append("the seeds were measured with different networks, and so have no mean")
    if not values and not remarks:
        remarks.append("not evaluated")
    if values and len(shared) < len(terms):
        remarks.append(f"mean of {len(shared)} of {len(terms)} scores")
    if values and len(values) < len(runs):
        remarks.append(f"over {len(values)} of {len(runs)} seeds")
    one = values and len(shared) == len(terms) == 1
    found = average(values)
    return Mean(
        value=found.value,
        std=found.std,
        seeds=found.seeds,
        terms=tuple(shared),
        n=frozenset().union(*n),
        judges=frozenset().union(*judges),
        interval=_interval([of[shared[0]] for of in scored]) if one else None,
        remarks=tuple(dict.fromkeys(remarks)),
    )


def _interval(scores: Sequence[Score]) -> tuple[float, float] | None:
    """The mean ends of the intervals of one score in several runs, if all have one."""
    low = [s.low for s in scores if s.low is not None]
    high = [s.high for s in scores if s.high is not None]
    return (fmean(low), fmean(high)) if len(low) == len(high) == len(scores) else None
