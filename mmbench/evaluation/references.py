"""The scores of real examples: the bound that a perfect model would reach.

- A metric that compares samples with the test examples (FID, FMD, ...) scores as many training
  examples, drawn at random, against the test examples. A model that has learnt the distribution
  comes closer only by chance.
- A metric that judges samples by themselves (coherence) scores the test examples, because its
  networks have seen the training examples: jointly, and each modality as its own reconstruction.

The other bound, the model's autoencoder, is among its scores: the reconstruction of what is given.

References are the same for all models. Each is computed once for a data set, the test examples
that are scored and the evaluation networks, and then kept in the cache.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

from mmbench.core.data import Dataset
from mmbench.core.score import Context, Generated, Metric, Score
from mmbench.files.atomic import keep_text
from mmbench.protocols.code import code
from mmbench.protocols.protocol import digest
from mmbench.registry import place
from mmbench.seeds import stream

FORMAT = 1
"""Rises when references are computed differently, so that older ones in a cache are not used."""


def references(
    metrics: Iterable[Metric],
    scores: Iterable[Score],
    dataset: Dataset,
    rows: Tensor,
    context: Context,
) -> tuple[Score, ...]:
    """The references of a model's scores: for each metric those with a value, given nothing.

    A metric without a value among the scores has no reference. `rows` (N,) are the test examples
    that were scored.
    """
    measured: dict[str, set[tuple[str, str]]] = {}
    for s in scores:
        if s.value is not None and s.target not in s.given:
            measured.setdefault(s.metric, set()).add((s.target, s.extractor or ""))
    context = replace(context, model=None)
    found: list[Score] = []
    for metric in metrics:
        if metric.name not in measured:
            continue
        own = code([place("metrics", metric.name)])
        numbers = [FORMAT, version("mmbench"), metric.name, metric.version]
        through = sorted(measured[metric.name])
        key = digest([*numbers, dataset.fingerprint(), rows.tolist(), through, *own.values()])
        path = context.cache / "references" / f"{key}.json"
        known = _read(path)
        if known is None:
            known = list(_compute(metric, dataset, rows, context))
            keep_text(path, json.dumps([asdict(s) for s in known]))
        found += known
    return tuple(found)


def _compute(metric: Metric, dataset: Dataset, rows: Tensor, context: Context) -> Iterator[Score]:
    names = [m.name for m in dataset.modalities]
    if metric.reference == "train":
        real = dataset.train.batch(examples(dataset, len(rows)))
        stand_ins = [Generated((), real, rows)]
    else:
        real = dataset.test.batch(rows)
        alone = [Generated((m,), {m: real[m]}, rows) for m in names]
        stand_ins = [Generated((), real, rows), *alone]
    seen: set[str] = set()
    for one in stand_ins:
        for s in metric.compute(one, dataset, context):
            if s.value is not None and s.target not in seen:
                seen.add(s.target)
                yield replace(s, given=())


def examples(dataset: Dataset, n: int) -> Tensor:
    """The training examples that stand for samples: n of the complete ones, or all of them."""
    complete = torch.ones(len(dataset.train), dtype=torch.bool)
    for m in dataset.train.incomplete:
        complete &= dataset.train.present(m).cpu()
    rows = complete.nonzero().flatten()
    order = torch.randperm(len(rows), generator=stream(0, "references"))
    return rows[order[:n]].sort().values


def _read(path: Path) -> list[Score] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return list(map(Score.of, found))
    except (OSError, ValueError, TypeError, KeyError):
        return None
