"""A small dual encoder that learns a data set's own pictures and captions.

It stands in for CLIP where CLIP's weights are not at hand or the pictures are drawings, and is
never called CLIP: networks of open_clip (Ilharco et al., "OpenCLIP", 2021,
https://doi.org/10.5281/zenodo.5143773), a residual network for pictures at 32 x 32 pixels and a
transformer over the data set's own words, trained on the train split with the contrastive loss of
Radford et al., "Learning transferable visual models from natural language supervision", 2021,
https://arxiv.org/abs/2103.00020. Like the classifiers it is trained once and cached under a key
of what it learns from; how often it retrieves the picture of a test caption is part of its
identity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import Context, Unavailable
from mmbench.datasets.formats.captions import EOS, PAD, SPECIALS
from mmbench.extras import optional
from mmbench.metrics.extractors.dual_encoder import DualEncoder, embeddings
from mmbench.metrics.extractors.judges import kept, once, trained, weights_hash
from mmbench.protocols.protocol import digest
from mmbench.seeds import derive
from mmbench.training.trainer import Optimisation, Trainer, shapes

VERSION = 1
"""Raised when `build` or the training changes in a way that shapes and settings do not show."""
PIXELS = 32
DIMENSIONS = 32
"""Few, so that a thousand pairs suffice: MID inverts a covariance of twice as many dimensions."""
BATCH = 64
STEPS = 1600
"""The fewest steps of training; at least an epoch."""
TITLE = "the in-domain dual encoder"


def in_domain(image: Modality, text: Modality, dataset: Dataset, context: Context) -> DualEncoder:
    """The dual encoder of RGB pictures and their captions, trained on first use.

    It learns from the train split, and the cache keeps its weights under `dual-encoders/`.

    Raises:
        Unavailable: open_clip is missing, or the train split has fewer than two pictures with
            captions.
    """
    try:
        _library()
    except ImportError as error:
        raise Unavailable.package(error) from None
    names = ("dual encoder", image.name, text.name)
    return once(dataset, context, names, lambda: _trained(image, text, dataset, context))


def build(words: int, length: int) -> nn.Module:
    """A small untrained `CLIP` of open_clip, for captions of `length` out of `words` tokens.

    Raises:
        ImportError: open_clip is not installed.
    """
    library = _library()
    image = library.CLIPVisionCfg(layers=(1, 1, 1, 1), width=16, image_size=PIXELS)
    sizes = {"context_length": length, "vocab_size": words}
    text = library.CLIPTextCfg(width=64, heads=2, layers=1, **sizes)
    return library.CLIP(DIMENSIONS, image, text)


def _library() -> Any:
    return optional("open_clip", TITLE, "open_clip_torch")


def look(images: Tensor) -> Tensor:
    """Pictures as the network sees them: (B, 3, H, W) in [0, 1] -> (B, 3, 32, 32) in [−1, 1]."""
    if images.shape[2:] != (PIXELS, PIXELS):
        size = (PIXELS, PIXELS)
        images = F.interpolate(images, size=size, mode="bilinear", antialias=True)
    return 2 * images - 1


def spell(tokens: Tensor, words: tuple[str, ...]) -> Tensor:
    """Captions as the network reads them: words up to the end, the end, padding.

    A caption without an end is given one, and padding before the end is left out, so that
    whatever a model generates is read as a person would read it.

    Args:
        tokens: (B, L).
        words: The modality's words, which may lack "<eos>" and "<pad>".

    Returns:
        (B, L + 1), int64: 0 is padding, the numbers of words are raised by 1, and the end has the
        highest number, by which open_clip finds it.
    """
    number = {word: i for i, word in enumerate(words)}
    end, pad = (number.get(SPECIALS[i], -1) for i in (EOS, PAD))
    said = (tokens != pad) & ((tokens == end).cumsum(1) == 0)
    order = (~said).byte().argsort(dim=1, stable=True)
    spelt = F.pad((tokens + 1).gather(1, order), (0, 1))
    count, place = said.sum(1, keepdim=True), torch.arange(spelt.shape[1], device=tokens.device)
    closed = spelt.where(place < count, 0)
    return closed.scatter(1, count, len(words) + 1)


def sizes(text: Modality) -> tuple[int, int]:
    """The numbers of words and of tokens of captions as the network reads them."""
    return len(text.words) + 2, text.shape[0] + 1


def optimisation(pictures: int) -> Optimisation:
    """How the dual encoder of so many pictures is trained."""
    epochs = math.ceil(STEPS / max(pictures // BATCH, 1))
    return Optimisation(epochs, BATCH, learning_rate=1e-3, schedule="cosine", warmup=50)


def recipe(content: str, image: Modality, text: Modality, settings: Optimisation) -> str:
    """The name of a dual encoder's folder: the hash of all that determines its weights.

    `content` is the fingerprint of the pairs that it learns from.
    """
    with torch.device("meta"):  # only its shapes: nothing is drawn
        layers = shapes(build(*sizes(text)))
    names = [image.name, text.name]
    return digest([VERSION, content, names, text.words, DIMENSIONS, settings, layers], 32)


def _trained(image: Modality, text: Modality, dataset: Dataset, context: Context) -> DualEncoder:
    names = [image.name, text.name]
    train, test = (
        Split({m: s.tensors[m] for m in names}, {m: s.index[m] for m in names if m in s.index})
        for s in (dataset.train, dataset.test)
    )
    examples = train.to(context.device)
    album = Album.of(examples, image.name, text.name)
    settings, shape = optimisation(len(album)), sizes(text)
    content = train.fingerprint()
    key = recipe(content, image, text, settings)
    seed = int(content[:15], 16)
    title = f"{TITLE} of {image.name} and {text.name}"

    def fit(folder: Path) -> nn.Module:
        where, contrast = context.device, _library().ClipLoss()
        network = cast(Any, build(*shape).to(where))

        def loss(pictures: Tensor, noise: torch.Generator) -> Tensor:
            x = examples.batch(album.draw(pictures, noise))
            shown = network.encode_image(look(x[image.name]), normalize=True)
            said = network.encode_text(spell(x[text.name], text.words), normalize=True)
            scale = network.logit_scale.clamp(max=math.log(100)).exp()
            return contrast(shown, said, scale)

        trainer = (context.trainer or Trainer)(folder, seed, where, context.progress)
        trainer.minimise(title, network, loss, len(album), settings)
        return network

    folder = context.cache / "dual-encoders" / key
    network = trained(title, folder, derive(seed, "dual encoder", *names), fit, context)
    network.requires_grad_(False)
    encoder = DualEncoder(
        identity="",
        image=lambda x: cast(Any, network).encode_image(look(x.to(context.device))),
        text=lambda x: cast(Any, network).encode_text(spell(x.to(context.device), text.words)),
        views=(f"{PIXELS} x {PIXELS}", "words"),
    )
    own_hash = weights_hash(network)
    path = folder / f"retrieval-{test.fingerprint()[:32]}-{own_hash}.json"
    measure = partial(retrieval, encoder, test, image.name, text.name)
    found, pictures = kept(path, 2, measure, context)
    name = f"{dataset.name}/{image.name}+{text.name} dual encoder"
    share = f"test retrieval {100 * found:.1f} % of {pictures:.0f}"
    identity = f"{name}, {share}, sha256:{own_hash}"
    return replace(encoder, identity=identity, networks=((name, own_hash),))


@dataclass(frozen=True)
class Album:
    """Pictures and the captions that go with each.

    Attributes:
        order: (N,) examples, picture by picture.
        first: (K,) where those of each picture begin in `order`.
        count: (K,) how many there are.
    """

    order: Tensor
    first: Tensor
    count: Tensor

    @staticmethod
    def of(split: Split, image: str, text: str) -> Album:
        """The album of a split; an example that lacks one of the two is left out.

        Raises:
            Unavailable: There are fewer than two pictures to tell apart.
        """
        rows = split.complete([image, text])
        place = split.index[image][rows] if image in split.index else rows
        place, count = place.unique(return_inverse=True, return_counts=True)[1:]
        if len(count) < 2:
            needs = f"{TITLE} needs at least 2 pictures with captions to learn from"
            raise Unavailable(f"{needs}, there are {len(count)}", "judge")
        return Album(rows[place.argsort(stable=True)], count.cumsum(0) - count, count)

    def __len__(self) -> int:
        return len(self.count)

    def draw(self, pictures: Tensor, noise: torch.Generator) -> Tensor:
        """One example of each of B pictures: (B,) -> (B,).

        Two captions of one picture in a batch would each count as a mismatch for the other.
        """
        share = torch.rand(len(pictures), generator=noise, device=noise.device)
        within = (share.to(pictures.device) * self.count[pictures]).long()  # below the count
        return self.order[self.first[pictures] + within]


def retrieval(encoder: DualEncoder, test: Split, image: str, text: str) -> tuple[float, int]:
    """How often the picture closest to a caption is its own, and among how many pictures."""
    split = {m: Split({m: test.tensors[m]}) for m in (image, text)}
    place = {m: test.index.get(m, torch.arange(len(test))).cpu() for m in (image, text)}
    shown, own = place[image].unique(return_inverse=True)
    embedded = [
        torch.cat([embeddings(embed, split[m].batch(rows)[m]) for rows in chosen.split(1000)])
        for m, embed, chosen in (
            (image, encoder.image, shown),
            (text, encoder.text, torch.arange(len(split[text]))),
        )
    ]
    right = 0
    for rows in torch.arange(len(test)).split(1000):
        cosine = embedded[1][place[text][rows]] @ embedded[0].T
        others = cosine.scatter(1, own[rows, None], -math.inf)
        right += int((cosine.gather(1, own[rows, None])[:, 0] > others.amax(1)).sum())
    return right / len(test), len(shown)
