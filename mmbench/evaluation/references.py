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

from collections.abc import Iterable
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

from mmbench.core.data import Dataset
from mmbench.core.score import Context, Generated, Metric, Score
from mmbench.files.sealed import Damaged, read_json, recalled, write_json
from mmbench.progress import Progress
from mmbench.protocols.code import code
from mmbench.protocols.protocol import digest
from mmbench.registry import place
from mmbench.seeds import stream

FORMAT = 1
"""Rises when references are computed differently, so that older ones in a cache are not used."""


def references(
    metric: Metric, scores: Iterable[Score], dataset: Dataset, rows: Tensor, context: Context
) -> list[Score]:
    """What real examples score by a metric, given nothing.

    Args:
        metric: The metric. Without a value among the scores it has no reference, nor has one that
            compares samples with test examples where no training example is complete.
        scores: The scores of a model.
        dataset: Their data set.
        rows: (N,) the test examples that were scored.
        context: What metrics may use.

    Raises:
        FileNotFoundError, ValueError: Weights of the metric's network cannot be used.
        OSError: The cache cannot be written to.
    """
    measured = {
        (s.target, s.extractor or "")
        for s in scores
        if s.metric == metric.name and s.value is not None and s.target not in s.given
    }
    if not measured:
        return []
    progress = Progress(context.progress.out, "real examples as samples")
    context = replace(context, model=None, progress=progress)
    own = code([place("metrics", metric.name)])
    numbers = [FORMAT, version("mmbench"), metric.name, metric.version]
    data = [dataset.content(), dataset.description, rows.tolist()]
    key = digest([*numbers, *data, sorted(measured), *own.values()])
    path = context.cache / "references" / f"{key}.json"
    compute = partial(_compute, metric, dataset, rows, context)
    known: list[Score] = recalled(path, _read, compute, _write, context.progress.say)
    return known


def _compute(metric: Metric, dataset: Dataset, rows: Tensor, context: Context) -> list[Score]:
    names = [m.name for m in dataset.modalities]
    if metric.reference == "train":
        chosen = examples(dataset, len(rows))
        stand_ins = [Generated((), dataset.train.batch(chosen), rows)] if len(chosen) else []
    else:
        real = dataset.test.batch(rows)
        alone = [Generated((m,), {m: real[m]}, rows) for m in names]
        stand_ins = [Generated((), real, rows), *alone]
    scores: dict[str, Score] = {}
    for one in stand_ins:
        for s in metric.compute(one, dataset, context):
            if s.value is not None and s.target not in scores:
                scores[s.target] = replace(s, given=())
    return list(scores.values())


def examples(dataset: Dataset, n: int) -> Tensor:
    """The training examples that stand for samples: n of the complete ones, or all of them."""
    rows = dataset.train.complete().cpu()
    order = torch.randperm(len(rows), generator=stream(0, "references"))
    return rows[order[:n]].sort().values


def _read(path: Path) -> list[Score]:
    found = read_json(path)
    try:
        scores = list(map(Score.of, found))
    except (AttributeError, LookupError, TypeError, ValueError):
        raise Damaged(f"{path} does not hold references") from None
    if any(s.value is None for s in scores):
        raise Damaged(f"{path} holds a reference without a value")
    return scores


def _write(path: Path, scores: list[Score]) -> None:
    write_json(path, [asdict(s) for s in scores])
