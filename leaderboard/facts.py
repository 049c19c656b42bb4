"""What a metric declares of itself, read without importing what it computes with."""

from dataclasses import fields
from functools import cache
from typing import Literal

from mmbench import registry
from mmbench.core.score import Metric
from mmbench.declarations import declared

_NEEDED = {"name", "title", "better", "unit", "paper"}
_KNOWN = {f.name for f in fields(Metric)}


@cache
def facts(metric: str) -> Metric | None:
    """A registered metric; where its facts are literals, it is imported when it computes.

    Returns:
        None for one that is not registered (a record must not make us import "module:object"),
        and for one that is not declared in literals and cannot be imported.
    """
    if metric not in registry.names("metrics"):
        return None
    found = declared("metrics", metric)
    if found.keys() >= _NEEDED:
        compute = lambda *samples: registry.find("metrics", metric).compute(*samples)
        return Metric(**{k: v for k, v in found.items() if k in _KNOWN}, compute=compute)
    try:
        imported = registry.find("metrics", metric)
    except (ImportError, AttributeError, LookupError):
        return None
    return imported if isinstance(imported, Metric) else None


def title(metric: str) -> str:
    """The title of a metric; its name if it is not registered."""
    known = facts(metric)
    return known.title if known else metric


def unit(metric: str) -> str:
    """The unit of a metric; "" if it has none or is not registered."""
    known = facts(metric)
    return known.unit if known else ""


def better(metric: str) -> Literal["higher", "lower"] | None:
    """The better direction of a metric; None if it is not registered."""
    known = facts(metric)
    return known.better if known else None


def arrow(metric: str) -> str:
    """An arrow to the better direction after a space; "" if it is not known."""
    return {"higher": " ↑", "lower": " ↓", None: ""}[better(metric)]


def order(metric: str) -> tuple[bool, str]:
    """Sorts metrics: those that count right answers first, then by name."""
    known = facts(metric)
    return not (known and known.counts), metric
