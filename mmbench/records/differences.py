"""Where protocols differ: their values by path, such as "evaluation.sampler.steps"."""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmbench.protocols.protocol import METRIC_CODE
from mmbench.records.record import Record
from mmbench.registry import nearest
from mmbench.text import plain

UNSET = "not set"
"""Shown for a value that a protocol leaves at its default."""

METRICS = ("evaluation.metrics", METRIC_CODE)
"""Which metrics are computed changes none of them."""

SAME_SAMPLES = re.compile(r"evaluation\.given|modalities\.[^.]+\.(weights|sha256)")
"""Paths whose values say what else is drawn, or where published weights lie."""


def values(protocol: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Path -> value of everything in a protocol that is not a table; keys are printable."""
    found: dict[str, Any] = {}
    for key, value in protocol.items():
        path = f"{above}.{plain(key)}" if above else plain(key)
        found |= values(value, path) if isinstance(value, dict) else {path: value}
    return found


def differences(records: Iterable[Record]) -> dict[str, list[str]]:
    """Path -> the values that it has, in words, where the protocols of records differ."""
    protocols = [values(r.protocol) for r in records]
    paths = dict.fromkeys(path for p in protocols for path in p)
    found = {
        path: list(dict.fromkeys(in_words(p.get(path, UNSET)) for p in protocols))
        for path in paths
        if not any(below(path, m) for m in METRICS)
    }
    return {path: of for path, of in found.items() if len(of) > 1}


def departures(protocol: Mapping[str, Any], published: Mapping[str, Any]) -> list[str]:
    """In what a protocol departs from a published one, such as "model.latent 64 instead of 768".

    Both are resolved. Values that do not change a sample are no departures.
    """
    ours, theirs = values(protocol), values(published)
    default = "its default"
    return [
        f"{path} {in_words(ours.get(path, default))} instead of "
        f"{in_words(theirs.get(path, default))}"
        for path in dict.fromkeys([*theirs, *ours])
        if matters(path) and ours.get(path, default) != theirs.get(path, default)
    ]


def matters(path: str) -> bool:
    """Whether a value of a protocol may change a sample."""
    return not (any(below(path, m) for m in METRICS) or SAME_SAMPLES.fullmatch(path))


def below(path: str, table: str) -> bool:
    """Whether a path is that of a table or of something in it."""
    return path == table or path.startswith(f"{table}.")


def in_words(value: object) -> str:
    """A value as figures and sentences show it: numbers as short as they are exact."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return plain(value) if isinstance(value, str) else json.dumps(value)


def only(records: Sequence[Record], settings: Sequence[str]) -> list[Record]:
    """The records whose protocols have some values, such as "evaluation.sampler.steps=25".

    Values are TOML, or else text.

    Raises:
        ValueError: A setting is not KEY=VALUE.
        LookupError: No protocol has such a key, or none that value.
    """
    for setting in settings:
        path, equals, text = (part.strip() for part in setting.partition("="))
        if not equals or not path:
            raise ValueError(f"the setting {setting!r} is not of the form KEY=VALUE")
        try:
            wanted = in_words(tomllib.loads(f"x = {text}")["x"])
        except (ValueError, RecursionError, TypeError):  # TOML's dates are texts in a protocol
            wanted = text
        known = {path: in_words(v) for r in records for path, v in values(r.protocol).items()}
        if path not in known:
            raise LookupError(f"no record's protocol has a value {path!r}{nearest(path, known)}")
        found = [(r, in_words(values(r.protocol).get(path, UNSET))) for r in records]
        records = [r for r, value in found if value == wanted]
        if not records:
            has = ", ".join(dict.fromkeys(value for _, value in found))
            raise LookupError(f"no record has {path} = {wanted}; there is {has}")
    return list(records)


def equal_but_for(records: Sequence[Record], varied: str) -> None:
    """Refuses records of one model that differ elsewhere than in one value or table.

    Raises:
        ValueError: Their protocols differ elsewhere, or their examples do.
    """
    name = plain(records[0].model)
    others = {path: of for path, of in differences(records).items() if not below(path, varied)}
    if others:
        places = "; ".join(f"{path} ({', '.join(of)})" for path, of in others.items())
        also = f"differ not only in {varied} but also in {places}"
        raise ValueError(f"the records of {name} {also}: choose by --where KEY=VALUE")
    data = sorted({plain(r.data[:6]) for r in records})
    if len(data) > 1:
        kinds = ", ".join(data)
        raise ValueError(f"the records of {name} are of different data ({kinds}), expected one")
