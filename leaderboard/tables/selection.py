"""Which results are shown, and in which order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mmbench.core.score import JOINT, Direction, Score
from mmbench.leaderboard.rows import Number
from mmbench.records.differences import values
from mmbench.records.record import Record
from mmbench.registry import meant, nearest
from mmbench.registry import names as registered
from mmbench.text import plain

Called = tuple[Sequence[str], Direction | None]
"""The names of a column in small letters, and its better direction."""


@dataclass(frozen=True)
class Selection:
    """What is asked for; an empty tuple asks for all.

    Attributes:
        models, datasets, metrics: By their names.
        given: "joint", a number of given modalities, or modalities joined by "+".
        sort: The column that rows are sorted by, the best first; "" for the order of the registry.
    """

    models: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    sort: str = ""

    @property
    def subsets(self) -> bool:
        """Whether it names subsets of modalities, not only how many are given."""
        return any(text != JOINT and not text.isdecimal() for text in self.given)

    def takes(self, given: Sequence[str]) -> bool:
        """Whether it asks for what is generated from these modalities."""
        for text in self.given:
            if text.isdecimal():
                fits = len(given) == int(text)
            else:
                fits = set(given) == (set() if text == JOINT else set(text.split("+")))
            if fits:
                return True
        return not self.given

    def among(self, records: Iterable[Record]) -> list[Record]:
        """The records of these models on these data sets, some of whose scores are asked for.

        Raises:
            LookupError: No record has one of the names, or none is left.
        """
        records = list(records)
        terms = {(s.given, s.target) for r in records for s in r.scores}
        modalities = {m for given, target in terms for m in (*given, target)} - {JOINT}
        named = [m for text in self.given for m in text.split("+") if not m.isdecimal()]
        for what, asked, known in (
            ("the data set", self.datasets, {r.dataset for r in records}),
            ("the model", self.models, {r.model for r in records}),
            ("the metric", self.metrics, {s.metric for r in records for s in r.scores}),
            ("the modality", [m for m in named if m != JOINT], modalities),
        ):
            for name in asked:
                if name not in known:
                    near = nearest(name, sorted(map(plain, known)))
                    if what == "the metric":
                        near = _unmeasured(name, records, known) or near
                    raise LookupError(f"no record has {what} {name!r}{near}")
        found = [
            r
            for r in records
            if (not self.models or r.model in self.models)
            and (not self.datasets or r.dataset in self.datasets)
            and (any(map(self._shows, r.scores)) or not (self.metrics or self.given))
        ]
        if not found:
            given = [f"given {text}" for text in self.given]
            all_of = ", ".join([*self.models, *self.datasets, *self.metrics, *given])
            raise LookupError(f"no record has a score of {all_of}, expected one or more")
        return found

    def order(
        self, values: Sequence[Sequence[Number | None]], called: Sequence[Called]
    ) -> list[int]:
        """The places of rows, sorted by a column; those without a value come last.

        Args:
            values: Of each row, by column.
            called: What each column is called, and which direction is better.
        """
        places = list(range(len(values)))
        for (names, better), of in zip(called, zip(*values, strict=True), strict=False):
            if self.sort.lower() in names:
                known = {i: float(x) for i, x in enumerate(of) if x is not None}
                best = sorted(known, key=lambda i: known[i], reverse=better == "higher")
                return [*best, *(i for i in places if i not in known)]
        return places

    def _shows(self, score: Score) -> bool:
        return (not self.metrics or score.metric in self.metrics) and self.takes(score.given)


ALL = Selection()
"""All results."""


def _unmeasured(name: str, records: Iterable[Record], measured: Iterable[str]) -> str:
    """How a sentence ends about a metric that no record has; "" if none is called like that."""
    if any(f"evaluation.metrics.{name}" in values(r.protocol) for r in records):
        return ": it was asked for, but concerns no modality of these runs"
    known = registered("metrics")
    if name in known:
        return ": it is a metric, but no run measured it"
    if not meant(name, measured) and (near := meant(name, known)):
        return f"{near} But no run measured that, either"
    return ""
