"""Values compared with annotated types fault by fault, and built from JSON."""

import math
import sys
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from itertools import chain, islice
from operator import attrgetter, itemgetter
from typing import Any, TypeGuard, Union, get_args, get_origin, get_type_hints

from mmbench.records.strict import DEEPEST, DIGITS, Faults, short
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
    return _maker(hint)([value])[0]


def mismatches(value: object, hint: Any, where: str) -> Iterator[str]:
    """Where a value does not have an annotated type: a sentence for each place.

    Args:
        value: As `read` returns it, or an instance of a dataclass.
        hint: A dataclass (an object with its fields, of which those with a default may be
            missing), dict[str, ...], tuple[..., ...] or list (a list), a tuple of a fixed length,
            int, float (any finite number), str, bool, None, a union of those, or Any (any JSON).
        where: The value's place in the file, for the sentences.
    """
    if _fit(hint)([value]):
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
def _fit(hint: Any) -> Callable[[Collection[Any]], bool]:
    """Whether values certainly all have an annotated type: quick, for thousands of records.

    They are compared together, each field of all of them at once. False where it takes a closer
    look: at values that have the type, or at a fault to put into words.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return lambda xs: all(map(_is_json, xs))
    options = {*arguments} if origin in (Union, types.UnionType) else {hint}
    if options <= _WORDS.keys():
        kinds = options | ({int} if float in options else set())
        return lambda xs: _types(xs) <= kinds and (float not in kinds or _finite(xs))
    if len(options) > 1:
        fits_one = [_fit(h) for h in options]
        return lambda xs: all(any(fits([x]) for fits in fits_one) for x in xs)
    if _is_dataclass(hint):
        parts = {f.name: _fit(of) for f, of in _typed(hint)}

        def fits_all(xs: Collection[Any]) -> bool:
            whole = _types(xs) == {dict} and {*map(frozenset, xs)} == {frozenset(parts)}
            get = itemgetter if whole else attrgetter
            return (whole or _types(xs) <= {hint}) and all(
                fits([*map(get(name), xs)]) for name, fits in parts.items()
            )

        return fits_all
    if origin is tuple and arguments[-1] is not ...:
        fixed = [_fit(h) for h in arguments]
        return lambda xs: (
            _types(xs) <= {list, tuple}
            and {*map(len, xs)} <= {len(fixed)}
            and all(fits(of) for fits, of in zip(fixed, zip(*xs, strict=True), strict=False))
        )
    items = _fit(arguments[-1 if origin is dict else 0])
    if origin is dict:
        return lambda xs: (
            _types(xs) <= {dict}
            and _types(chain.from_iterable(xs)) <= {str}
            and items([item for x in xs for item in x.values()])
        )
    return lambda xs: _types(xs) <= {list, tuple} and items([*chain.from_iterable(xs)])


def _types(values: Iterable[object]) -> set[type]:
    return set(map(type, values))


def _finite(values: Iterable[object]) -> bool:
    return all(map(math.isfinite, [x for x in values if type(x) is float]))


def _is_json(x: object, levels: int = DEEPEST) -> bool:
    """Whether a value is plain JSON, with at most so many levels of lists and objects."""
    if isinstance(x, (dict, list)):
        items = x.values() if isinstance(x, dict) else x
        named = isinstance(x, list) or _types(x) <= {str}
        return levels > 0 and named and all(_is_json(item, levels - 1) for item in items)
    if isinstance(x, float):
        return math.isfinite(x)
    return x is None or isinstance(x, str) or (isinstance(x, int) and abs(x) < 10**DIGITS)


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


Make = Callable[[Sequence[Any]], Sequence[Any]]


@cache
def _maker(hint: Any) -> Make:
    """Makes values of an annotated type, many at once; `_same` where JSON has that type already.

    Values of another shape stay as they are.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is str or arguments == (str, types.NoneType):
        # The same few texts recur in thousands of scores: each is kept once.
        return lambda xs: [sys.intern(x) if type(x) is str else x for x in xs]
    if origin in (Union, types.UnionType):
        options = [h for h in arguments if _maker(h) is not _same]

        def chosen(x: Any) -> Any:
            return next((shaped(x, h) for h in options if not any(mismatches(x, h, ""))), x)

        return (lambda xs: [*map(chosen, xs)]) if options else _same
    if _is_dataclass(hint):
        hints = {f.name: of for f, of in _typed(hint)}
        needed = {f.name for f in fields(hint) if not _optional(f)}
        positional = not any(f.kw_only for f in fields(hint))
        construct: Callable[..., Any] = hint

        def made(x: Any) -> Any:
            if not isinstance(x, dict) or not needed <= x.keys() <= hints.keys():
                return x
            return construct(**{name: shaped(part, hints[name]) for name, part in x.items()})

        def made_together(xs: Sequence[Any]) -> Sequence[Any]:
            whole = _types(xs) == {dict} and {*map(frozenset, xs)} == {frozenset(hints)}
            if not whole or not positional:
                return [*map(made, xs)]
            parts = (_maker(of)([*map(itemgetter(name), xs)]) for name, of in hints.items())
            return [*map(construct, *parts)]

        return made_together
    if origin is tuple and arguments[-1] is not ...:
        each = [_maker(h) for h in arguments]

        def fixed(xs: Sequence[Any]) -> Sequence[Any]:
            if _types(xs) != {list} or {*map(len, xs)} != {len(each)}:
                return xs
            parts = zip(each, zip(*xs, strict=True), strict=True)
            return [*zip(*(make(of) for make, of in parts), strict=True)]

        return fixed
    if origin in (list, tuple):
        make = _maker(arguments[0])

        def listed(xs: Sequence[Any]) -> Sequence[Any]:
            if _types(xs) != {list}:
                return xs
            items = iter(make([*chain.from_iterable(xs)]))
            return [origin(islice(items, len(x))) for x in xs]

        return listed
    if origin is dict and (make_items := _maker(arguments[1])) is not _same:

        def named(x: Any) -> Any:
            return dict(zip(x, make_items([*x.values()]), strict=True)) if type(x) is dict else x

        return lambda xs: [*map(named, xs)]
    return _same


def _same(xs: Sequence[Any]) -> Sequence[Any]:
    return xs


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
