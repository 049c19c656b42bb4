"""FMD, the Fréchet modality distance: as FID, on the features of a modality's own classifier.

Bounoua, Franzese and Michiardi, "Multi-modal latent diffusion", 2024,
https://doi.org/10.3390/e26040320, appendix C.2.2, report it for MNIST and for MHD's images and
trajectories. Here every modality with a classifier has one; for RGB images and for sound that is
an addition to the paper, which reports FID and FAD there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from torch import Tensor

from mmbench.core import Context, Dataset, Generated, Metric, Score
from mmbench.metrics.classifiers import Classifier, classifier
from mmbench.metrics.frechet import Statistics, frechet_distance, recall


def _compute(generated: Generated, dataset: Dataset, context: Context) -> Iterator[Score]:
    if dataset.test.labels is None or dataset.train.labels is None:
        return
    for m, samples in generated.samples.items():
        judge = classifier(dataset, m, context)
        real = _real(judge, dataset, generated.rows, context)
        value = frechet_distance(Statistics.of(judge.features(samples)), real)
        yield Score("fmd", generated.given, m, value, len(samples), judge.identity)


def _real(judge: Classifier, dataset: Dataset, rows: Tensor, context: Context) -> Statistics:
    m = judge.modality.name
    key = real_key(dataset, m, rows, judge.identity)
    return recall(
        context.cache / "features" / f"{key}.safetensors",
        lambda: Statistics.of(judge.features(dataset.test.batch(rows, [m])[m])),
    )


def real_key(dataset: Dataset, name: str, rows: Tensor, extractor: str) -> str:
    """Names the features of some test examples by content: data, rows and network."""
    chosen = hashlib.sha256(rows.cpu().long().contiguous().numpy().tobytes()).hexdigest()
    parts = (dataset.test.fingerprint([name]), name, chosen, extractor)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


fmd = Metric(
    name="fmd",
    title="FMD",
    better="lower",
    unit="",
    paper="Bounoua, Franzese and Michiardi, Multi-modal latent diffusion, 2024, "
    "https://doi.org/10.3390/e26040320",
    compute=_compute,
)
