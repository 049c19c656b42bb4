"""What models, data sets and metrics declare, in tables."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from settings import protocols

from mmbench import registry
from mmbench.core.score import Metric
from mmbench.core.source import Source
from mmbench.declarations import declared
from mmbench.extras import command
from mmbench.leaderboard.facts import facts as declared_metric
from mmbench.leaderboard.facts import twin
from mmbench.registry import Group

METRICS = Path(__file__).parents[1] / "metrics"
OWN = "the data set's own"

Lines = Iterator[tuple[str, str]]
"""(what, in words) of one thing."""


def facts(*names: str) -> Iterator[str]:
    """A table of what registered things declare, and another one of what they do not share.

    Raises:
        LookupError: Nothing is registered under a name.
    """
    describe: dict[Group, Callable[[str], Lines]] = {
        "models": _model,
        "datasets": _dataset,
        "metrics": _metric,
    }
    columns: list[dict[str, str]] = []
    for name in names:
        group = next((g for g in describe if name in registry.names(g)), None)
        if group is None:
            raise LookupError(f"{name!r} is not registered")
        columns.append(dict(describe[group](name)))
    shared = {t: x for t, x in columns[0].items() if all(c.get(t) == x for c in columns)}
    apart = dict.fromkeys(t for c in columns for t in c if t not in shared)
    yield f"| | {', '.join(f'`{name}`' for name in names)} |\n|:--|:--|"
    yield from (f"| {title} | {text} |" for title, text in shared.items())
    if apart:
        yield f"\n| | {' | '.join(apart)} |\n|:--|{':--|' * len(apart)}"
    for name, column in zip(names if apart else (), columns, strict=False):
        yield f"| `{name}` | {' | '.join(column.get(title, '') for title in apart)} |"


def _model(name: str) -> Lines:
    found = declared("models", name, "title", "paper")
    yield "What", found["title"]
    yield "Paper", _linked(found["paper"])
    yield "Class", f"`{registry.place('models', name).replace(':', '.')}`"
    yield "Needs", _needs("models", name)
    yield "Trains on incomplete examples", "yes" if found.get("takes_incomplete") else "no"
    if found.get("has_sampler"):
        yield "Sampler", "the protocol's `evaluation.sampler`"
    yield "Version", str(found.get("version", 1))
    yield "Protocols", ", ".join(f"`{title}`" for title, _ in protocols(name))


def _dataset(name: str) -> Lines:
    source = _source(name)
    yield "What", source.title
    yield "Paper", _linked(source.paper)
    if source.files:
        yield "Licence", _linked(source.licence)
        yield "Files", f"`{source.layout}`"
    else:
        yield "Files", "none: made on the spot and kept in the cache"
    if twins := [d for d in registry.names("datasets") if twin(d) == name]:
        yield "Twins", ", ".join(f"[`{d}`](/datasets/{d}.md)" for d in twins)
    if real := source.twin:
        yield "Twin of", f"[`{real}`](/datasets/{real}.md)"
    yield "Version", str(source.version)


def _source(name: str) -> Source:
    """A data set; its licence and layout are no literals, so it is imported."""
    source: Source = registry.find("datasets", name)
    return source


def _metric(name: str) -> Lines:
    metric = _declared(name)
    yield "In tables", metric.title
    yield "Better", metric.better + (f", in {metric.unit}" if metric.unit else "")
    low = "−∞" if metric.low is None else f"{metric.low:g}"
    high = "∞" if metric.high is None else f"{metric.high:g}"
    yield "Range", f"{low} to {high}"
    yield "Evaluation network", _judge(metric)
    if metric.least > 1:
        yield "Samples", f"at least {metric.least:,}"
    if metric.full_rank:
        yield "Biased upwards", f"always, and most with fewer than {metric.full_rank:,} samples"
    yield "Needs", _needs("metrics", name)
    yield "Paper", _linked(metric.paper)
    yield "Version", str(metric.version)


def _declared(name: str) -> Metric:
    found = declared_metric(name)
    if found is None:
        raise LookupError(f"no metric is called {name!r}")
    return found


def _judge(metric: Metric) -> str:
    if metric.judge is None:
        return "none"
    if metric.judge == "own":
        return f"[{OWN}](/metrics/index.md#evaluation-networks)"
    title: str = declared("extractors", metric.judge, "title")["title"]
    return title


def models() -> Iterator[str]:
    """All registered models, ours first."""
    yield "| model | what | needs |\n|:--|:--|:--|"
    for name in sorted(registry.names("models"), key=lambda n: (":" in n, n)):
        title = declared("models", name, "title")["title"]
        page = f"`{name}`" if ":" in name else f"[`{name}`](/models/{name}.md)"
        yield f"| {page} | {title} | {_needs('models', name)} |"


def datasets() -> Iterator[str]:
    """All registered data sets."""
    yield "| data set | what | licence |\n|:--|:--|:--|"
    for name in registry.names("datasets"):
        source = _source(name)
        licence = source.licence or "—"
        yield f"| [`{name}`](/datasets/{name}.md) | {source.title} | {licence} |"


def metrics() -> Iterator[str]:
    """All registered metrics."""
    yield "| metric | in tables | better | evaluation network | needs |\n|:--|:--|:--|:--|:--|"
    for name in registry.names("metrics"):
        metric = _declared(name)
        unit = f", {metric.unit}" if metric.unit else ""
        told = (f"[`{name}`](/metrics/{_page(name)}.md)", metric.title, metric.better + unit)
        yield f"| {' | '.join((*told, _judge(metric), _needs('metrics', name)))} |"


@cache
def _page(metric: str) -> str:
    """The page that has a metric's facts."""
    for page in sorted(METRICS.glob("*.md")):
        shown = re.findall(r"^<!-- facts: (.+) -->$", page.read_text("utf-8"), re.MULTILINE)
        if metric in " ".join(shown).split():
            return page.stem
    raise LookupError(f"the metric {metric!r} has no page")


def _needs(group: Group, name: str) -> str:
    """What a registered thing needs beside mmbench."""
    wanted = [f"`{command(extra)}`" for extra in registry.names(group)[name].extras]
    if declared(group, name).get("judge") in registry.names("extractors"):
        wanted.append("its [weights](/metrics/index.md#weights)")
    return ", ".join(wanted) or "nothing else"


def _linked(text: str) -> str:
    """A text whose addresses are links."""
    return re.sub(r"https?://[^\s,;)]+", lambda m: f"<{m[0]}>", text)
