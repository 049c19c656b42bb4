"""Settings, from the protocols' files, with their comments."""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from mmbench import registry
from mmbench.protocols import shipped

_TABLE = re.compile(r"^\[\[?([^\]]+)\]\]?", re.MULTILINE)


def settings(model: str) -> Iterator[str]:
    """The model's tables of every protocol, with their comments, a tab for each."""
    yield from _tabs(protocols(model))


def protocol(dataset: str) -> Iterator[str]:
    """The data set's networks, likelihoods, evaluation and samplers, a tab for each protocol."""
    parts = ("modalities", "evaluation", "samplers")
    yield from _tabs(
        (title, "\n\n".join(filter(None, (_tables(file, part) for part in parts))))
        for title, file in _files()
        if title.split(",")[0] == dataset
    )


def _tabs(texts: Iterable[tuple[str, str]]) -> Iterator[str]:
    """A tab of TOML for each text, named by all protocols that have it."""
    titles: dict[str, list[str]] = {}
    for title, text in texts:
        titles.setdefault(text, []).append(title)
    for text, of in titles.items():
        yield f'=== "{" · ".join(of)}"\n'
        yield from (
            "    " + line if line else "" for line in ("```toml", *text.splitlines(), "```", "")
        )


@cache
def protocols(model: str) -> list[tuple[str, str]]:
    """(title, the model's tables) of each protocol that sets a model."""
    found = [(title, _tables(file, f"models.{model}")) for title, file in _files()]
    return [(title, text) for title, text in found if text]


def _files() -> Iterator[tuple[str, str]]:
    """(title, content) of every protocol in the package."""
    for dataset in registry.names("datasets"):
        named = shipped.named(dataset)
        several = len(named) > 1
        for name, file in named.items():
            yield f"{dataset}, {name}" if several else dataset, file.read_text("utf-8")
        if not named:
            yield dataset, shipped.own(dataset).read_text("utf-8")
    yield "any other", shipped.own("").read_text("utf-8")


def _tables(text: str, start: str) -> str:
    """The tables of a TOML file whose names begin with a key, with the comments above them."""
    heads = [*_TABLE.finditer(text)]
    ends = [*(_above(text, h.start()) for h in heads[1:]), len(text)]
    kept = []
    for head, end in zip(heads, ends, strict=True):
        if f"{head[1]}.".startswith(f"{start}."):
            kept.append(text[_above(text, head.start()) : end].strip())
    return "\n\n".join(kept)


def _above(text: str, at: int) -> int:
    """Where the comments that stand directly above a place begin."""
    lines = text[:at].splitlines(keepends=True)
    while lines and lines[-1].startswith("#"):
        at -= len(lines.pop())
    return at
