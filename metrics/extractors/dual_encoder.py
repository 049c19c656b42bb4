"""Networks that embed pictures and captions in one space, and the pairs that they judge.

Radford, Kim, Hallacy, Ramesh, Goh, Agarwal, Sastry, Askell, Mishkin, Clark, Krueger and Sutskever,
"Learning transferable visual models from natural language supervision", 2021,
https://arxiv.org/abs/2103.00020. A pair is a generated picture with the caption that it was made
from, a generated caption with its picture, or a picture and a caption that were generated
together. Every picture and every caption is embedded once for all metrics; the embeddings of real
ones are kept in the cache.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from mmbench.core.data import Dataset, Modality
from mmbench.core.score import (
    JOINT,
    Context,
    Generated,
    Networks,
    Score,
    Unavailable,
    given_in_words,
)
from mmbench.datasets.formats.captions import EOS, SPECIALS
from mmbench.metrics.statistics.features import (
    Extractor,
    Report,
    drawn_features,
    real_features,
    rgb,
)
from mmbench.metrics.statistics.samples import check

BATCH = 64

Embed = Callable[[Tensor], Tensor]
"""A batch (B, ...) -> (B, d)."""


@dataclass(frozen=True)
class DualEncoder:
    """A network that embeds pictures and captions in one space.

    Attributes:
        identity: Its identity in records.
        image: (B, 3, H, W), in [0, 1] -> (B, d).
        text: (B, L) tokens -> (B, d).
        views: How `image` and `text` prepare pictures and captions for the network: part of the
            key of cached embeddings.
        networks: As in `Score`.
    """

    identity: str
    image: Embed
    text: Embed
    views: tuple[str, str]
    networks: Networks = ()

    @property
    def extractors(self) -> tuple[Extractor, Extractor]:
        """The extractors of pictures and of captions."""
        image, text = (
            Extractor(f"{self.identity}; {view}", partial(embeddings, embed), self.networks)
            for view, embed in zip(self.views, (self.image, self.text), strict=True)
        )
        return image, text


Find = Callable[[Modality, Modality, Dataset, Context], DualEncoder]
"""(image, text, data set, context) -> a dual encoder; raises `Unavailable`."""


@dataclass(frozen=True)
class Pairs:
    """Embedded pairs, one in each row.

    Attributes:
        target: The modality that was generated, or "joint" for both.
        encoder: The dual encoder.
        image: (N, d), of unit length, float32 on the CPU.
        text: (N, d), of unit length.
        real: Computes the same of the real pairs that the samples compare with.
    """

    target: str
    encoder: DualEncoder
    image: Tensor
    text: Tensor
    real: Callable[[], tuple[Tensor, Tensor]]


def pairs(
    metric: str, generated: Generated, dataset: Dataset, context: Context, find: Find
) -> Iterator[Pairs | Score]:
    """The pairs of a picture and a caption that samples make; at most one set of them.

    Yields nothing where the data set has no RGB image or no text, or where one of the two was
    neither given nor generated.

    Args:
        metric: The name of the metric, for a score without a value.
        generated: The samples; their rows are the real pairs.
        dataset: Its test split was given.
        context: Where to compute, and what to keep.
        find: The dual encoder.

    Raises:
        ValueError: Samples are not finite, of another shape than their modality, not as many as
            the test examples conditioned on, or tokens of no word.
    """
    images = [m for m in dataset.modalities if rgb(m)]
    texts = [m for m in dataset.modalities if m.kind == "text"]
    given, samples, n = generated.given, generated.samples, len(generated.rows)
    new = [m.name for m in (*images, *texts) if m.name in samples and m.name not in given]
    if not images or not texts or not new:
        return
    target = JOINT if len(new) > 1 else new[0]
    if len(images) > 1 or len(texts) > 1:
        found = f"{dataset.name} has {len(images)} images and {len(texts)} texts"
        reason = f"{metric} is of one RGB image and its caption; {found}"
        yield Score(metric, given, target, None, n, reason=reason)
        return
    image, text = images[0], texts[0]
    if any(m.name not in (*given, *new) for m in (image, text)):
        return
    n = n if given else len(samples[new[0]])
    for m in new:
        check(samples[m], dataset.modality(m))
        if len(samples[m]) != n:
            pairs = f"{len(samples[m])} samples of {m} cannot be paired with {n}"
            raise ValueError(f"{pairs}, expected one for each")
    try:
        encoder = find(image, text, dataset, context)
    except Unavailable as missing:
        yield missing.score(metric, given, target, n)
        return
    sides = tuple(zip((image, text), encoder.extractors, strict=True))

    def real() -> tuple[Tensor, Tensor]:
        x, y = (real_features(e, m, dataset, generated.rows, context) for m, e in sides)
        return x, y

    def side(m: Modality, extractor: Extractor) -> Tensor:
        if m.name not in new:
            return real_features(extractor, m, dataset, generated.rows, context)
        title = f"embeddings of {m.name} given {given_in_words(given)}"
        return drawn_features(extractor, samples[m.name], title, context)

    first, second = (side(*one) for one in sides)
    yield Pairs(target, encoder, first, second, real)


@torch.inference_mode()
def embeddings(embed: Embed, samples: Tensor, report: Report = lambda done: None) -> Tensor:
    """Embeds pictures, clamped to [0, 1], or captions: (N, ...) -> (N, d).

    The embeddings have unit length, and are float32 on the CPU.
    """
    parts, done = [], 0
    # TF32 would round the inputs of convolutions to 10 bits.
    with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, allow_tf32=False):
        for x in samples.split(BATCH):
            x = x.float().clamp(0, 1) if x.ndim == 4 else x.long()
            parts.append(F.normalize(embed(x).float(), dim=-1).cpu())
            report(done := done + len(x))
    return torch.cat(parts)


def sentences(tokens: Tensor, words: tuple[str, ...]) -> list[str]:
    """Captions (N, L) as words separated by spaces, up to their ends, without special tokens."""
    end = SPECIALS[EOS]
    found = []
    for row in tokens.tolist():
        said = [words[int(token)] for token in row]
        said = said[: said.index(end)] if end in said else said
        found.append(" ".join(word for word in said if word not in SPECIALS))
    return found
