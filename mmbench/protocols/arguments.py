"""Arguments of constructors from a protocol's values, checked against their annotations."""

import inspect
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from mmbench.files.toml import plain
from mmbench.registry import expect_modalities, nearest

Number = TypeVar("Number", int, float)


def construct(build: Callable[..., Any], table: Mapping[str, Any], where: str, *first: Any) -> Any:
    """Calls `build(*first, **table)` after checking names and types of the table's values.

    A parameter annotated with a dataclass takes a table, laid over the parameter's default.

    Args:
        build: A class or function whose parameters are annotated.
        table: Argument name -> value.
        where: The table's place in the protocol, for messages.
        first: Positional arguments.

    Raises:
        ValueError: An unknown or missing name, a value of the wrong type or out of range.
    """
    if not isinstance(table, Mapping):
        raise ValueError(f"{where} is {table!r}, expected a table")
    parameters = list(inspect.signature(build, eval_str=True).parameters.values())[len(first) :]
    known = {p.name: p for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
    for name in table:
        if name not in known:
            within = (f"{where}.{p}.{name}" for p in known if name in _fields(known[p]))
            near = next((f"; did you mean {path!r}?" for path in within), nearest(name, known))
            raise ValueError(f"{where} has no setting {name!r}{near}")
    for name, p in known.items():
        if p.default is p.empty and name not in table:
            raise ValueError(f"{where} lacks the setting {name!r}")
    arguments = {}
    for name, value in table.items():
        plain(value, f"{where}.{name}")
        default = known[name].default
        if is_dataclass(default) and isinstance(value, dict):  # laid over it
            value = {f.name: getattr(default, f.name) for f in fields(default) if f.init} | value
        arguments[name] = _convert(value, known[name].annotation, f"{where}.{name}")
    try:
        return build(*first, **arguments)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _fields(parameter: inspect.Parameter) -> set[str]:
    """The settings of a parameter that takes a table."""
    hints = (parameter.annotation, *get_args(parameter.annotation), parameter.default)
    return {f.name for hint in hints if is_dataclass(hint) for f in fields(hint)}


def at_least(least: float, **settings: float) -> None:
    """Checks settings, by their names.

    Raises:
        ValueError: One is below the smallest number allowed.
    """
    for name, value in settings.items():
        if not value >= least:
            raise ValueError(f"{name} is {value}, expected at least {least}")


def between(least: float, most: float, **settings: float) -> None:
    """Checks settings, by their names.

    Raises:
        ValueError: One is not in the range.
    """
    for name, value in settings.items():
        if not least <= value <= most:
            wanted = f"at least {least:,} and at most {most:,}"
            raise ValueError(f"{name} is {value}, expected {wanted}")


def divided(groups: int, **settings: int) -> None:
    """Checks widths, by their settings' names, that groups of a normalisation have to divide.

    Raises:
        ValueError: One is no positive multiple of the groups; says which is nearest.
    """
    for name, value in settings.items():
        if value < 1 or value % groups:
            near = max(1, (value + groups // 2) // groups) * groups
            expected = f"expected a positive multiple of groups, {groups}, such as {near}"
            raise ValueError(f"{name} is {value}, {expected}")


def among(setting: str, value: str, known: Collection[str]) -> None:
    """Checks the name that a setting has as its value.

    Raises:
        ValueError: There is no such name; says which is nearest.
    """
    if value not in known:
        raise ValueError(f"{setting} is {value!r}{nearest(str(value), known)}")


def by_modality(
    setting: str, value: Number | Mapping[str, Number], names: Sequence[str], least: float
) -> dict[str, Number]:
    """A setting's number for each modality, where one number may stand for all.

    Args:
        setting: Its name, for messages.
        value: One number, or modality -> number.
        names: The modalities.
        least: The smallest number allowed.

    Raises:
        ValueError: A modality does not exist, has no number, or has one below the smallest.
    """
    table = dict(value) if isinstance(value, Mapping) else dict.fromkeys(names, value)
    expect_modalities(table, names, setting)
    for m in names:
        if m not in table:
            raise ValueError(f"{setting} lacks {m!r}, expected a number for each modality")
        if not table[m] >= least:
            raise ValueError(f"{setting} has {table[m]} for {m!r}, expected at least {least}")
    return {m: table[m] for m in names}


CONTAINERS: dict[Any, type] = {k: list for k in (list, tuple, Sequence)}
CONTAINERS |= {dict: dict, Mapping: dict}
"""Annotation -> the type of its values in TOML."""


def _convert(value: Any, hint: Any, where: str) -> Any:
    """Checks a TOML value against an annotation."""
    if hint is Any or hint is inspect.Parameter.empty:
        return value
    if is_dataclass(hint):
        if isinstance(hint, type) and isinstance(value, hint):
            return value  # a default
        return construct(hint, value, where)  # type: ignore[arg-type]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"{where} is {value!r}{nearest(str(value), map(str, arguments))}")
        return value
    if origin in (Union, types.UnionType):
        options = [option for option in arguments if option is not types.NoneType]
        if len(options) == 1 and value is not None:
            return _convert(value, options[0], where)  # whose message says more
        for option in arguments:
            try:
                return _convert(value, option, where)
            except ValueError:
                continue
        raise ValueError(f"{where} is {value!r}, expected {_wanted(hint)}")
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    kind = CONTAINERS.get(origin or hint, hint)
    if not isinstance(kind, type) or not isinstance(value, kind):
        raise ValueError(f"{where} is {value!r}, expected {_wanted(hint)}")
    if isinstance(value, bool) and hint is not bool:
        raise ValueError(f"{where} is {value!r}, expected {_wanted(hint)}")
    if isinstance(value, dict) and len(arguments) == 2:
        return {k: _convert(v, arguments[1], f"{where}.{k}") for k, v in value.items()}
    if isinstance(value, list) and arguments:
        return [_convert(v, arguments[0], f"{where}[{i}]") for i, v in enumerate(value)]
    return value


def _wanted(hint: Any) -> str:
    """What an annotation expects, in words."""
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    if hint in words:
        return words[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_wanted(a) for a in arguments if a is not type(None)))
    if origin is Literal:
        return " or ".join(map(str, arguments))
    kind = dict if is_dataclass(hint) else CONTAINERS.get(origin or hint)
    if kind is list:
        many = {int: " of whole numbers", float: " of numbers", str: " of texts"}
        return f"a list{many.get(arguments[0], '') if arguments else ''}"
    return "a table" if kind is dict else str(hint)
