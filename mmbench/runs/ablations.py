"""Ablations: a run for each value of one setting, everything else alike.

Those of the papers, and those that the papers leave open, by name. Stages of training that do not
depend on the setting are trained once (`mmbench.training.trainer`), and so are models where only
the evaluation changes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmbench.protocols.protocol import Table, has_sampler, of_model
from mmbench.records.differences import in_words
from mmbench.registry import nearest


@dataclass(frozen=True)
class Ablation:
    """One setting and the values that it takes.

    Attributes:
        name: As on the command line.
        key: In a resolved protocol, e.g. "model.d".
        values: What it is set to, one after the other.
        about: What it asks, with its source.
    """

    name: str
    key: str
    values: tuple[Any, ...]
    about: str

    def protocols(self, protocol: Table, model: str) -> list[Table]:
        """The protocol with each of the values.

        Raises:
            LookupError: The protocol has no table for the model.
            ValueError: The protocol has no such table on the way to the setting, or the model
                does not use it.
        """
        if self.key.startswith(SAMPLER) and not has_sampler(model):
            raise ValueError(f"{model} has no sampler, so {self.key} changes nothing: expected a "
                             "model that has one")  # fmt: skip
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


def _repaint(steps: int, resamplings: int, below: float = 1.0, **other: str) -> Table:
    return {"name": "repaint", "steps": steps, "resamplings": resamplings, "jump": 1,
            "below": below} | other  # fmt: skip


SAMPLER = "evaluation.sampler"

PAPERS_REPAINT = {"name": "repaint", "steps": 250, "resamplings": 10, "jump": 10}

_LONG = "Bounoua et al., Multi-modal Latent Diffusion, 2023"

ABLATIONS = {
    a.name: a
    for a in (
        Ablation("d", "model.d", tuple(i / 10 for i in range(1, 10)),
                 f"how often all modalities are diffused; {_LONG}, figure 11"),
        Ablation("sampler", SAMPLER,
                 (PAPERS_REPAINT, _repaint(20, 10, 0.2, grid="quadratic"),
                  _repaint(18, 6, grid="quadratic"), _repaint(12, 8, grid="quadratic"),
                  _repaint(8, 8, grid="quadratic"), _repaint(25, 18, 0.2),
                  _repaint(25, 10, 0.2, step="ancestral"), {"name": "euler", "steps": 250},
                  {"name": "ancestral", "steps": 50}, {"name": "ancestral", "steps": 100},
                  {"name": "exponential", "steps": 25},
                  {"name": "exponential", "steps": 50, "noise": False},
                  {"name": "predictor-corrector", "steps": 25, "corrections": 4, "snr": 0.5,
                   "below": 0.5, "step": "ancestral", "grid": "quadratic"}),
                 "what a sampler's evaluations buy; the first is the papers' (long A.5)"),
        Ablation("steps", SAMPLER,
                 tuple({"name": "ancestral", "steps": n} for n in (5, 10, 25, 50, 100, 250)),
                 "how many steps the ancestral sampler needs"),
        Ablation("statistics", "model.statistics", ("all", "batch"),
                 f"whose mean and deviation standardise the latents; {_LONG}, A.1: one batch"),
        Ablation("masks", "model.masks", ("example", "batch"),
                 f"whether each example has a mask of its own; {_LONG}, Algorithm 2 has one a "
                 "batch"),
    )
}  # fmt: skip


def find(name: str, values: Sequence[Any] = ()) -> Ablation:
    """An ablation by its name, or of any key of a resolved protocol with values of one's own.

    Args:
        name: A name, or a key such as "model.score.epochs".
        values: Instead of the ablation's own.

    Raises:
        LookupError: There is no such ablation, and no values or no key.
        ValueError: A value is there twice, or several are tables and no samplers.
    """
    known = ABLATIONS.get(name)
    words = [in_words(v) for v in values]
    for word in words:
        if words.count(word) > 1:
            raise ValueError(f"the values have {word} more than once")
    key = name if known is None else known.key
    for v in values:
        if isinstance(v, dict) and len(values) > 1 and key != SAMPLER:
            raise ValueError(f"{in_words(v)} of {key} is a table, which has no place on an axis: "
                             f"expected a setting in it, such as {key}.{next(iter(v), 'NAME')}"
                             )  # fmt: skip
    if known is not None:
        return Ablation(name, known.key, tuple(values), known.about) if values else known
    if name.split(".")[0] in ("model", "evaluation") and "." in name:
        if values:
            return Ablation(name, name, tuple(values), "a setting of one's own")
        raise LookupError(f"the ablation of {name} needs values, e.g. --values '[1, 2]'")
    if name.count(".") > 1 and name.startswith("models."):  # as settings are called
        raise LookupError(f"no ablation is called {name!r}: for the model that --model names it "
                          f"is model.{name.split('.', 2)[2]}")  # fmt: skip
    raise LookupError(f"no ablation is called {name!r}{nearest(name, ABLATIONS)}; or a setting "
                      "such as model.width")  # fmt: skip
