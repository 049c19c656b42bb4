"""What metrics and data sets declare of themselves, read without importing what they need.

A metric that is not registered here is known by what the records that it is shown of say that it
declared where it was computed.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import fields
from functools import cache
from typing import Any, get_args

from mmbench import registry
from mmbench.core.score import Direction, Metric, Score
from mmbench.declarations import Facts, declared
from mmbench.records.record import Declared, Record

_NEEDED = {"name", "title", "better", "unit", "paper"}
_KNOWN = {f.name for f in fields(Metric)}


def facts(metric: str, records: Iterable[Record] = ()) -> Metric | None:
    """A metric; where its facts are literals, it is imported when it computes.

    Args:
        metric: The metric's name.
        records: Where it is looked for if it is not registered.

    Returns:
        None for one that neither is registered (a record must not make us import "module:object")
        nor has a direction on which all records agree that declare it, and for one that is not
        declared in literals and cannot be imported.
    """
    if metric in registry.names("metrics"):
        return _registered(metric)
    told = {d for r in records if (d := r.metrics.get(metric)) and d.better}
    agreed = told.pop() if len({(d.title, d.better, d.unit) for d in told}) == 1 else None
    return _told(metric, agreed) if agreed else None


@cache
def _registered(metric: str) -> Metric | None:
    found = declared("metrics", metric)
    if found.keys() >= _NEEDED:
        compute = lambda *samples: registry.find("metrics", metric).compute(*samples)
        with suppress(ValueError):  # another package's, which is refused where it is imported
            return Metric(**{k: v for k, v in found.items() if k in _KNOWN}, compute=compute)
        return None
    try:
        imported = registry.find("metrics", metric)
    except (ImportError, AttributeError, LookupError, ValueError):
        return None
    return imported if isinstance(imported, Metric) else None


def _told(metric: str, of: Declared) -> Metric | None:
    """A metric that a record declares, and that nothing here can compute."""
    better: Any = of.better
    if better not in get_args(Direction):
        return None
    return Metric(metric, of.title or metric, better, of.unit or "", "", _absent)


def _absent(*samples: Any) -> Iterator[Score]:
    raise LookupError("the metric is not installed, only known from a record that declares it")


def title(metric: str, records: Iterable[Record] = ()) -> str:
    """The title of a metric; its name where nothing is known of it."""
    known = facts(metric, records)
    return known.title if known else metric


def unit(metric: str, records: Iterable[Record] = ()) -> str:
    """The unit of a metric; "" if it has none or nothing is known of it."""
    known = facts(metric, records)
    return known.unit if known else ""


def better(metric: str, records: Iterable[Record] = ()) -> Direction | None:
    """The better direction of a metric; None where nothing is known of it."""
    known = facts(metric, records)
    return known.better if known else None


def arrow(metric: str, records: Iterable[Record] = ()) -> str:
    """An arrow to the better direction after a space; "" if it is not known."""
    return {"higher": " ↑", "lower": " ↓", None: ""}[better(metric, records)]


def heading(metric: str, records: Iterable[Record] = ()) -> str:
    """Title, unit and arrow of a metric, such as "Coherence (%) ↑"."""
    in_unit = f" ({of})" if (of := unit(metric, records)) else ""
    return title(metric, records) + in_unit + arrow(metric, records)


def counts(metric: str) -> bool:
    """Whether a metric is registered and counts right answers."""
    known = facts(metric)
    return bool(known and known.counts)


def geometric(metric: str) -> bool:
    """Whether a metric is registered and its means over modalities are geometric."""
    known = facts(metric)
    return bool(known and known.geometric)


def order(metric: str) -> tuple[bool, str]:
    """Sorts metrics: those that count right answers first, then by name."""
    return not counts(metric), metric


def published(dataset: str) -> bool:
    """Whether papers may have run on a data set: twins and a user's own have no download."""
    return bool(_of_dataset(dataset).get("download"))


def twin(dataset: str) -> str:
    """The data set that one stands in for; "" if it is no twin."""
    return str(_of_dataset(dataset).get("twin", ""))


def _of_dataset(dataset: str) -> Facts:
    """What a data set declares; nothing of one that is not registered."""
    # A record must not make us import anything.
    return declared("datasets", dataset) if dataset in registry.names("datasets") else {}
