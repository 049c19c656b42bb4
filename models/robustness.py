"""How much of each modality's latent survives the diffusion: figure 5 of the long MLD paper.

The latents of test examples are diffused to time t and decoded, and the coherence of what comes
out says what is left of them. A modality whose curve falls early is the one that in-painting
conditions on badly: Bounoua, Franzese and Michiardi, "Multi-modal Latent Diffusion", 2023,
https://arxiv.org/abs/2306.04445, appendix A.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pandas import DataFrame

from mmbench.core.data import Dataset
from mmbench.core.score import Context
from mmbench.files.atomic import replacing
from mmbench.metrics.extractors.classifiers import classifier
from mmbench.metrics.statistics.bootstrap import bootstrap
from mmbench.models.latent_diffusion import LatentDiffusion
from mmbench.seeds import stream

TIMES = tuple(i / 20 for i in range(21))


@dataclass(frozen=True)
class Curve:
    """The coherence of one modality's decoded latents against the time that they diffused.

    Attributes:
        modality: Its name.
        times: From 0, where nothing is lost, to T.
        values: Coherence in %.
        low: Where its 95 % interval over examples begins.
        high: Where it ends.
        n: Number of test examples.
        extractor: The classifier that judged, as in records.
    """

    modality: str
    times: tuple[float, ...]
    values: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    n: int
    extractor: str


def robustness(
    model: LatentDiffusion,
    dataset: Dataset,
    rows: torch.Tensor,
    context: Context,
    times: Sequence[float] = TIMES,
    seed: int = 0,
) -> list[Curve]:
    """The curve of every modality.

    All times share one noise, so that a curve moves by what diffusion does, not by chance.

    Args:
        model: Trained on the data set.
        dataset: With classes.
        rows: (N,) test examples to encode.
        context: For the classifiers.
        times: Between 0 and T.
        seed: Of the noise.

    Raises:
        ValueError: The data set has no classes, there are no rows, or a time is out of range.
    """
    labels, T = dataset.test.labels, model.sde.T
    if labels is None:
        raise ValueError(f"{dataset.name} has no classes, by which to tell what is left of a "
                         "latent")  # fmt: skip
    if not len(rows):
        raise ValueError("robustness needs at least one test example, there is none")
    for t in times:
        if not 0 <= t <= T:
            raise ValueError(f"the time {t} is not between 0 and {T:g}")
    truth = labels[rows].cpu()
    curves = []
    for m in model.names:
        judge = classifier(dataset, m, context)
        z = model.embed({m: dataset.test.batch(rows, [m])[m].to(context.device)})[m]
        noise = stream(seed, "robustness", m, device=z.device)
        ε = torch.randn(z.shape, generator=noise, device=z.device)
        found = []
        for t in times:
            r = model.sde.perturb(z, torch.full((len(z), 1), t, device=z.device), ε)
            right = 100 * (judge.predictions(model.show(m, r)) == truth).double()
            found.append((right.mean().item(), *bootstrap(right)))
        values, low, high = (tuple(x) for x in zip(*found, strict=True))
        curves.append(Curve(m, tuple(times), values, low, high, len(rows), judge.identity))
    return curves


def table(curves: Sequence[Curve]) -> DataFrame:
    """One row for each modality and time: modality, t, coherence, low, high, n, extractor."""
    return DataFrame(
        [
            (c.modality, t, value, low, high, c.n, c.extractor)
            for c in curves
            for t, value, low, high in zip(c.times, c.values, c.low, c.high, strict=True)
        ],
        columns=["modality", "t", "coherence", "low", "high", "n", "extractor"],
    )


def plot(curves: Sequence[Curve], path: Path, title: str) -> None:
    """Draws the curves with their intervals, as PNG or SVG by the path's ending."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for c in curves:
        [line] = axes.plot(c.times, c.values, label=c.modality, marker="o", markersize=3)
        axes.fill_between(c.times, c.low, c.high, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set(xlabel="diffusion time t", ylabel="coherence of decoded latents (%)", title=title,
             ylim=(0, 101))  # fmt: skip
    axes.grid(alpha=0.3)
    axes.legend()
    with replacing(path) as part:
        figure.savefig(part, format=path.suffix.removeprefix(".") or "png", dpi=150)
