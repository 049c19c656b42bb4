"""F1 of generated attributes and masks against those of the example conditioned on.

Wesego and Rooshenas, "Score-based multimodal autoencoder", 2024, https://arxiv.org/abs/2305.15708,
and "Multimodal ELBO with diffusion decoders", 2024, https://arxiv.org/abs/2408.16883, table 3:
2·TP / (2·TP + FP + FN) of each sample over its attributes or pixels, averaged over samples
(scikit-learn's `f1_score(average="samples")`). An attribute or a pixel is there where its value is
above 0.5, in the sample and in the example alike. Where both are empty they agree, which counts as
1 (scikit-learn's `zero_division=1`).

Joint samples have no example that they should agree with, and no F1.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from mmbench.core.data import Dataset
from mmbench.core.score import Context, Generated, Metric, Score
from mmbench.metrics.statistics.bootstrap import bootstrap
from mmbench.metrics.statistics.samples import check, require_each, require_unit

THRESHOLD = 0.5
BLOCK = 1024  # samples at a time


def f1_score(samples: Tensor, truth: Tensor) -> float:
    """The F1 of each sample, averaged; from 0 to 1, and the same with the arguments exchanged.

    Args:
        samples: (N, ...), probabilities in [0, 1] or bool.
        truth: (N, ...), of the same shape.

    Raises:
        ValueError: There are no samples, the shapes differ, or a value is outside [0, 1].
    """
    return float(each_f1(samples, truth).mean())


def each_f1(samples: Tensor, truth: Tensor) -> Tensor:
    """The F1 of each sample: (N,), float64, of arguments as `f1_score` takes them.

    Raises:
        ValueError: As `f1_score`.
    """
    if samples.shape != truth.shape or samples.ndim < 2 or 0 in samples.shape:
        shapes = f"{tuple(samples.shape)} cannot be compared with {tuple(truth.shape)}"
        raise ValueError(f"samples of shape {shapes}, expected (N, ...) twice")
    parts = []
    for x, y in zip(samples.split(BLOCK), truth.split(BLOCK), strict=True):
        there = []
        for title, values in (("samples", x), ("truth", y)):
            require_unit(values, title)
            there.append((values > THRESHOLD).flatten(1).to(x.device))
        a, b = there
        both, either = 2 * (a & b).sum(1).double(), (a.sum(1) + b.sum(1)).double()
        parts.append(torch.where(either > 0, both / either, 1).cpu())
    return torch.cat(parts)


def _compute(generated: Generated, dataset: Dataset, context: Context) -> Iterator[Score]:
    given, rows = generated.given, generated.rows
    if not given:
        return
    for m, samples in generated.samples.items():
        modality = dataset.modality(m)
        if modality.kind not in ("attributes", "mask"):
            continue
        check(samples, modality)
        require_each(samples, rows, f"samples of {m}")
        parts = []
        for x, block in zip(samples.split(BLOCK), rows.split(BLOCK), strict=True):
            # An unbounded likelihood may overshoot; clamping leaves each on its side of 0.5.
            parts.append(each_f1(x.float().clamp(0, 1), dataset.test.batch(block, [m])[m]))
        values = torch.cat(parts)
        low, high = bootstrap(values)
        yield Score("f1", given, m, float(values.mean()), len(values), low=low, high=high)


f1 = Metric(
    name="f1",
    title="F1",
    better="higher",
    unit="",
    paper="Wesego and Rooshenas, Score-based multimodal autoencoder, 2024, "
    "https://arxiv.org/abs/2305.15708",
    low=0.0,
    high=1.0,
    compute=_compute,
)
