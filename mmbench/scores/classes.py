"""Metrics by the networks that a data set teaches, and the density of its examples."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from mmbench.api import asked
from mmbench.core.data import Dataset
from mmbench.core.model import Model
from mmbench.core.score import Generated
from mmbench.errors import seen
from mmbench.metrics.extractors.classifiers import classifier
from mmbench.scores.inputs import Device, Drawn, context, drawn, expect, judged, tensor, value


def coherence(
    generated: Drawn,
    data: Dataset,
    labels: asked.Array | Sequence[int] | None = None,
    *,
    device: Device = "auto",
) -> float:
    """How often samples show the class that they should (`mmbench.metrics.coherence`).

    Args:
        generated: {modality: samples (N, *shape), or a folder of files}: all modalities, samples
            of one row belonging together; or one, with labels.
        data: Its classifiers judge; they are trained on first use and kept in the cache.
        labels: (N,) the class that each should show; None for how often all modalities agree.
        device: As for `fid`.

    Returns:
        Percentage, from 0 to 100.

    Raises:
        LookupError: There is no such modality.
        ValueError: Samples are not finite or of another shape or range, there are not as many
            labels, or the data set has none.
    """
    expect(data)
    if data.classes is None:
        raise ValueError(f"{data.name} has no classes, by which coherence counts")
    samples = drawn(generated, data)
    if labels is None and len(samples) < len(data.modalities):
        names = ", ".join(m.name for m in data.modalities if m.name not in samples)
        needs = "without labels coherence needs samples of every modality"
        raise ValueError(f"{needs}, and there are none of {names}")
    if labels is None:
        return judged("coherence", samples, data, device)
    if len(samples) != 1:
        names = ", ".join(samples)
        raise ValueError(f"labels are for one modality, the samples are of {names}")
    ((name, x),) = samples.items()
    truth = tensor(labels, "labels of the")
    if tuple(truth.shape) != (len(x),):
        raise ValueError(f"labels have shape {tuple(truth.shape)}, expected ({len(x)},)")
    low, high = (float(truth.min()), float(truth.max())) if len(truth) else (0, 0)
    if not (0 <= low <= high < data.classes and bool((truth == truth.long()).all())):
        reach = f"labels reach from {low:g} to {high:g}"
        raise ValueError(f"{reach}, expected whole numbers from 0 to {data.classes - 1}")
    right = classifier(data, name, context(device)).predictions(x) == truth.cpu()
    return 100 * float(right.double().mean())


def class_entropy(generated: Drawn, data: Dataset, *, device: Device = "auto") -> float:
    """How evenly samples spread over the classes (`mmbench.metrics.class_entropy`).

    Args:
        generated: {modality: samples (N, *shape), or a folder of files}.
        data: Its classifier judges; it is trained on first use and kept in the cache.
        device: As for `fid`.

    Returns:
        Nats, from 0 to the log of the number of classes.

    Raises:
        LookupError, ValueError: As `coherence`.
    """
    return judged("class-entropy", generated, data, device)


def fmd(generated: Drawn, data: Dataset, *, device: Device = "auto") -> float:
    """FMD: the Fréchet distance as the data set's own network sees it (`mmbench.metrics.fmd`).

    Of features (N, d) of another network it is `fid(features, real_features)`.

    Args:
        generated: {modality: samples (N, *shape), or a folder of files}.
        data: Its test examples are the real side. The network is trained on first use and kept in
            the cache.
        device: As for `fid`.

    Returns:
        The distance, at least 0; it depends on N.

    Raises:
        LookupError: There is no such modality.
        ValueError: Samples are not finite or of another shape or range, or the data set teaches
            no network.
    """
    return judged("fmd", generated, data, device)


def log_likelihood(model: Model, data: Dataset, *, device: Device = "auto") -> float:
    """The log-likelihood of a data set's test examples (`mmbench.metrics.log_likelihood`).

    Args:
        model: One that has a density: `log_marginal(x, samples, noise)`. It is moved to the
            device and put in evaluation mode.
        data: What it was trained on.
        device: As for `fid`.

    Returns:
        Nats, the mean over test examples, by 100 importance samples each.

    Raises:
        ValueError: The model has no density, or one that is not finite.
    """
    expect(data)
    if not isinstance(model, Model):
        raise ValueError(f"model is {seen(model)}, expected a mmbench.core.Model")
    known = context(device)
    known = replace(known, model=model.to(known.device).eval())
    return value("log-likelihood", Generated((), {}, torch.arange(len(data.test))), data, known)
