"""How much of each modality's latent survives the diffusion: figure 5 of the long MLD paper.

The latents of test examples are diffused to time t and decoded, and the coherence of the result
measures how much information is left. Inpainting conditions badly on a modality whose curve
falls early: Bounoua, Franzese and Michiardi, "Multi-modal Latent Diffusion", 2023,
https://arxiv.org/abs/2306.04445, appendix A.2.
"""

from collections.abc import Sequence
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
COLUMNS = ("modality", "t", "coherence", "low", "high", "n", "extractor")


def robustness(
    model: LatentDiffusion,
    dataset: Dataset,
    rows: torch.Tensor,
    context: Context,
    times: Sequence[float] = TIMES,
    seed: int = 0,
) -> DataFrame:
    """The coherence, in %, of every modality's decoded latents against the time they diffused.

    All times share the same noise, so that a curve shows the diffusion and not chance.

    Args:
        model: A model trained on the data set.
        dataset: A data set with classes.
        rows: (N,) test examples to encode.
        context: Where the classifiers are kept, and where they compute.
        times: Times of the diffusion, from 0, where no information is lost, to T.
        seed: The seed of the noise.

    Returns:
        A row for each modality and time: modality, t, coherence, low and high (its 95 % interval
        over examples), n (test examples) and extractor (the classifier's identity, as in records).

    Raises:
        ValueError: The data set has no classes, there are no rows, or a time is out of range.
    """
    labels, T = dataset.test.labels, model.sde.T
    if labels is None:
        raise ValueError(f"{dataset.name} has no classes, expected some to measure robustness by")
    if not len(rows):
        raise ValueError("there are no test examples, expected at least one")
    for t in times:
        if not 0 <= t <= T:
            raise ValueError(f"the time {t} is not between 0 and {T:g}")
    truth = labels[rows].cpu()
    found = []
    for m in model.names:
        judge = classifier(dataset, m, context)
        z = model.embed({m: dataset.test.batch(rows, [m])[m].to(context.device)})[m]
        noise = stream(seed, "robustness", m, device=z.device)
        ε = torch.randn(z.shape, generator=noise, device=z.device)
        for t in times:
            r = model.sde.perturb(z, torch.full((len(z), 1), t, device=z.device), ε)
            right = 100 * (judge.predictions(model.show(m, r)) == truth).double()
            value = (right.mean().item(), *bootstrap(right))
            found.append((m, t, *value, len(rows), judge.identity))
    return DataFrame(found, columns=list(COLUMNS))


def plot(curves: DataFrame, path: Path, title: str) -> None:
    """Draws what `robustness` returns, with its intervals, as PNG or SVG by the path's ending."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for m, c in curves.groupby("modality", sort=False):
        [line] = axes.plot(c["t"], c["coherence"], label=m, marker="o", markersize=3)
        color = line.get_color()
        axes.fill_between(c["t"], c["low"], c["high"], color=color, alpha=0.15, linewidth=0)
    axes.set(xlabel="diffusion time t", ylabel="coherence of decoded latents (%)", title=title)
    axes.set_ylim(0, 101)
    axes.grid(alpha=0.3)
    axes.legend()
    with replacing(path) as part:
        figure.savefig(part, format=path.suffix.removeprefix(".") or "png", dpi=150)
