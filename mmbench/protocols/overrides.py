"""What is laid over a protocol: single settings, and files that hold a part of one."""

import json
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from mmbench.files.toml import plain
from mmbench.registry import located, names, nearest

Table = dict[str, Any]

TABLES = ("modalities", "models", "evaluation")


def laid_over(protocol: Table, part: Table, name: str) -> Table:
    """A protocol with the values of a part of one in place of its own.

    Tables of models are laid over key by key, down to the settings of a stage. Of modalities and
    the evaluation a whole setting is replaced: metrics, a sampler or a likelihood do not mix.

    Args:
        protocol: A whole one.
        part: Some of its tables, with some of their values.
        name: Of the file that the part comes from, for messages.

    Raises:
        ValueError: A model of the part is neither in the protocol nor another package's.
    """
    result: Table = json.loads(json.dumps(protocol))
    for model in part.get("models", {}):
        if model not in result["models"] and not elsewhere(model):
            raise ValueError(f"{name} has a model {model!r}{nearest(model, result['models'])}")
    levels = {"models": math.inf, "modalities": 1}
    return result | {k: _merged(result.get(k), t, levels.get(k, 0)) for k, t in part.items()}


def _merged(below: Any, above: Any, levels: float) -> Any:
    """Two tables merged down to some levels; other values are replaced."""
    if levels < 0 or not isinstance(below, dict) or not isinstance(above, dict):
        return _typed(above, below)
    return below | {k: _merged(below.get(k), value, levels - 1) for k, value in above.items()}


def _typed(value: Any, below: Any) -> Any:
    """A value in place of another: a whole number for a float is a float, as hashes differ."""
    if isinstance(value, dict) and isinstance(below, dict):
        return {k: _typed(v, below.get(k)) for k, v in value.items()}
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole and isinstance(below, float) else value


def _standing(protocol: Table, keys: Sequence[str]) -> Any:
    """The value that a setting replaces, also where a model's table begins with another's."""
    models = _like(protocol["models"], keys[1]) if keys[0] == "models" else keys[1:2]
    for model in models:
        value: Any = protocol
        for key in (keys[0], model, *keys[2:]):
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            return value
    return None


def override(protocol: Table, settings: Sequence[str], model: str = "") -> Table:
    """Applies settings like "models.mld.score.epochs=10"; values are TOML or else text.

    The tables on the way must exist, but for those of a model that the protocol may leave at their
    default, and of a modality that it sets by a pattern or a kind. They and the last key are
    checked where they are used.

    Args:
        protocol: A whole one.
        settings: Each is "KEY=VALUE".
        model: The model that is to run, whose settings a message names before those of others.

    Raises:
        ValueError: A setting is not KEY=VALUE, its tables do not exist, no setting takes such
            a value, or it concerns another model than the one that is to run.
    """
    result: Table = json.loads(json.dumps(protocol))
    for setting in settings:
        path, equals, text = setting.partition("=")
        keys = _keys(path.strip(), result["models"])
        if not equals or not all(keys):
            raise ValueError(f"the setting {setting!r} is not of the form KEY=VALUE")
        if other := _other(keys, result["models"], model):
            near = _of_own(keys, result["models"], model)
            raise ValueError(
                f"{path.strip()} is a setting of {other}, and the model that runs is {model}{near}"
            )
        table = result
        for depth, key in enumerate(keys[:-1]):
            own = depth == 2 and not get_close_matches(key, table)
            if depth > 1 and keys[0] == "models" and (own or elsewhere(keys[1])):
                table.setdefault(key, {})  # its defaults are in the model's code
            if keys[:depth] == ["modalities"] and not get_close_matches(key, by_name(table)):
                table.setdefault(key, {})  # the rest is that of its pattern or kind
            inside = ".".join(keys[:depth]) or "the protocol"
            if not isinstance(table.get(key), dict):
                raise ValueError(
                    f"{inside} has no table {key!r}{_near(keys, depth, result, model)}"
                )
            table = table[key]
        if len(keys) == 1:
            if path.strip() in TABLES:
                example = "models.mld.score.epochs=10"
                raise ValueError(f"{path} is a whole table: set a key in it, as in {example}")
            raise ValueError(f"{path!r} is not a setting{_near(keys, 0, result, model)}")
        try:
            value = tomllib.loads(f"x = {text}")["x"]
        except (ValueError, RecursionError):
            value = text.strip()
            if value[:1] in ("{", "["):  # a shell has taken its quotes
                example = "--set 'evaluation.metrics={fid=\"all\"}'"
                lacks = "texts need quotes, which a shell removes unless the setting has its own"
                raise ValueError(f"{setting} is not TOML: {lacks}, as in {example}") from None
        plain(value, path.strip())
        table[keys[-1]] = _typed(value, _standing(result, keys))
    return result


def by_name(modalities: Table) -> list[str]:
    """Those of a protocol's tables `modalities` that are neither by a pattern nor by a kind."""
    return [key for key in modalities if not re.search(r"[*?\[<]", key)]


def _near(keys: Sequence[str], depth: int, protocol: Table, model: str) -> str:
    """How the sentence ends about a setting whose key at this depth is wrong.

    It names a setting of the model that runs, or the one with that key corrected; else one of the
    same last key, wherever it is.
    """
    if depth == 1 and keys[0] == "models" and (own := _of_own(keys, protocol["models"], model)):
        return own
    table = protocol
    for key in keys[:depth]:
        table = table[key]
    tables = [k for k, v in table.items() if isinstance(v, dict)]
    known = list(_paths(protocol))
    for cutoff in (0.8, 0.5):
        for close in get_close_matches(keys[depth], tables, 1, cutoff):
            right = (*keys[:depth], close, *keys[depth + 1 :])
            if cutoff > 0.5 or (depth and right in known):
                return f"; did you mean {'.'.join(right)!r}?"
    same = [path for path in known if path[-1] == keys[-1]]
    mine = [path for path in same if path[:2] == ("models", model) or path[0] != "models"]
    near = get_close_matches(".".join(keys), map(".".join, mine or same), 1, 0.0)
    return f"; did you mean {near[0]!r}?" if near else nearest(keys[depth], tables)


def concerning(models: Table, settings: Iterable[str], model: str) -> list[str]:
    """The settings that are of no other model than one.

    Args:
        models: A protocol's tables of models, as in its file.
        settings: As for `override`.
        model: The model.
    """
    keys = {s: _keys(s.partition("=")[0].strip(), models) for s in settings}
    return [s for s, path in keys.items() if not _other(path, models, model)]


def _like(models: Table, model: str) -> list[str]:
    """A model, and the one whose settings its table begins with."""
    table = models.get(model)
    base = table.get("like") if isinstance(table, dict) else None
    return [model, base] if isinstance(base, str) else [model]


def _other(keys: Sequence[str], models: Table, model: str) -> str:
    """The model of a setting where it is another than the one that runs; "" otherwise."""
    of = keys[1] if len(keys) > 2 and keys[0] == "models" else ""
    return of if model and of in models and of not in _like(models, model) else ""


def _of_own(keys: Sequence[str], models: Table, model: str) -> str:
    """How the sentence ends about a setting of a wrong model; "" if the right one has none such.

    What a model from elsewhere takes is known to its code alone.
    """
    right = ("models", model, *keys[2:])
    tables = [t for m in _like(models, model) if isinstance(t := models.get(m), dict)]
    known = [path for table in tables for path in _paths(table, ("models", model))]
    same = [".".join(path) for path in known if path[-1] == keys[-1]]
    near = get_close_matches(".".join(right), same, 1, 0.0)
    if len(keys) > 2 and (right in known or (model and elsewhere(model))):
        near = [".".join(right)]
    return f"; did you mean {near[0]!r}?" if near else ""


def _paths(table: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The keys of everything in a table, the tables included."""
    for key, value in table.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from _paths(value, (*above, key))


def _keys(path: str, models: Iterable[str]) -> list[str]:
    """The keys of a setting; dots in a model's name, "package.module:class", do not separate."""
    for model in models:
        if path.startswith(f"models.{model}.") and "." in model:
            return ["models", model, *path.removeprefix(f"models.{model}.").split(".")]
    return path.split(".")


def elsewhere(model: str) -> bool:
    """Whether a model is "module:class" or another package's: protocols need not set those."""
    known = names("models")
    if model in known:
        package = known[model].dist
        return package is not None and package.name != "mmbench"
    return located("models", model)
