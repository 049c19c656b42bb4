"""A text VAE made of two language models: BERT encodes, GPT-2 decodes.

Li, Gao, Li, Peng, Li, Zhang and Gao: Optimus: Organizing sentences via pre-trained modeling of a
latent space, EMNLP 2020, https://arxiv.org/abs/2004.04092. Wesego and Rooshenas,
https://arxiv.org/abs/2408.16883, section 4.1, use it for the captions of CUB. Both networks come
from the library transformers, without its tokenisers: their tokens are the words of the modality,
one position each, so that a log-likelihood is comparable with that of any other network.
`mmbench.models.networks.optimus_weights` finds the words in the vocabularies of the published
weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbench.architecture import Networks, Pretrained
from mmbench.core.data import Modality
from mmbench.core.likelihood import InTurn
from mmbench.extras import optional
from mmbench.models.networks import optimus_weights

ROWS = 256
"""Texts computed at a time, also in training: a layer of GPT-2 takes megabytes for each."""
SPREAD = 0.02
"""Standard deviation of the initial weights, the same as in BERT and GPT-2."""


@dataclass(frozen=True)
class Size:
    """The size of both networks.

    Attributes:
        width: Size of a token's embedding.
        layers: Number of layers.
        heads: Attention heads of each layer.
    """

    width: int
    layers: int
    heads: int


FULL = Size(768, 12, 12)
"""BERT-base and GPT-2, as in the paper."""
SMALL = Size(128, 2, 4)
"""A size that trains on two processor cores."""


def _transformers() -> Any:
    return optional("transformers", "a text's network of BERT or GPT-2", "transformers", "text")


class Encoder(nn.Module):
    """Tokens (B, L) -> (B, outputs): a linear layer on BERT's pooled output.

    Args:
        modality: A text. Its word "<pad>", if it has one, is not attended to.
        outputs: Output size.
        size: The size of BERT.

    Raises:
        ValueError: The modality is no text.
        ImportError: The library transformers is not installed.
    """

    def __init__(self, modality: Modality, outputs: int, size: Size) -> None:
        super().__init__()
        words, (length,) = modality.words, _shape(modality)
        self.start = len(words)  # the token that precedes a text, [CLS]
        self.pad = words.index("<pad>") if "<pad>" in words else -1
        library = _transformers()
        config = library.BertConfig(
            vocab_size=len(words) + 1,
            hidden_size=size.width,
            num_hidden_layers=size.layers,
            num_attention_heads=size.heads,
            intermediate_size=4 * size.width,
            max_position_embeddings=length + 1,
            pad_token_id=None,
        )
        self.bert = library.BertModel(config)
        self.linear = _linear(size.width, outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L) int64 -> (B, outputs)."""
        return torch.cat([self._read(c) for c in tokens.split(ROWS)])

    def _read(self, tokens: Tensor) -> Tensor:
        whole = F.pad(tokens, (1, 0), value=self.start)
        read = self.bert(whole, attention_mask=(whole != self.pad).long())
        return self.linear(read.pooler_output)


class Decoder(nn.Module):
    """A latent (B, latent) -> a text that GPT-2 draws token by token.

    The latent enters twice: as a memory, which is a key and a value in front of the first token in
    every layer, and added to the embedding of every token (section 3.2: both together work better
    than either alone).

    Args:
        modality: A text.
        latent: Size of the latent.
        size: The size of GPT-2.

    Raises:
        ValueError: The modality is no text.
        ImportError: The library transformers is not installed.
    """

    def __init__(self, modality: Modality, latent: int, size: Size) -> None:
        super().__init__()
        (self.length,) = _shape(modality)
        self.start = len(modality.words)  # the token that precedes a text, <BOS>
        self.size = size
        library = _transformers()
        config = library.GPT2Config(
            vocab_size=self.start + 1,
            n_embd=size.width,
            n_layer=size.layers,
            n_head=size.heads,
            n_positions=self.length + 1,
            bos_token_id=None,
            eos_token_id=None,
        )
        self.gpt2 = library.GPT2Model(config)
        self.memory = _linear(latent, size.layers * size.width)
        self.embedding = _linear(latent, size.width)

    def forward(self, z: Tensor) -> InTurn:
        """(B, latent) -> the distribution of the text."""
        return InTurn(partial(self.logits, z), partial(self.draw, z))

    def logits(self, z: Tensor, tokens: Tensor) -> Tensor:
        """The logits (B, L, words) of tokens (B, L), each given z (B, latent) and those before."""
        before = F.pad(tokens[:, :-1], (1, 0), value=self.start)
        parts = zip(z.split(ROWS), before.split(ROWS), strict=True)
        return torch.cat([self._next(b, self.embedding(c), self._recall(c)) for c, b in parts])

    @torch.no_grad()
    def draw(self, z: Tensor) -> Tensor:
        """Draws each token as the most probable one: (B, L) int64 for z (B, latent)."""
        return torch.cat([self._greedy(c) for c in z.split(ROWS)])

    def _greedy(self, z: Tensor) -> Tensor:
        memory, added = self._recall(z), self.embedding(z)
        drawn = [torch.full((len(z), 1), self.start, device=z.device)]
        for _ in range(self.length):
            drawn.append(self._next(drawn[-1], added, memory).argmax(-1))
        return torch.cat(drawn[1:], 1)

    def _recall(self, z: Tensor) -> Any:
        """The latents (B, latent) as GPT-2's memory before the first token."""
        memory = _transformers().DynamicCache()
        heads = (self.size.layers, self.size.heads, 1, -1)
        for i, past in enumerate(self.memory(z).unflatten(1, heads).unbind(1)):
            memory.update(past, past, i)  # the key is the value
        return memory

    def _next(self, tokens: Tensor, added: Tensor, memory: Any) -> Tensor:
        """Logits (B, T, words) of the next token after each of (B, T), which join the memory."""
        seen = self.gpt2.wte(tokens) + added[:, None]
        out = self.gpt2(inputs_embeds=seen, past_key_values=memory, use_cache=True)
        return F.linear(out.last_hidden_state, self.gpt2.wte.weight[: self.start])


def _shape(modality: Modality) -> Sequence[int]:
    if modality.kind != "text" or len(modality.shape) != 1:
        found = f"{modality.name!r} has kind {modality.kind} and shape {modality.shape}"
        raise ValueError(f"{found}, expected a text, (tokens,), for BERT and GPT-2")
    return modality.shape


def _linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, std=SPREAD)
    return layer


def networks(size: Size) -> Networks:
    """Both networks in a size, untrained."""
    return Networks(partial(Encoder, size=size), partial(Decoder, size=size))


def load(folder: Path, size: Size = FULL) -> Networks:
    """Both networks with the weights in a folder: see `mmbench.models.networks.optimus_weights`.

    Raises:
        FileNotFoundError: The folder lacks a file.
    """
    optimus_weights.check(folder)

    def encoder(modality: Modality, outputs: int) -> nn.Module:
        network = Encoder(modality, outputs, size)
        optimus_weights.fill_encoder(network, modality.words, folder)
        return network

    def decoder(modality: Modality, latent: int) -> nn.Module:
        network = Decoder(modality, latent, size)
        optimus_weights.fill_decoder(network, modality.words, folder)
        return network

    return Networks(encoder, decoder)


full = networks(FULL)
small = networks(SMALL)
pretrained = Pretrained(load)
