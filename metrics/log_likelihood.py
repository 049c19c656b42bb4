"""Test log-likelihood by importance sampling, for models that have a density.

Burda, Grosse and Salakhutdinov, Importance weighted autoencoders, 2016,
https://arxiv.org/abs/1509.00519: log p(x) is estimated by log 1/K Σ p(x, z_k) / q(z_k | x), which
is too low in expectation, the less the larger K. Values depend on the likelihoods and their
scales, so only models of one protocol may be compared.
"""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from mmbench.core.data import Batch, Dataset
from mmbench.core.score import JOINT, Context, Generated, Metric, Score
from mmbench.seeds import stream

SAMPLES = 100
"""K."""
BLOCK = 100  # examples at a time; each block has a stream of its own


@runtime_checkable
class Density(Protocol):
    """A model that can estimate the density of complete examples."""

    def log_marginal(self, x: Batch, samples: int, noise: torch.Generator) -> Tensor:
        """Log p(x), (B,) in nats, by that many importance samples."""


def _compute(generated: Generated, dataset: Dataset, context: Context) -> Iterator[Score]:
    if generated.given:
        return  # one number a model
    rows, model = generated.rows, context.model
    if not isinstance(model, Density):
        reason = "this model has no density of examples to estimate"
        yield Score("log-likelihood", (), JOINT, None, len(rows), reason=reason)
        return
    if not len(rows):
        raise ValueError("log-likelihood has 0 test examples, expected at least 1")
    parts: list[Tensor] = []
    with context.progress.stage("log-likelihood", len(rows), unit="example") as bar:
        for i, block in enumerate(rows.split(BLOCK)):
            x = {m: v.to(context.device) for m, v in dataset.test.batch(block).items()}
            noise = stream(0, "log-likelihood", i, device=context.device)
            with torch.no_grad():
                found = model.log_marginal(x, SAMPLES, noise)
            if found.shape != block.shape or found.is_complex():
                what = f"{found.dtype} of shape {tuple(found.shape)} for {len(block)} examples"
                raise ValueError(f"log_marginal returned {what}, expected real numbers (B,)")
            parts.append(found.detach().double().cpu())
            bar.update(bar.done + len(block))
    values = torch.cat(parts)
    bad = (~values.isfinite()).nonzero()
    if len(bad):
        which = f"{len(bad)} of {len(rows)} test examples is not finite"
        first = f"the first of them in row {int(bad[0])}: {float(values[bad[0]])}"
        reason = f"log p(x) of {which}, {first}, expected finite numbers"
        yield Score("log-likelihood", (), JOINT, None, len(rows), reason=reason)
        return
    value, how = float(values.mean()), f"{SAMPLES} importance samples"
    yield Score("log-likelihood", (), JOINT, value, len(rows), how)


log_likelihood = Metric(
    name="log-likelihood",
    title="log p(x)",
    better="higher",
    unit="nats",
    paper="Burda, Grosse and Salakhutdinov, Importance weighted autoencoders, 2016, "
    "https://arxiv.org/abs/1509.00519",
    compute=_compute,
    version=2,
)
