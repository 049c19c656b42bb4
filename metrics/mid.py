"""MID, the mutual information divergence of pairs of a picture and a caption.

Kim, Kim, Lee, Yoo and Lee, "Mutual information divergence: a unified metric for multimodal
generative models", 2022, https://arxiv.org/abs/2205.13445. With Gaussians fitted to the embeddings
of real pairs z = (x, y), it is the pointwise mutual information that they give to generated pairs,
on average:

    I(X; Y) + 1/2 E[D²(x̂) + D²(ŷ) − D²(ẑ)],    I(X; Y) = 1/2 log(det Σx det Σy / det Σz),

where D is the Mahalanobis distance from the real mean. Of the real pairs themselves it is I(X; Y).
Where a picture or a caption was given, its term is that of the real ones, as in the authors' code
(https://github.com/naver-ai/mid.metric); for joint samples both are generated. All in float64,
moments with the authors' divisor N − 1, nothing added to the covariances.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from mmbench.core.data import Dataset
from mmbench.core.score import Context, Generated, Metric, Score, Unavailable
from mmbench.metrics.extractors.clip import clip
from mmbench.metrics.extractors.dual_encoder import Find, pairs
from mmbench.metrics.extractors.in_domain import in_domain
from mmbench.metrics.statistics.bootstrap import bootstrap
from mmbench.metrics.statistics.features import enough, paired

LEAST = 2

_PAPER = (
    "Kim, Kim, Lee, Yoo and Lee, Mutual information divergence: a unified metric for multimodal "
    "generative models, 2022, https://arxiv.org/abs/2205.13445"
)


class SingularError(ValueError):
    """Real pairs are too few, or too alike, for a Gaussian of their embeddings."""


def mutual_information_divergence(
    image: Tensor, text: Tensor, real_image: Tensor, real_text: Tensor
) -> float:
    """The MID of generated pairs, in nats; higher is better.

    Args:
        image: (M, d) embeddings of pictures, of any float type.
        text: (M, e) embeddings of their captions.
        real_image: (N, d).
        real_text: (N, e).

    Raises:
        SingularError: The covariance of the real pairs is singular in single precision, as it is
            where N <= d + e.
        ValueError: Embeddings are not finite or fewer than 2, or the shapes do not fit.
    """
    return float(pointwise(image, text, real_image, real_text).mean())


def pointwise(image: Tensor, text: Tensor, real_image: Tensor, real_text: Tensor) -> Tensor:
    """The term of each pair, whose mean is MID: (M,), float64; same arguments.

    Raises:
        SingularError, ValueError: As `mutual_information_divergence`.
    """
    sides = [paired(image, real_image), paired(text, real_text)]
    (x, real_x), (y, real_y) = sides
    for title, a, b in (("generated", x, y), ("real", real_x, real_y)):
        if len(a) != len(b):
            raise ValueError(f"{len(a)} {title} pictures cannot be paired with {len(b)} captions")
    z, real_z = torch.cat([x, y], 1), torch.cat([real_x, real_y], 1)
    unbiased = len(x) / (len(x) - 1)
    values = x.new_zeros(len(x))
    for sign, samples, real in ((1, x, real_x), (1, y, real_y), (-1, z, real_z)):
        mean = real.mean(0)
        root = _root(real - mean)
        determinant = 2 * root.diagonal().log().sum()
        whitened = torch.linalg.solve_triangular(root, (samples - mean).T, upper=False)
        values += sign * (determinant + unbiased * whitened.square().sum(0)) / 2
    return values


def _root(centred: Tensor) -> Tensor:
    """The Cholesky factor of the covariance of (N, d)."""
    n, d = centred.shape
    expect_pairs(n, d)
    covariance = centred.T @ centred / (n - 1)
    variances = torch.linalg.eigvalsh(covariance)
    # Embeddings are computed in single precision: variances below this are rounding.
    if variances[0] <= d * torch.finfo(torch.float32).eps ** 2 * variances[-1]:
        needs = "MID needs real pairs that vary in every direction"
        found = f"the covariance of {n:,} of them in {d:,} dimensions is singular"
        raise SingularError(f"{needs}: {found}")
    return torch.linalg.cholesky(covariance)


def expect_pairs(n: int, d: int) -> None:
    """Refuses n real pairs whose embeddings have d dimensions together if they are too few.

    Raises:
        SingularError: They are.
    """
    if n <= d:
        needs = "MID needs more real pairs than dimensions of both embeddings"
        raise SingularError(f"{needs}: there are {n:,} of {d:,}")


def scores(
    name: str, find: Find, generated: Generated, dataset: Dataset, context: Context
) -> Iterator[Score]:
    """MID through a dual encoder, as the metric of that name."""
    for found in pairs(name, generated, dataset, context, find):
        if isinstance(found, Score):
            yield found
            continue
        given, target, n = generated.given, found.target, len(found.image)
        try:
            enough(name, n, LEAST)
            values = pointwise(found.image, found.text, *found.real())
        except Unavailable as missing:
            yield missing.score(name, given, target, n)
        except SingularError as error:
            yield Score(name, given, target, None, n, reason=str(error), lacks="samples")
        else:
            value, (low, high) = float(values.mean()), bootstrap(values)
            identity, networks = found.encoder.identity, found.encoder.networks
            yield Score(name, given, target, value, n, identity, None, low, high, networks)


mid = Metric(
    name="mid",
    title="MID",
    better="higher",
    unit="nats",
    paper=_PAPER,
    judge="clip",
    least=LEAST,
    reference="test",
    # The authors' preprocessing, which is also that of `clip-s[mld]`: the embeddings are shared.
    compute=partial(scores, "mid", clip("bilinear")),
)
mid_in_domain = replace(
    mid,
    name="mid[in-domain]",
    title="In-domain MID",
    judge="own",
    compute=partial(scores, "mid[in-domain]", in_domain),
)
