"""The network of a data set's own through which a modality is seen.

Its classifier where examples have classes, what tells their attributes where they have these, and
the dual encoder of pictures and captions where they are pairs of such.
"""

from __future__ import annotations

from functools import partial

from mmbench.core.data import Dataset, Modality
from mmbench.core.score import Context
from mmbench.metrics.extractors.attribute_classifiers import attribute_classifier
from mmbench.metrics.extractors.dual_encoder import embeddings
from mmbench.metrics.extractors.features import Extractor, classified, rgb
from mmbench.metrics.extractors.in_domain import in_domain


def own_network(modality: Modality, dataset: Dataset, context: Context) -> Extractor | str | None:
    """What the modality is seen through.

    Returns:
        The network; the reason why there is none yet, or None where nothing of the data set could
        teach one.
    """
    found = classified(modality, dataset, context)
    if found is not None:
        return found
    attributes = [m.name for m in dataset.modalities if m.kind == "attributes"]
    if len(attributes) == 1 and modality.name not in attributes:
        judge = attribute_classifier(dataset, modality.name, attributes[0], context)
        return Extractor(judge.identity, lambda x, report: judge.features(x))
    images = [m for m in dataset.modalities if rgb(m)]
    texts = [m for m in dataset.modalities if m.kind == "text"]
    if len(images) == len(texts) == 1 and modality in (images[0], texts[0]):
        encoder = in_domain(images[0], texts[0], dataset, context)
        if isinstance(encoder, str):
            return encoder
        side = int(modality.kind == "text")
        embed = (encoder.image, encoder.text)[side]
        return Extractor(f"{encoder.identity}; {encoder.views[side]}", partial(embeddings, embed))
    return None
