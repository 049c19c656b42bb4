"""How evenly generated samples spread over the classes.

The entropy of the classes that a classifier predicts, H = −Σ p_c log p_c with p_c the share of
samples of class c: the log of the number of classes where all are equally frequent, 0 where there
is only one. A model can be coherent and still lose classes, which Fréchet distances do not tell
apart from poor samples. It is the marginal half of the inception score: Salimans, Goodfellow,
Zaremba, Cheung, Radford and Chen, "Improved techniques for training GANs", 2016,
https://arxiv.org/abs/1606.03498. Its reference is what test examples score.

Of N samples it is too small by about (K − 1) / 2N, with K the classes drawn (Miller, 1955).
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from mmbench.core.data import Dataset
from mmbench.core.score import Context, Generated, Metric, Score
from mmbench.metrics.extractors.classifiers import classifier


def entropy(classes: Tensor) -> float:
    """The entropy in nats of the shares of the values of (N,) integers.

    Raises:
        ValueError: There are no values.
    """
    if not len(classes):
        raise ValueError("the entropy of no classes is not defined, expected at least one sample")
    p = torch.unique(classes, return_counts=True)[1].double() / len(classes)
    return float(-(p * p.log()).sum()) + 0.0  # not -0.0


def _compute(generated: Generated, dataset: Dataset, context: Context) -> Iterator[Score]:
    if dataset.test.labels is None or dataset.train.labels is None:
        return
    for m, samples in generated.samples.items():
        judge = classifier(dataset, m, context)
        value, given = entropy(judge.predictions(samples)), generated.given
        identity, networks, n = judge.identity, judge.networks, len(samples)
        yield Score("class-entropy", given, m, value, n, identity, networks=networks)


class_entropy = Metric(
    name="class-entropy",
    title="Entropy of the classes",
    better="higher",
    unit="nats",
    paper="Salimans, Goodfellow, Zaremba, Cheung, Radford and Chen, Improved techniques for "
    "training GANs, 2016, https://arxiv.org/abs/1606.03498",
    low=0.0,
    judge="own",
    reference="test",
    compute=_compute,
)
