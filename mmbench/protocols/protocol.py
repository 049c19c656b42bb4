"""Protocols: the settings of a paper's appendix, one TOML file per data set and paper.

A protocol has three tables: `modalities` (network and likelihood of each), `models` (the
hyper-parameters of each method, which are constructor arguments) and `evaluation`. A run uses its
own part, with overrides applied; that part is stored in the record and hashed, and rows with
different hashes never share a mean.

A fourth table, `samplers`, may name samplers that can replace the one in `evaluation`.

A model's table may begin with another's: `like = "mld"` takes all settings of mld, `without =
["d"]` drops some of them, and the table's own settings come last. Overrides of mld's table reach
the tables that are like it.
"""

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields, is_dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from mmbench.declarations import declared
from mmbench.files.toml import read_toml
from mmbench.protocols import overrides, shipped
from mmbench.protocols.code import code
from mmbench.protocols.overrides import TABLES, elsewhere, laid_over
from mmbench.protocols.overrides import Table as Table
from mmbench.protocols.overrides import override as override
from mmbench.protocols.shipped import PAPERS, SAMPLERS
from mmbench.registry import called, names, nearest, place
from mmbench.registry import expect as registered

WHOLE = "whole"
"""What a protocol's file says to stand alone, and not to be laid over the data set's own."""

CODE, METRIC_CODE = "code", "evaluation_code"
"""Further keys of a run's part of a protocol that names a user's code (`with_code`)."""
TRAINED_CODE = "trained_code"
"""The code that trained the weights, where `CODE` is another that draws from them."""


def load(
    dataset: str,
    which: str | Path | None = None,
    settings: Sequence[str] = (),
    model: str = "",
    sampler: str | None = None,
    kinds: Collection[str] = (),
) -> Table:
    """The protocol of a data set, or another one, with overrides applied.

    A file is laid over the data set's own (`laid_over`), unless it says `whole = true`.

    A data set without a protocol of its own gets the default one, which chooses networks by kind
    and shape. A model that a paper's protocol does not set is run by the data set's own: the paper
    quotes its results.

    Args:
        dataset: Its name.
        which: The protocol to use instead of the data set's own: a file, or the name of a paper,
            or "compact".
        settings: As for `override`. One for a model's table reaches the tables that are like it,
            unless they set or drop that key themselves.
        model: The model to run; one from elsewhere gets an empty table if it has none.
        sampler: One of the protocol's samplers by name, or any sampler with its own defaults,
            instead of the one in `evaluation`.
        kinds: The names of samplers that the model knows; by default any name may be one.

    Raises:
        FileNotFoundError: There is no such file, and no protocol of that name.
        ValueError: It is not TOML or does not have a protocol's tables, a setting does not fit, or
            there is no such sampler.
    """
    protocol, name = _read(dataset, which)
    samplers = protocol.pop(SAMPLERS, {})
    if sampler is not None:
        if kinds and sampler not in (*samplers, *kinds):
            near = nearest(sampler, [*samplers, *kinds])
            raise ValueError(f"no sampler of this protocol is called {sampler!r}{near}")
        protocol["evaluation"]["sampler"] = samplers.get(sampler, {"name": sampler})
        settings = [s for s in settings if s.partition("=")[0].strip() != "evaluation.sampler"]
    if elsewhere(model):
        protocol["models"].setdefault(model, {})
    elif str(which) in PAPERS and model and model not in protocol["models"]:
        return load(dataset, None, settings, model, sampler, kinds)
    like = [m for m, t in protocol["models"].items() if isinstance(t, dict) and "like" in t]
    last = [s for s in settings if s.strip().startswith(tuple(f"models.{m}." for m in like))]
    protocol = override(protocol, [s for s in settings if s not in last], model)
    models = protocol["models"]
    protocol |= {"models": {m: _whole(models, m, name) for m in models}}
    return overridden(protocol, last, model)


def _read(dataset: str, which: str | Path | None) -> tuple[Table, str]:
    """A protocol as it is in its file, laid over the data set's own, and the file's name."""
    which = which if which is None else str(which)  # a paper's name may come as a path
    known = shipped.named(dataset)
    own = shipped.own(dataset)
    if which is None:
        file: Path | Traversable = own
    elif which in known:
        file = known[which]
    else:
        file, folder = Path(which), os.path.isdir(which)
        if folder or not os.path.exists(which):  # "" does not; it may be a pipe
            missing = f"{which} is a folder" if folder else f"there is no protocol {which!r}"
            others = f"; {dataset} has {' and '.join(known)}" if known else ""
            raise FileNotFoundError(f"{missing}, expected a file{others}")
    protocol, name = read_toml(file), file.name if which is None else which
    whole = protocol.pop(WHOLE, which is None or which in known)
    if not isinstance(whole, bool):
        raise ValueError(f"{name}: {WHOLE} is {whole!r}, expected true or false")
    for key, table in protocol.items():
        if key not in (*TABLES, SAMPLERS):
            raise ValueError(f"{name} has a table {key!r}{nearest(key, (*TABLES, SAMPLERS))}")
        if not isinstance(table, dict):
            raise ValueError(f"{name}: {key} is {table!r}, expected a table")
    for key in TABLES if whole else ():
        if key not in protocol:
            raise ValueError(f"{name} has no table {key!r}")
    if not whole:
        protocol = laid_over(read_toml(own), protocol, name)
    return protocol, name


def concerning(
    dataset: str, which: str | Path | None, settings: Sequence[str], model: str
) -> list[str]:
    """The settings for `load` that are of no other model than one, such as those of a sweep.

    Raises:
        FileNotFoundError, ValueError: As `load`.
    """
    models = _read(dataset, which)[0]["models"]
    if model not in models and str(which) in PAPERS:
        models = _read(dataset, None)[0]["models"]
    return overrides.concerning(models, settings, model)


def expect(dataset: str, which: str | None, settings: Sequence[str], model: str) -> None:
    """Refuses what is wrong with a protocol before any library is imported.

    It looks at registered models and data sets alone: what others set needs their code.

    Raises:
        FileNotFoundError, LookupError, ValueError: As `load`; or there is no such metric.
    """
    if model in names("models") and dataset in names("datasets"):
        protocol = load(dataset, which, settings, model)
        of_model(protocol, model)
        metrics = protocol["evaluation"].get("metrics")
        for name in metrics if isinstance(metrics, dict) else ():
            registered("metrics", name)


def overridden(protocol: Table, settings: Sequence[str], model: str = "") -> Table:
    """As `override`; metrics and networks have the names of `mmbench.registry.called`.

    Raises:
        ValueError: As `override`.
        LookupError, FileNotFoundError: As `mmbench.registry.called`.
    """
    protocol = override(protocol, settings, model)
    tables, evaluation = dict(protocol["modalities"]), dict(protocol["evaluation"])
    for m, table in tables.items():
        if isinstance(table, dict) and isinstance(table.get("network"), str):
            tables[m] = {**table, "network": called(table["network"])}
    for key in ("metrics", "samples"):
        if isinstance(evaluation.get(key), dict):
            evaluation[key] = {called(name): k for name, k in evaluation[key].items()}
    return {**protocol, "modalities": tables, "evaluation": evaluation}


def _whole(models: Table, model: str, file: str) -> Any:
    """A model's table with the settings that it takes from another's."""
    table = models[model]
    if not isinstance(table, dict) or not table.keys() & {"like", "without"}:
        return table
    own = dict(table)
    like, without = own.pop("like", None), own.pop("without", [])
    base = models.get(like) if isinstance(like, str) else None
    if isinstance(like, str) and like in models and not isinstance(base, dict):
        raise ValueError(f"models.{like} is {base!r}, expected a table")
    if not isinstance(base, dict) or "like" in base:
        known = [m for m, t in models.items() if isinstance(t, dict) and "like" not in t]
        raise ValueError(f"{file}: models.{model} is like {like!r}{nearest(str(like), known)}")
    for key in without if isinstance(without, list) else [without]:
        if not isinstance(key, str) or key not in base:
            raise ValueError(f"{file}: models.{model} is without {key!r}{nearest(str(key), base)}")
    return {k: v for k, v in base.items() if k not in without} | own


def of_model(protocol: Table, model: str) -> Table:
    """A model's table; empty for a model from elsewhere that has none and uses its defaults.

    Raises:
        LookupError: The protocol has no table for the model.
        ValueError: It has another value under the model's name.
    """
    known = protocol["models"]
    if model not in known and not elsewhere(model):
        own = "; one of your own may have it" if model in names("models") else ""
        near = nearest(model, known)
        raise LookupError(f"this protocol has no table models.{model}{near}{own}")
    found: Table = known.get(model, {})
    if not isinstance(found, dict):
        raise ValueError(f"models.{model} is {found!r}, expected a table")
    return found


def resolve(protocol: Table, model: str) -> Table:
    """The part of a protocol that one model uses, with the model's table under "model".

    The sampler is part of it only where the model has one. The model's name is not: models with
    equal settings have equal hashes, and a record names its model beside the hash.

    Raises:
        LookupError: There is no such model, or the protocol has no table for it.
    """
    evaluation = dict(protocol["evaluation"])
    if not has_sampler(model):
        evaluation.pop("sampler", None)
    table = of_model(protocol, model)
    return {"modalities": protocol["modalities"], "model": table, "evaluation": evaluation}


def part(protocol: Table, model: str) -> Table:
    """The part of a protocol that one model uses, as a file that stands alone for `load`.

    Raises:
        LookupError: There is no such model, or the protocol has no table for it.
    """
    own = resolve(protocol, model)
    return {
        WHOLE: True,
        "modalities": own["modalities"],
        "models": {model: own["model"]},
        "evaluation": own["evaluation"],
    }


def with_code(settings: Table, model: str = "", modalities: Iterable[Table] = ()) -> Table:
    """A part of a protocol with the hashes of the user's code that it names, if any.

    `CODE` holds those of the model and the networks, `METRIC_CODE` those of the metrics.

    Args:
        settings: The part.
        model: The model's name.
        modalities: The tables of its modalities, each with a network's name.

    Raises:
        LookupError: There is no such module or object.
    """
    named = (t.get("network") for t in modalities if isinstance(t, dict))
    networks = [place("networks", n) for n in named if isinstance(n, str)]
    metrics = settings["evaluation"].get("metrics")
    judges = [place("metrics", m) for m in metrics] if isinstance(metrics, dict) else []
    found = {CODE: code([place("models", model), *networks]), METRIC_CODE: code(judges)}
    return settings | {name: of for name, of in found.items() if of}


def has_sampler(model: str) -> bool:
    """Whether a model, by its name or "module:class", uses the protocol's `evaluation.sampler`.

    Raises:
        LookupError: There is no such model.
    """
    return bool(declared("models", model, "has_sampler").get("has_sampler"))


def digest(value: object, digits: int = 16) -> str:
    """The first hex digits of the sha256 of a value's canonical JSON.

    A dataclass counts as the JSON object of its fields that take part in comparisons.

    Raises:
        TypeError, ValueError: JSON cannot represent the value, such as infinity.
    """
    canonical = json.JSONEncoder(
        sort_keys=True, separators=(",", ":"), default=_fields, allow_nan=False
    )
    return hashlib.sha256(canonical.encode(value).encode()).hexdigest()[:digits]


def _fields(value: object) -> Table:
    if not is_dataclass(value):
        raise TypeError(f"{value!r} is neither plain JSON nor a dataclass")
    return {f.name: getattr(value, f.name) for f in fields(value) if f.compare}
