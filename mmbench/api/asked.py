"""Arguments as people write them in Python, for functions that take what a command line has."""

import operator
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mmbench.core.data import Dataset
from mmbench.errors import first_line, seen
from mmbench.files.toml import written

Array = Tensor | NDArray[Any]
"""Values, on any device."""

Settings = Mapping[str, object] | Iterable[str]
"""Overrides of a protocol: {"models.mld.score.epochs": 10}, or texts "KEY=VALUE"."""

Metrics = str | Iterable[str] | Mapping[str, object]
"""A metric's name, several, or {"fid": [0, 1]} with numbers of given modalities, or "all"."""

Weights = Mapping[str, str | Path]
"""Registered extractor -> file of its weights."""


def lines(settings: Settings, metrics: Metrics | None = None) -> list[str]:
    """Overrides of a protocol as the command line has them, "KEY=VALUE".

    Raises:
        ValueError: The settings are no overrides, or the metrics no names.
    """
    if isinstance(settings, Mapping):
        settings = [f"{key}={written(_simple(value, key))}" for key, value in settings.items()]
    expected = 'expected a dictionary, or a list such as ["KEY=VALUE"]'
    found = texts("settings", settings, expected)
    if metrics is not None:
        named = [metrics] if isinstance(metrics, str) else metrics
        names = texts("metrics", named, "expected names of metrics")
        asked = metrics if isinstance(metrics, Mapping) else dict.fromkeys(names, "all")
        found.append(f"evaluation.metrics={written(_simple(asked, 'metrics'))}")
    return found


def texts(name: str, value: object, expected: str) -> list[str]:
    """Several texts.

    Args:
        name: The argument's, for messages.
        value: What the user gave for it.
        expected: How the sentence about another value ends.

    Raises:
        ValueError: It is one text, which would be read letter by letter, or not texts.
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(f"{name} is {seen(value)}, {expected}")
    found = list(value)
    for x in found:
        if not isinstance(x, str):
            raise ValueError(f"{name} has the item {seen(x)}, {expected}")
    return found


def _simple(value: object, name: str) -> object:
    """Numbers of numpy and torch as Python's, what holds several as a list, a path as text.

    Raises:
        ValueError: There is a None, which no protocol has; `name` is for the message.
    """
    if value is None:
        raise ValueError(f"{name} is None, expected a value, or no such setting")
    if isinstance(value, Mapping):
        return {key: _simple(x, f"{name}.{key}") for key, x in value.items()}
    if isinstance(value, np.generic | np.ndarray | Tensor):
        return value.tolist()
    if isinstance(value, list | tuple | range | set | frozenset):
        several = sorted(value, key=_order) if isinstance(value, set | frozenset) else value
        return [_simple(x, name) for x in several]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _order(x: Any) -> tuple[bool, Any]:
    """Numbers before texts, which cannot be compared."""
    return isinstance(x, str), x


def assignments(weights: Weights | None) -> list[str]:
    """Files of weights as the command line has them, "NAME=FILE".

    Raises:
        ValueError: They are no dictionary.
    """
    if not isinstance(weights, Mapping | None):
        expected = 'expected a dictionary of extractor -> file, such as {"inception": "FILE"}'
        raise ValueError(f"weights is {seen(weights)}, {expected}")
    return [f"{name}={file}" for name, file in (weights or {}).items()]


def model(name: object) -> str:
    """The name of a model.

    Raises:
        ValueError: It is no text.
    """
    if isinstance(name, str):
        return name
    expected = 'expected a registered name, "module:class" or "file.py:class"'
    raise ValueError(f"model is {seen(name)}, {expected}")


def dataset(data: object) -> Dataset | str:
    """A data set, or the name that stands for one.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, str | os.PathLike):
        return os.fspath(data)
    expected = "expected a mmbench.core.Dataset, or the name of one"
    raise ValueError(f"data is {seen(data)}, {expected}")


def count(name: str, value: object, least: int) -> int:
    """A whole number, at least the smallest one allowed.

    Raises:
        ValueError: It is another value.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if number < least:
        raise ValueError(f"{name} is {seen(value)}, expected a whole number of at least {least}")
    return number


def array(value: object, title: str) -> NDArray[Any]:
    """The values of a tensor, an array, or what numpy makes one of; `title` is for messages.

    Raises:
        ValueError: Numpy makes none of it.
    """
    if isinstance(value, Tensor):
        x = value.detach().cpu()
        return (x.float() if x.is_floating_point() else x).numpy()  # numpy has no bfloat16
    try:
        return np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{title} cannot be read as numbers ({first_line(error)})") from None
