"""Faults in JSON, TOML and other texts."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from random import Random
from typing import Any

ODD: list[Any] = [
    *(None, True, 0, -1, 1, 3, 255, 2**15, 2**31, 2**63, 10**30, 0.5, -0.0, 1e308),
    *(float("nan"), float("inf"), -float("inf"), "", " ", "0", "nan", "../x", "a" * 300),
    *("\u202egnp", "e\u0301", "\ud800", "\0", "x\ny", "²", "{}", [], [[]], {}, {"": 0}, [0] * 99),
]
WORDS = [
    *("-1", "0", "1e999", "nan", "inf", "-inf", "999999999999999999999", "true", '""', "[]", "{}"),
    *("[[[]]]", '"²"', '"\u202e"', "0x7f", "1979-05-27", "'../x'", "é", "\ufeff", "\t", '"'),
]
DEEP = (50, 2000, 100_000)


def tree(value: Any, rng: Random) -> Any:
    """What JSON holds with a value replaced, dropped, repeated, renamed or buried."""
    places = list(_places(value))
    if not places or rng.random() < 0.02:
        return rng.choice(ODD)
    holder, key = rng.choice(places)
    how = rng.randrange(7)
    if how < 3:
        holder[key] = rng.choice(ODD)
    elif how == 3:
        del holder[key]
    elif how == 4 and isinstance(holder, dict):
        holder[rng.choice([str(key).upper(), f"{key}s", "", "x", "seed"])] = holder.pop(key)
    elif how == 5:
        other, there = rng.choice(places)
        with suppress(LookupError):
            holder[key] = json.loads(json.dumps(other[there]))
    elif isinstance(holder[key], int | float):
        holder[key] *= rng.choice([-1, 10**9, 1.5, 0])
    elif isinstance(holder[key], list):
        holder[key] = holder[key] * 2
    else:
        holder[key] = [holder[key]]
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def as_json(content: bytes, rng: Random) -> bytes:
    """JSON with another tree, a key twice, or very deep."""
    if rng.random() < 0.1:
        deep = rng.choice(DEEP)
        brackets = rng.choice([("[", "]"), ('{"a":', "}")])
        return (brackets[0] * deep + "0" + brackets[1] * deep).encode()
    if rng.random() < 0.1:
        return content.replace(b"{", b'{"seed": 1, "seed": 2, ', 1)
    found = tree(json.loads(content), rng)
    text = json.dumps(found, ensure_ascii=rng.random() < 0.5)
    return text.encode(errors="surrogatepass")


def as_text(content: bytes, rng: Random) -> bytes:
    """Text, or TOML, with a word, a value or a line changed."""
    text = content.decode()
    how = rng.randrange(8)
    lines = text.split("\n")
    i = rng.randrange(len(lines))
    if how < 3:
        found = list(re.finditer(r"[\w.+-]+|\"[^\"\n]*\"|\[[^\]\n]*\]", text))
        if found:
            one = rng.choice(found)
            text = text[: one.start()] + rng.choice(WORDS) + text[one.end() :]
        return text.encode()
    if how == 3:
        del lines[i]
    elif how == 4:
        lines.insert(rng.randrange(len(lines)), lines[i])
    elif how == 5:
        key, equals, _ = lines[i].partition("=")
        lines[i] = key + (equals or "=") + rng.choice(WORDS)
    elif how == 6:
        deep = rng.choice(DEEP)
        lines[i] = lines[i].partition("=")[0] + "=" + "[" * deep + "]" * deep
    else:
        encoding = rng.choice(["utf-16", "latin-1", "utf-8-sig"])
        return text.encode(encoding, errors="replace")
    return "\n".join(lines).encode()
