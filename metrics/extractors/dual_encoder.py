"""Networks that see a picture and a caption in one space, and the pairs that they judge.

Radford, Kim, Hallacy, Ramesh, Goh, Agarwal, Sastry, Askell, Mishkin, Clark, Krueger and Sutskever,
"Learning transferable visual models from natural language supervision", 2021,
https://arxiv.org/abs/2103.00020. A pair is a generated picture with the caption that it was made
from, a generated caption with its picture, or a picture and a caption that were generated
together. Every picture and every caption is embedded once, whatever the number of metrics; real
ones are kept in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from mmbench.core.data import Dataset, Modality
from mmbench.core.score import JOINT, Context, Generated, Score
from mmbench.datasets.formats.captions import EOS, SPECIALS
from mmbench.metrics.extractors.features import Extractor, drawn_features, real_features, rgb
from mmbench.pretrained import check

BATCH = 64

Embed = Callable[[Tensor], Tensor]
"""A batch (B, ...) -> (B, d)."""


@dataclass(frozen=True)
class DualEncoder:
    """What pairs are seen through.

    Attributes:
        identity: As in records.
        image: (B, 3, H, W), in [0, 1] -> (B, d).
        text: (B, L) tokens -> (B, d).
        views: What `image` and `text` do to pictures and to captions before the network sees
            them: kept embeddings are found by it.
    """

    identity: str
    image: Embed
    text: Embed
    views: tuple[str, str]


Find = Callable[[Modality, Modality, Dataset, Context], DualEncoder | str]
"""(image, text, data set, context) -> a dual encoder, or the reason why there is none."""


@dataclass(frozen=True)
class Pairs:
    """Embedded pairs, one in each row.

    Attributes:
        target: The modality that was generated, or "joint" for both.
        identity: Of the dual encoder.
        image: (N, d), of unit length, float32 on the CPU.
        text: (N, d), of unit length.
        real: Computes the same of the real pairs that the samples compare with.
    """

    target: str
    identity: str
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
        metric: For whom; named in a score without a value.
        generated: The samples; their rows are the real pairs.
        dataset: Whose test split was given.
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
        reason = (f"{metric} is of one RGB image and its caption; {dataset.name} has "
                  f"{len(images)} images and {len(texts)} texts")  # fmt: skip
        yield Score(metric, given, target, None, n, reason=reason)
        return
    image, text = images[0], texts[0]
    if any(m.name not in (*given, *new) for m in (image, text)):
        return
    n = n if given else len(samples[new[0]])
    for m in new:
        check(samples[m], dataset.modality(m))
        if len(samples[m]) != n:
            raise ValueError(f"{len(samples[m])} samples of {m} cannot be paired with {n}; "
                             "expected one for each")  # fmt: skip
    through = find(image, text, dataset, context)
    if isinstance(through, str):
        yield Score(metric, given, target, None, n, reason=through)
        return
    eyes = {
        m.name: Extractor(f"{through.identity}; {view}", partial(embeddings, embed))
        for m, embed, view in zip(
            (image, text), (through.image, through.text), through.views, strict=True
        )
    }

    def real(name: str) -> Tensor:
        return real_features(eyes[name], dataset.modality(name), dataset, generated.rows, context)

    def side(name: str) -> Tensor:
        if name not in new:
            return real(name)
        title = f"embeddings of {name} given {', '.join(given) or 'nothing'}"
        return drawn_features(eyes[name], samples[name], title, context)

    sides = (image.name, text.name)
    first, second = (side(m) for m in sides)
    yield Pairs(target, through.identity, first, second, lambda: (real(sides[0]), real(sides[1])))


@torch.inference_mode()
def embeddings(
    embed: Embed, samples: Tensor, report: Callable[[int], None] = lambda done: None
) -> Tensor:
    """One side of a dual encoder: (N, ...) -> (N, d), of unit length, float32 on the CPU.

    Args:
        embed: The side.
        samples: Pictures, clamped to [0, 1], or captions.
        report: Told the number of samples done.
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
    """Captions in words, parted by spaces, up to their ends; what is no word is left out.

    Args:
        tokens: (N, L).
        words: Of the modality.
    """
    end = SPECIALS[EOS]
    found = []
    for row in tokens.tolist():
        said = [words[int(token)] for token in row]
        said = said[: said.index(end)] if end in said else said
        found.append(" ".join(word for word in said if word not in SPECIALS))
    return found
