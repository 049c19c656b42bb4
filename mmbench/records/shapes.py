"""Values compared with annotated types fault by fault, and built from JSON."""

import math
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any, TypeGuard, Union, get_args, get_origin, get_type_hints

from mmbench.records.strict import DIGITS, Faults, short
from mmbench.registry import nearest

_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    types.NoneType: "null",
}


def built(value: Any, hint: Any, where: str = "the file") -> Any:
    """A value read from JSON as its annotated type: objects become dataclasses, lists tuples.

    The arguments are those of `mismatches`.

    Raises:
        Faults: It does not have that type.
    """
    Faults.refuse(mismatches(value, hint, where))
    return shaped(value, hint)


def shaped(value: Any, hint: Any) -> Any:
    """As `built`, of what is validated afterwards: a part of another shape stays as it is."""
    return make(value) if (make := _maker(hint)) else value


def mismatches(value: object, hint: Any, where: str) -> Iterator[str]:
    """Where a value does not have an annotated type: a sentence for each place.

    Args:
        value: As `read` returns it, or an instance of a dataclass.
        hint: A dataclass (an object with its fields, of which those with a default may be
            missing), dict[str, ...], tuple[..., ...] or list (a list), a tuple of a fixed length,
            int, float (any finite number), str, bool, None, a union of those, or Any (any JSON).
        where: The value's place in the file, for the sentences.
    """
    if _fit(hint)(value):
        return
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        yield from _json(value, where)
    elif origin in (Union, types.UnionType):
        if all(any(mismatches(value, h, where)) for h in arguments):
            yield f"{where} is {short(value)}, expected {wanted(hint)}"
    elif _is_dataclass(hint) and isinstance(value, (dict, hint)):
        yield from _fields(value, hint, where)
    elif origin is dict and isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str):
                yield f"a key of {where} is {short(name)}, expected text"
            yield from mismatches(item, arguments[1], f"{where}[{short(name)}]")
    elif origin in (list, tuple) and isinstance(value, list | tuple):
        if origin is tuple and arguments[-1] is not ... and len(value) != len(arguments):
            yield f"{where} is {short(value)}, expected a list of {len(arguments)}"
        for i, (item, of) in enumerate(zip(value, _each(hint, value), strict=False)):
            yield from mismatches(item, of, f"{where}[{i}]")
    elif not _is(value, hint):
        yield f"{where} is {short(value)}, expected {wanted(hint)}"
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{where} is {short(value)}, expected a finite number"


@cache
def _fit(hint: Any) -> Callable[[Any], bool]:
    """Whether a value certainly has an annotated type: quick, for thousands of records.

    False where it takes a closer look: a value that has the type, or a fault to put into words.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        kinds = {h for h in arguments if h in _WORDS and h is not float}
        others = [_fit(h) for h in arguments if h not in kinds]
        return lambda x: type(x) in kinds or any(fits(x) for fits in others)
    if _is_dataclass(hint):
        parts = {f.name: _fit(of) for f, of in _typed(hint)}
        either = dict, hint
        return lambda x: (
            isinstance(x, either)
            and len(found := x if isinstance(x, dict) else vars(x)) == len(parts)
            and all(name in parts and parts[name](item) for name, item in found.items())
        )
    if origin is tuple and arguments[-1] is not ...:
        fixed = [_fit(h) for h in arguments]
        return lambda x: (
            isinstance(x, list | tuple)
            and len(x) == len(fixed)
            and all(fits(item) for fits, item in zip(fixed, x, strict=True))
        )
    if origin in (list, tuple):
        each = _fit(arguments[0])
        return lambda x: isinstance(x, list | tuple) and all(map(each, x))
    if hint is float:
        return lambda x: type(x) is int or (type(x) is float and math.isfinite(x))
    return lambda x: type(x) is hint


def wanted(hint: Any) -> str:
    """An annotated type in words."""
    if hint in _WORDS:
        return _WORDS[hint]
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(wanted, get_args(hint))))
    return "a list" if get_origin(hint) in (list, tuple) else "an object"


@cache
def _typed(of: type) -> tuple[tuple[Field[Any], Any], ...]:
    """The fields of a dataclass, each with its annotated type."""
    hints = get_type_hints(of)
    return tuple((f, hints[f.name]) for f in fields(of))


def _fields(value: object, of: type, where: str) -> Iterator[str]:
    found: Mapping[str, Any] = value if isinstance(value, dict) else vars(value)
    known = {f.name: f for f, _ in _typed(of)}
    for name in [k for k in found if k not in known]:
        yield f"{where} has an unknown field {short(name)}{nearest(name[:60], known)}"
    for f, hint in _typed(of):
        if f.name in found:
            inside = f.name if where == "the file" else f"{where}.{f.name}"
            yield from mismatches(found[f.name], hint, inside)
        elif not _optional(f):
            yield f"{where} has no field {f.name!r}"


@cache
def _maker(hint: Any) -> Callable[[Any], Any] | None:
    """Makes values of an annotated type; None where JSON has that type already."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        options = [(h, make) for h in arguments if (make := _maker(h))]

        def chosen(x: Any) -> Any:
            fit = (make(x) for h, make in options if not any(mismatches(x, h, "")))
            return next(fit, x)

        return chosen if options else None
    if _is_dataclass(hint):
        makers = {f.name: make for f, of in _typed(hint) if (make := _maker(of))}
        known = {f.name for f in fields(hint)}
        needed = {f.name for f in fields(hint) if not _optional(f)}
        construct: Callable[..., Any] = hint
        return lambda x: (
            construct(**x | {name: make(x[name]) for name, make in makers.items() if name in x})
            if isinstance(x, dict) and needed <= x.keys() <= known
            else x
        )
    if origin is tuple and arguments[-1] is not ...:
        each = [_maker(h) for h in arguments]
        return lambda x: (
            tuple(make(item) if make else item for make, item in zip(each, x, strict=True))
            if isinstance(x, list) and len(x) == len(each)
            else x
        )
    if origin in (list, tuple):
        make = _maker(arguments[0])
        return lambda x: origin(map(make, x) if make else x) if isinstance(x, list) else x
    if origin is dict and (make := _maker(arguments[1])):
        return lambda x: {k: make(v) for k, v in x.items()} if isinstance(x, dict) else x
    return None


def _optional(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _is_dataclass(hint: Any) -> TypeGuard[type]:
    return isinstance(hint, type) and is_dataclass(hint)


def _each(hint: Any, value: list[Any] | tuple[Any, ...]) -> Iterable[Any]:
    """The annotated type of each item of a list or tuple."""
    arguments = get_args(hint)
    fixed = get_origin(hint) is tuple and arguments[-1] is not ...
    return arguments if fixed else [arguments[0]] * len(value)


def _is(value: object, hint: Any) -> bool:
    if isinstance(value, bool):
        return hint is bool
    if get_origin(hint) is not None or not isinstance(hint, type):
        return False  # a list or an object, which this value is not
    return isinstance(value, (int, float) if hint is float else hint)


def _json(value: object, where: str) -> Iterator[str]:
    """Where a value would not come back equal from JSON."""
    if isinstance(value, dict):
        yield from mismatches(value, dict[str, Any], where)
    elif isinstance(value, list):
        yield from mismatches(value, list[Any], where)
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{where} is {short(value)}, expected a finite number"
    elif isinstance(value, int) and len(str(abs(value))) > DIGITS:
        yield f"{where} is {short(value)}, expected at most {DIGITS} digits"
    elif value is not None and not isinstance(value, str | int | float):
        yield f"{where} is {short(value)}, expected a value of JSON"
