"""A metric: the energy distance between samples and test examples."""

from collections.abc import Iterator

import torch

from mmbench.core import Context, Dataset, Generated, Metric, Score


def compute(generated: Generated, dataset: Dataset, context: Context) -> Iterator[Score]:
    """Scores each target that is not given: 2 E|x - y| - E|x - x'| - E|y - y'|."""
    for m in (m for m in generated.samples if m not in generated.given):
        x = generated.samples[m].double().flatten(1).cpu()
        y = dataset.test.batch(generated.rows, [m])[m].double().flatten(1).cpu()
        value = 2 * torch.cdist(x, y).mean() - torch.cdist(x, x).mean() - torch.cdist(y, y).mean()
        yield Score("energy-distance", generated.given, m, float(value), len(x))


energy_distance = Metric(
    name="energy-distance",
    title="Energy distance",
    better="lower",
    unit="",
    paper="Székely, Rizzo: Energy statistics, 2013, https://doi.org/10.1016/j.jspi.2013.03.018",
    compute=compute,
    low=0.0,
)
