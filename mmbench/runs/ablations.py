"""Ablations: a run for each value of one setting, everything else alike.

`ablations.toml` names those of the papers, and some that the papers leave open. Stages of training
that do not depend on the setting are trained once (`mmbench.training.trainer`), and so are models
where only the evaluation changes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from mmbench.files.toml import read_toml
from mmbench.protocols.protocol import Table, has_sampler, of_model
from mmbench.records.differences import in_words
from mmbench.registry import nearest

SAMPLER = "evaluation.sampler"


@dataclass(frozen=True)
class Ablation:
    """A setting of a resolved protocol, such as "model.d", its values, and the question asked."""

    name: str
    key: str
    values: tuple[Any, ...]
    about: str

    def protocols(self, protocol: Table, model: str) -> list[Table]:
        """The protocol with each of the values.

        Raises:
            LookupError: The protocol has no table for the model.
            ValueError: The protocol has no table that the setting could be in, or the model does
                not use the setting.
        """
        if self.key.startswith(SAMPLER) and not has_sampler(model):
            raise ValueError(f"{model} has no sampler, so {self.key} changes nothing")
        made = []
        for value in self.values:
            changed: Table = json.loads(json.dumps(protocol))
            changed["models"][model] = of_model(changed, model)
            first, *path, last = self.key.split(".")
            table = changed["models"][model] if first == "model" else changed[first]
            for step in path:
                if not isinstance(table.get(step), dict):
                    raise ValueError(f"{self.key} has no table {step!r}{nearest(step, table)}")
                table = table[step]
            table[last] = value
            made.append(changed)
        return made


@cache
def named() -> dict[str, Ablation]:
    """Name -> ablation, for all that have one."""
    shipped = read_toml(files("mmbench") / "runs" / "ablations.toml")
    return {
        name: Ablation(name, table["key"], tuple(table["values"]), table["about"])
        for name, table in shipped.items()
    }


def find(name: str, values: Sequence[Any] = ()) -> Ablation:
    """An ablation by its name, or by a key such as "model.score.epochs" with the user's values.

    Raises:
        LookupError: There is no such ablation, or a key comes without values.
        ValueError: A value occurs twice, or several are tables that are not samplers.
    """
    known = named().get(name)
    words = [in_words(v) for v in values]
    for word in words:
        if words.count(word) > 1:
            raise ValueError(f"the values have {word} more than once")
    key = name if known is None else known.key
    for v in values:
        if isinstance(v, dict) and len(values) > 1 and key != SAMPLER:
            inner = f"{key}.{next(iter(v), 'NAME')}"
            raise ValueError(f"{key} is a table, expected one setting in it such as {inner}")
    if known is not None:
        return Ablation(name, known.key, tuple(values), known.about) if values else known
    if name.startswith(("model.", "evaluation.")):
        if values:
            return Ablation(name, name, tuple(values), "the user's setting")
        raise LookupError(f"the ablation of {name} needs values, e.g. --values '[1, 2]'")
    if name.count(".") > 1 and name.startswith("models."):  # the key in --set
        own = f"for the model that --model names, give model.{name.split('.', 2)[2]}"
        raise LookupError(f"no ablation is called {name!r}: {own}")
    near = nearest(name, named())
    raise LookupError(f"no ablation is called {name!r}{near}; or give a setting: model.{name}")
