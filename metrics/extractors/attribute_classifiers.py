"""Networks that predict an example's attributes from one of its modalities.

They take the place of classifiers where examples have attributes but no classes, as faces do.
Each is trained once on the train split, cached under a key of what it learns from, and identified
by its accuracy and the hash of its weights.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmbench.core.data import Dataset, Split
from mmbench.core.score import Context, Unavailable
from mmbench.metrics.extractors.classifiers import Classifier, Lesson, taught
from mmbench.metrics.extractors.judges import once


def attribute_classifier(
    dataset: Dataset, name: str, attributes: str, context: Context
) -> Classifier:
    """The network that predicts the attributes from the modality `name`, trained on first use.

    Its accuracy is the share of the test examples' attributes that it predicts correctly.

    Raises:
        Unavailable: No training example has both.
    """

    def make() -> Classifier:
        train, test = (_pairs(split, name, attributes) for split in (dataset.train, dataset.test))
        if not len(train):
            raise Unavailable(f"no training example has both {name} and {attributes}", "judge")
        (outputs,) = dataset.modality(attributes).shape
        truth = lambda split, rows: split.batch(rows, [attributes])[attributes]
        title, loss = "attribute classifier", F.binary_cross_entropy_with_logits
        often = train.batch(torch.arange(len(train)), [attributes])[attributes].double().mean(0)
        chance = float(torch.maximum(often, 1 - often).mean())
        whole = (name, attributes)
        lesson = Lesson(title, train, test, whole, outputs, truth, loss, _right, chance)
        return taught(lesson, dataset.name, dataset.modality(name), context)

    return once(dataset, context, ("attribute classifier", name, attributes), make)


def _right(logits: Tensor, truth: Tensor) -> Tensor:
    return ((logits > 0) == (truth > 0.5)).float().mean(1)


def _pairs(split: Split, *names: str) -> Split:
    """The examples that have all of some modalities; nothing large is copied."""
    rows = split.complete(names)
    index = {m: split.index[m][rows] if m in split.index else rows for m in names}
    return Split({m: split.tensors[m] for m in names}, index)
