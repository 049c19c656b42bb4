"""A record: what one run was, what it cost and what it scored, as one JSON file holds it.

A record can only be made of possible values, so that reading one back is making one again.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import chain
from typing import Any

from mmbench.core.score import Score
from mmbench.declarations import declared
from mmbench.errors import seen
from mmbench.protocols.protocol import digest
from mmbench.records.shapes import mismatches
from mmbench.registry import names

GREATEST = 1e100
"""The largest score or duration: beyond any real one, but tables can still square and sum it."""

LARGEST = 2**63 - 1
"""The largest whole number."""

SCHEMA = 2
"""Version of the layout of the files."""

SCORES = ("scores", "references")
"""The fields of a record that hold scores."""

_ROUNDING = 1e-5


@dataclass(frozen=True)
class Declared:
    """What a metric declared of itself when it was computed.

    Attributes:
        version: That of its numbers.
        title, better, unit: As in `mmbench.core.score.Metric`, of a metric of another package,
            which may be absent where the record is read.
    """

    version: int = 1
    title: str | None = None
    better: str | None = None
    unit: str | None = None


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one run was, what it cost and what it scored.

    Two equal runs make equal records: `seconds` takes no part in the comparison.

    Attributes:
        schema: Version of the layout.
        model: The model's name.
        model_version: That of the model's numbers.
        dataset: The data set's name.
        dataset_version: That of the data set's examples.
        seed: The run's seed, from which all its randomness is derived.
        protocol: The resolved protocol: plain JSON, finite numbers. Its tables `code` and
            `evaluation_code` name a user's sources by their hash, `trained_code` those that
            trained the weights if they are others.
        protocol_hash: `mmbench.protocols.protocol.digest` of the protocol, which does not name the
            model: runs are alike where model, hash and data are.
        data: `Dataset.fingerprint` of the examples.
        versions: Package -> version.
        commit: The commit of the source tree; None outside a repository.
        device: What it ran on, in words.
        parameters: Number of trained parameters.
        evaluations: Network evaluations that one sample costs.
        seconds: Stage -> duration; the only part that differs between two equal runs. What the
            cache keeps for all runs, such as evaluation networks, is not counted.
        metrics: Metric -> what it declares of itself.
        scores: At most one for each (metric, given, target).
        references: The scores of real examples, at most one for each
            (metric, target), given nothing; see `mmbench.evaluation.references`. No mean includes
            them.
        samples: Where the samples came from another program, the sha256 of their content; the
            protocol is then that of the evaluation alone.

    Raises:
        ValueError: A value has the wrong type or is impossible.
    """

    schema: int = SCHEMA
    model: str
    model_version: int = 1
    dataset: str
    dataset_version: int = 1
    seed: int
    protocol: dict[str, Any]
    protocol_hash: str
    data: str
    versions: dict[str, str]
    commit: str | None
    device: str
    parameters: int
    evaluations: int
    seconds: dict[str, float] = field(compare=False)
    metrics: dict[str, Declared] = field(default_factory=dict)
    scores: tuple[Score, ...]
    references: tuple[Score, ...] = ()
    samples: str | None = None

    def __post_init__(self) -> None:
        for fault in chain(mismatches(self, Record, "the file"), self._impossible()):
            raise ValueError(fault)

    @cached_property
    def by_metric(self) -> Mapping[str, Mapping[tuple[tuple[str, ...], str], Score]]:
        """Metric -> (given, target) -> its score, all in the order of `scores`."""
        found: dict[str, dict[tuple[tuple[str, ...], str], Score]] = {}
        for s in self.scores:
            found.setdefault(s.metric, {})[s.given, s.target] = s
        return found

    def _impossible(self) -> Iterator[str]:
        """What values of the right types cannot be."""
        if self.schema != SCHEMA:
            yield f"schema is {self.schema}, expected {SCHEMA}"
        counts = ("seed", "parameters", "evaluations", "model_version", "dataset_version")
        amounts = {name: getattr(self, name) for name in counts}
        amounts |= {f"seconds[{stage!r}]": took for stage, took in self.seconds.items()}
        for name, amount in amounts.items():
            if amount < 0:
                yield f"{name} is {amount}, expected at least 0"
            if amount > (GREATEST if isinstance(amount, float) else LARGEST):
                most = f"{GREATEST:g}" if isinstance(amount, float) else f"{LARGEST}"
                yield f"{name} is {seen(amount)}, expected at most {most}"
        if self.protocol_hash != digest(self.protocol):
            yield (
                f"protocol_hash is {self.protocol_hash!r}, but the protocol's hash is "
                f"{digest(self.protocol)!r}"
            )
        for name in SCORES:
            yield from _impossible(name, getattr(self, name))


def _impossible(name: str, scores: Iterable[Score]) -> Iterator[str]:
    """What scores of the right types cannot be."""
    known: set[tuple[str, tuple[str, ...], str]] = set()
    for i, s in enumerate(scores):
        if not 0 <= s.n <= LARGEST:
            yield f"{name}[{i}].n is {s.n}, expected at least 0 and at most {LARGEST}"
        if s.value is None and not s.reason:
            yield f"{name}[{i}] has no value, expected a reason for that"
        if s.value is not None and s.n == 0:
            yield f"{name}[{i}] has a value of no samples, expected n of at least 1"
        for part, x in (("value", s.value), ("low", s.low), ("high", s.high)):
            if x is not None and abs(x) > GREATEST:
                yield f"{name}[{i}].{part} is {x}, expected at most {GREATEST:g}"
        ends = [x for x in (s.low, s.high) if x is not None]
        if ends and (len(ends) < 2 or ends[0] > ends[1]):
            interval = f"the interval {[s.low, s.high]}"
            yield f"{name}[{i}] has {interval}, expected two ends in their order, or none"
        if len(set(s.given)) < len(s.given):
            yield f"{name}[{i}].given is {', '.join(s.given)}, expected each modality once"
        if (key := (s.metric, tuple(sorted(s.given)), s.target)) in known:
            term = f"{s.target!r} given {list(s.given)}"
            yield f"{name}[{i}] is a second {s.metric!r} of {term}, expected one"
        known.add(key)


@cache
def bounds(metric: str) -> tuple[float, float]:
    """The ends of the values that a metric declares to have; infinite where it declares none."""
    facts = declared("metrics", metric) if metric in names("metrics") else {}
    low, high = facts.get("low"), facts.get("high")
    return -math.inf if low is None else low, math.inf if high is None else high


def within(low: float, x: float, high: float) -> bool:
    """Whether a value lies between two ends, up to rounding."""
    if low <= x <= high:
        return True
    slack = _ROUNDING * max(1.0, abs(x))
    return low - slack <= x <= high + slack
