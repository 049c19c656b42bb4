"""Which numbers of a record were made with an older version of a model, data set or metric.

Models, data sets and metrics declare a version, which rises when their numbers change. A record
whose model or data set has another version is stale; where only a metric has, its scores are. What
is not registered here cannot be compared.
"""

from collections.abc import Iterable
from functools import cache

from mmbench.declarations import declared
from mmbench.records.record import Record
from mmbench.registry import Group, names


@cache
def now(group: Group, name: str) -> int | None:
    """The version that a registered object declares; None for one that is not registered."""
    if name not in names(group):  # a record must not make us import "module:object"
        return None
    version = declared(group, name).get("version", 1)
    return version if isinstance(version, int) else None


def stale(record: Record) -> str:
    """Which versions of a run differ from those installed; "" if none does.

    For example "model version 1, now 2". Samples from elsewhere have no model that could change.
    """
    model = None if record.samples is not None else now("models", record.model)
    kinds = {
        "model": (record.model_version, model),
        "data": (record.dataset_version, now("datasets", record.dataset)),
    }
    return "; ".join(
        f"{what} version {then}, now {known}"
        for what, (then, known) in kinds.items()
        if known not in (None, then)
    )


def older_metric(record: Record, metric: str) -> str:
    """As `stale`, of the scores of one metric; "" where the record does not say its version."""
    declares = record.metrics.get(metric)
    known = now("metrics", metric)
    if declares is None or known in (None, declares.version):
        return ""
    return f"{metric} is of version {declares.version}, now {known}"


def older_metrics(record: Record) -> list[str]:
    """As `older_metric`, of each metric whose numbers have changed since."""
    return [text for metric in record.metrics if (text := older_metric(record, metric))]


def current(records: Iterable[Record]) -> list[Record]:
    """The records that are not stale."""
    return [r for r in records if not stale(r)]
