"""Encoders and decoders by kind and shape, for data sets without networks of their own.

Pictures of any size (images, masks, spectrograms) are halved by strided convolutions until they
are at most 4 pixels high or wide. One linear map leads from these to the latent, without a hidden
dense layer: an autoencoder learns faster so. Texts are halved likewise along their tokens, or, as
sentences, read and written one token after the other; everything else goes through dense layers.
"""

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbench.architecture import Networks
from mmbench.core.data import Modality
from mmbench.core.likelihood import InTurn

CHANNELS = (8, 256)  # fewest and most of a convolution
SMALLEST = 4  # a side that is no longer halved
DENSE = 512
WORD = 64  # size of a word's embedding
STATE = 192  # size of a recurrent state
UNSEEN = 0.3  # share of words that a recurrent decoder does not see in training


def _dense(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.SiLU()]


def _sides(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The sizes of a signal as it is halved, from the whole to the smallest."""
    sides = [shape]
    while min(sides[-1]) > SMALLEST:
        sides.append(tuple(math.ceil(n / 2) for n in sides[-1]))
    return sides


def _widths(stages: int) -> list[int]:
    """Channels of each stage: twice as many where a side is halved, so that all cost the same."""
    fewest, most = CHANNELS
    last = min(most, 32 * 2 ** max(stages - 1, 0))
    return [max(fewest, last >> (stages - 1 - i)) for i in range(stages)]


def _picture_encoder(modality: Modality, outputs: int) -> nn.Module:
    channels, *shape = modality.shape
    sides = _sides(tuple(shape))
    widths = _widths(len(sides) - 1)
    layers: list[nn.Module] = []
    for inputs, width in zip([channels, *widths], widths, strict=False):
        layers += [nn.Conv2d(inputs, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.SiLU()]
    flat = (widths or [channels])[-1] * math.prod(sides[-1])
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, outputs))


def _picture_decoder(modality: Modality, latent: int) -> nn.Module:
    channels, *shape = modality.shape
    sides = _sides(tuple(shape))
    widths = _widths(len(sides) - 1)
    first = (widths or [channels])[-1]
    flat = first * math.prod(sides[-1])
    layers: list[nn.Module] = [nn.Linear(latent, flat), nn.Unflatten(1, (first, *sides[-1]))]
    outs = [*widths[:-1][::-1], channels][: len(widths)]
    for inputs, width, (h, w) in zip(widths[::-1], outs, sides[-2::-1], strict=True):
        even = ((h + 1) % 2, (w + 1) % 2)  # an odd side is one less than twice its half
        layers += [nn.BatchNorm2d(inputs), nn.SiLU()]
        layers.append(nn.ConvTranspose2d(inputs, width, 3, 2, 1, even))
    return nn.Sequential(*layers)


def _vector_encoder(modality: Modality, outputs: int) -> nn.Module:
    size = math.prod(modality.shape)
    hidden = [*_dense(size, DENSE), *_dense(DENSE, DENSE)]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(DENSE, outputs))


def _vector_decoder(modality: Modality, latent: int) -> nn.Module:
    size = math.prod(modality.shape)
    hidden = [*_dense(latent, DENSE), *_dense(DENSE, DENSE)]
    return nn.Sequential(*hidden, nn.Linear(DENSE, size), nn.Unflatten(1, modality.shape))


class TextEncoder(nn.Module):
    """Tokens (B, L) -> (B, outputs): embeddings, strided convolutions, a dense layer."""

    def __init__(self, modality: Modality, outputs: int) -> None:
        super().__init__()
        sides = _sides(modality.shape)
        widths = [max(w, WORD) for w in _widths(len(sides) - 1)]
        self.embed = nn.Embedding(len(modality.words), WORD)
        layers: list[nn.Module] = []
        for inputs, width in zip([WORD, *widths], widths, strict=False):
            layers += [nn.Conv1d(inputs, width, 3, 2, 1, bias=False), nn.BatchNorm1d(width)]
            layers.append(nn.SiLU())
        flat = (widths or [WORD])[-1] * sides[-1][0]
        self.rest = nn.Sequential(
            *layers, nn.Flatten(), *_dense(flat, DENSE), nn.Linear(DENSE, outputs)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L) int64 -> (B, outputs)."""
        return self.rest(self.embed(tokens).transpose(1, 2))


class TextDecoder(nn.Module):
    """A latent (B, latent) -> logits of the words (B, L, words)."""

    def __init__(self, modality: Modality, latent: int) -> None:
        super().__init__()
        sides = _sides(modality.shape)
        widths = [max(w, WORD) for w in _widths(len(sides) - 1)]
        first = (widths or [WORD])[-1]
        layers = [*_dense(latent, DENSE), *_dense(DENSE, first * sides[-1][0])]
        layers.append(nn.Unflatten(1, (first, sides[-1][0])))
        outs = [*widths[:-1][::-1], DENSE // 2][: len(widths)]
        for inputs, width, (side,) in zip(widths[::-1], outs, sides[-2::-1], strict=True):
            layers += [nn.ConvTranspose1d(inputs, width, 3, 2, 1, (side + 1) % 2, bias=False)]
            layers += [nn.BatchNorm1d(width), nn.SiLU()]
        self.rest = nn.Sequential(*layers)
        self.words = nn.Linear(outs[-1] if widths else first, len(modality.words))

    def forward(self, z: Tensor) -> Tensor:
        """(B, latent) -> (B, L, words)."""
        return self.words(self.rest(z).transpose(1, 2))


class SentenceEncoder(nn.Module):
    """Tokens (B, L) -> (B, outputs): recurrent in both directions, pooled by mean and maximum.

    What a text says matters more to the latent than where it says it, so that another model finds
    it there more easily.
    """

    def __init__(self, modality: Modality, outputs: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(len(modality.words), WORD)
        self.read = nn.GRU(WORD, STATE // 2, batch_first=True, bidirectional=True)
        self.rest = nn.Sequential(
            nn.Linear(2 * STATE, DENSE), nn.SiLU(), nn.Linear(DENSE, outputs)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L) int64 -> (B, outputs)."""
        states, _ = self.read(self.embed(tokens))
        return self.rest(torch.cat([states.mean(1), states.amax(1)], 1))


class SentenceDecoder(nn.Module):
    """A latent (B, latent) -> a text that is drawn token by token.

    The latent is the first state, and an input beside every word. In training some of the words
    before a token are left out, so that the decoder has to ask the latent: the word dropout of
    Bowman, Vilnis, Vinyals, Dai, Jozefowicz and Bengio, "Generating sentences from a continuous
    space", 2016, https://arxiv.org/abs/1511.06349.
    """

    def __init__(self, modality: Modality, latent: int) -> None:
        super().__init__()
        (self.length,), self.start = modality.shape, len(modality.words)
        self.embed = nn.Embedding(self.start + 1, WORD)  # the last one precedes a text
        self.state = nn.Sequential(nn.Linear(latent, DENSE), nn.SiLU(), nn.Linear(DENSE, STATE))
        self.beside = nn.Linear(latent, STATE)
        self.write = nn.GRU(WORD + STATE, STATE, batch_first=True)
        self.words = nn.Linear(STATE, self.start)

    def forward(self, z: Tensor) -> InTurn:
        """(B, latent) -> the distribution of the text."""
        return InTurn(partial(self.logits, z), partial(self.draw, z))

    def logits(self, z: Tensor, tokens: Tensor) -> Tensor:
        """The logits (B, L, words) of tokens (B, L), each given z (B, latent) and those before."""
        seen = self.embed(F.pad(tokens[:, :-1], (1, 0), value=self.start))
        if self.training:
            seen = seen * (torch.rand_like(seen[..., :1]) >= UNSEEN)
        return self._next(z, seen, self._first(z))[0]

    @torch.no_grad()
    def draw(self, z: Tensor) -> Tensor:
        """Draws each token as the most probable one: (B, L) int64 for z (B, latent)."""
        state, drawn = self._first(z), [torch.full((len(z), 1), self.start, device=z.device)]
        for _ in range(self.length):
            logits, state = self._next(z, self.embed(drawn[-1]), state)
            drawn.append(logits.argmax(-1))
        return torch.cat(drawn[1:], 1)

    def _first(self, z: Tensor) -> Tensor:
        """The state (1, B, STATE) before the first token."""
        return self.state(z).tanh()[None].contiguous()

    def _next(self, z: Tensor, seen: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, T, words) after each of the words (B, T, WORD), and the state after all."""
        beside = self.beside(z)[:, None].expand(-1, seen.shape[1], -1)
        states, state = self.write(torch.cat([seen, beside], 2), state)
        return self.words(states), state


picture = Networks(_picture_encoder, _picture_decoder)
vector = Networks(_vector_encoder, _vector_decoder)
text = Networks(TextEncoder, TextDecoder)
sentence = Networks(SentenceEncoder, SentenceDecoder)
