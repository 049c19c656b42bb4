"""The evaluation network of a modality, where the data set itself can teach one.

It is the classifier where examples have classes, the attribute classifier where they have
attributes, and the dual encoder where they are pairs of a picture and a caption.
"""

from mmbench.core.data import Dataset, Modality
from mmbench.core.score import Context
from mmbench.metrics.extractors.attribute_classifiers import attribute_classifier
from mmbench.metrics.extractors.classifiers import classifier
from mmbench.metrics.extractors.in_domain import in_domain
from mmbench.metrics.extractors.inception import inception
from mmbench.metrics.statistics.features import Extractor, rgb


def extractor(modality: Modality, dataset: Dataset, context: Context) -> Extractor | None:
    """Inception for RGB images, for others the classifier of their own where there are labels.

    Raises:
        Unavailable: Inception's weights or its package are missing.
    """
    look = inception if rgb(modality) else classified
    return look(modality, dataset, context)


def own_network(modality: Modality, dataset: Dataset, context: Context) -> Extractor | None:
    """The network that the data set teaches for a modality; None where it can teach none.

    Raises:
        Unavailable: A package that the network is made of is missing, or examples to teach it.
    """
    found = classified(modality, dataset, context)
    if found is not None:
        return found
    attributes = [m.name for m in dataset.modalities if m.kind == "attributes"]
    if len(attributes) == 1 and modality.name not in attributes:
        return attribute_classifier(dataset, modality.name, attributes[0], context).extractor
    images = [m for m in dataset.modalities if rgb(m)]
    texts = [m for m in dataset.modalities if m.kind == "text"]
    if len(images) == len(texts) == 1 and modality in (images[0], texts[0]):
        encoder = in_domain(images[0], texts[0], dataset, context)
        return encoder.extractors[modality.kind == "text"]
    return None


def classified(modality: Modality, dataset: Dataset, context: Context) -> Extractor | None:
    """The classifier of the modality, where there are labels."""
    if dataset.test.labels is None or dataset.train.labels is None:
        return None
    return classifier(dataset, modality.name, context).extractor
