"""Improved precision and recall: how many samples look real, how much of the data they cover.

Kynkäänniemi, Karras, Laine, Lehtinen and Aila, "Improved precision and recall metric for assessing
generative models", 2019, https://arxiv.org/abs/1904.06991. A set of features spans the balls
around each of them that reach to its third nearest neighbour in the set. Precision is the fraction
of generated samples within the balls of the real ones, recall that of the real ones within the
balls of the generated. Features that are equal span one ball. An outlier spans a large one, so
noise lowers precision, but recall only falls with what the samples leave out.

The features of RGB images are from FID's Inception (the paper: VGG-16), which `judge` names, those
of other modalities from the classifier of their own. `precision[in-domain]` and
`recall[in-domain]` use the data set's own network for every modality, as FMD does. The network is
part of every score.
Values depend on the number of samples, so only those of equal n may be compared.
"""

import math
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from mmbench.core.score import Metric
from mmbench.metrics.extractors.own_network import extractor, own_network
from mmbench.metrics.statistics.features import anything, compare, paired
from mmbench.protocols.arguments import at_least

NEIGHBOURS = 3
LEAST = 4
"""Samples: one, and its neighbours."""
BLOCK = 1024
"""Samples whose distances to all others are in memory at once."""
SAME = 1e-10
"""Relative to the squared norms: features at a smaller squared distance are equal. Features of one
picture differ by rounding between rows of a batch, for which some processors use other kernels."""


def precision_of(generated: Tensor, real: Tensor, k: int = NEIGHBOURS) -> float:
    """The fraction of generated features (N, d) within the balls of real ones (N', d).

    A ball reaches to the k-th nearest neighbour.

    Raises:
        ValueError: The features are not finite or differ in dimension, or a set has at most k
            samples.
    """
    x, y = _centred(generated, real, k)
    return _covered(x, y, k)


def recall_of(generated: Tensor, real: Tensor, k: int = NEIGHBOURS) -> float:
    """The fraction of real features (N', d) within the balls of generated ones (N, d).

    Raises:
        ValueError: As `precision_of`.
    """
    x, y = _centred(generated, real, k)
    return _covered(y, x, k)


def _centred(generated: Tensor, real: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Both sets less the mean of the real one, which saves digits in their distances."""
    at_least(1, k=k)
    x, y = paired(generated, real, least=k + 1)
    mean = y.mean(0)
    return x - mean, y - mean


def _covered(points: Tensor, among: Tensor, k: int) -> float:
    """How many points lie in the balls of a set, in memory that does not depend on theirs."""
    centres = _distinct(among.unique(dim=0))
    # A set that collapsed to k points or fewer: the balls reach to the farthest, or nowhere.
    reach = _radii(centres, min(k, len(centres) - 1))
    inside = 0
    for block in points.split(BLOCK):
        within = torch.zeros(len(block), dtype=torch.bool, device=block.device)
        for i, part in enumerate(centres.split(BLOCK)):
            squared, norms = _squared(block, part)
            limit = reach[i * BLOCK : i * BLOCK + len(part)]
            within |= (squared <= limit + SAME * norms).any(1)
        inside += int(within.sum())
    return inside / len(points)


def _distinct(points: Tensor) -> Tensor:
    """The points without those that equal one before them."""
    first = []
    for i, block in enumerate(points.split(BLOCK)):
        alone = torch.ones(len(block), dtype=torch.bool, device=block.device)
        for j, part in enumerate(points[: (i + 1) * BLOCK].split(BLOCK)):
            squared, norms = _squared(block, part)
            same = squared <= SAME * norms
            alone &= ~(same.tril(-1) if i == j else same).any(1)
        first.append(alone)
    return points[torch.cat(first)]


def _radii(centres: Tensor, k: int) -> Tensor:
    """The squared distance of each to its k-th nearest neighbour among the others."""
    if not k:
        return centres.new_zeros(len(centres))
    radii = []
    for i, block in enumerate(centres.split(BLOCK)):
        nearest = centres.new_full((len(block), 0), math.inf)
        for j, part in enumerate(centres.split(BLOCK)):
            squared, _ = _squared(block, part)
            if i == j:
                squared.fill_diagonal_(math.inf)
            both = torch.cat([nearest, squared], 1)
            nearest = both.topk(min(k, both.shape[1]), largest=False).values
        radii.append(nearest.amax(1))
    return torch.cat(radii)


def _squared(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distances (len(a), len(b)), and the sums of squared norms that they come from."""
    norms = a.square().sum(1)[:, None] + b.square().sum(1)
    return torch.addmm(norms, a, b.T, alpha=-2).clamp_(min=0), norms


_scores = partial(compare, concerns=anything, least=LEAST)
_PAPER = (
    "Kynkäänniemi, Karras, Laine, Lehtinen and Aila, Improved precision and recall metric for "
    "assessing generative models, 2019, https://arxiv.org/abs/1904.06991"
)
precision = Metric(
    name="precision",
    title="Precision",
    better="higher",
    unit="",
    paper=_PAPER,
    low=0.0,
    high=1.0,
    judge="inception",
    least=LEAST,
    compute=partial(_scores, "precision", precision_of, through=extractor),
)
recall = replace(
    precision,
    name="recall",
    title="Recall",
    compute=partial(_scores, "recall", recall_of, through=extractor),
)
precision_in_domain = replace(
    precision,
    name="precision[in-domain]",
    title="In-domain precision",
    judge="own",
    compute=partial(_scores, "precision[in-domain]", precision_of, through=own_network),
)
recall_in_domain = replace(
    recall,
    name="recall[in-domain]",
    title="In-domain recall",
    judge="own",
    compute=partial(_scores, "recall[in-domain]", recall_of, through=own_network),
)
