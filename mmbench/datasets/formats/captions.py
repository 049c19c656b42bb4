"""Captions as tokens: words, a vocabulary, and rows of the same length.

The protocol of Shi, Siddharth, Paige & Torr, "Variational mixture-of-experts autoencoders for
multi-modal deep generative models", NeurIPS 2019, https://arxiv.org/abs/1911.03393: words as the
Penn Treebank separates them, a vocabulary of those that occur more than three times in the
training captions, three special tokens, and 32 tokens a caption, one of which ends it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from mmbench.files.folder import composed

SPECIALS = ("<exc>", "<pad>", "<eos>")
"""The first words of every vocabulary: what is not in it, what follows the end, and the end."""
EXC, PAD, EOS = range(3)
LENGTH = 32
"""Tokens per caption."""
OFTEN = 3
"""A word of the vocabulary occurs more often than this."""

_END = r"""(?=[\s\]\[(){}<>"“”;:,.?!*&]|$)"""
_APART = "|".join(
    (
        r"\.{2,}",  # an ellipsis
        r"--|``|''",
        r"""[]["“”„«»`(){}<>;@\#$%&?!*‒–—―]""",
        r"[:,](?!\d)",  # but 1,590 and 1:2 are words
        r"""\.(?=[])}>"'”»\s]*(?:\s|$))""",  # a full stop, but not that in 2.5
        rf"n't{_END}",
        rf"'(?:s|m|d|ll|re|ve)?{_END}",  # it's, or the end of a quotation
        r"(?<!\w)'(?=\w)",  # the start of one
        r"(?<=\bcan)not\b",
    )
)
_WORD = re.compile(rf"(?:{_APART})|(?:(?!{_APART})\S)+")
# Quotation marks are those of the Penn Treebank. U+FFFD stands for bytes that are no UTF-8: in
# the published captions, for the no-break space.
_CLEAN = str.maketrans({"\ufffd": " ", "‘": "'", "’": "'"})
_OPENING = re.compile(r'(?:(?<=[\s(\[{<])|^)"')


def tokenise(text: str) -> list[str]:
    """The words of a text, in lower case and in Unicode's composed form, punctuation apart.

    The rules are those of the Penn Treebank (Marcus, Santorini & Marcinkiewicz, "Building a large
    annotated corpus of English: the Penn Treebank", 1993, https://aclanthology.org/J93-2004) as
    nltk's `word_tokenize` applies them to each sentence: hyphenated words stay whole,
    "it's" is "it" and "'s", "isn't" is "is" and "n't", and every full stop is a word.
    """
    text = composed(text).translate(_CLEAN).lower()
    text = _OPENING.sub(" `` ", text).replace('"', " '' ")
    return _WORD.findall(text)


@dataclass(frozen=True)
class Vocabulary:
    """The words that captions may hold; a word's token is its place."""

    words: tuple[str, ...]  # the specials, then the words, as `Modality.words` keeps them

    @staticmethod
    def of(captions: Iterable[Sequence[str]], often: int = OFTEN) -> Vocabulary:
        """The words that occur more often in captions, in the order in which they first occur."""
        counts = Counter(word for caption in captions for word in caption)
        kept = (w for w, n in counts.items() if n > often and w not in SPECIALS)
        return Vocabulary((*SPECIALS, *kept))

    def expect_specials(self, path: Path, modality: str) -> None:
        """Makes sure that a file of text can be read, which takes the specials' tokens.

        Raises:
            ValueError: Other words have these tokens.
        """
        if self.words[: len(SPECIALS)] != SPECIALS:
            why = f"its vocabulary does not begin with {', '.join(SPECIALS)}"
            raise ValueError(f"{path} cannot be read as {modality}: {why}; give tokens")

    def tokens(self, captions: Sequence[Sequence[str]], length: int = LENGTH) -> Tensor:
        """Captions, given by their words, as tokens (N, length) int16.

        A row holds the words, EOS, then PAD to the end, with EXC for every unknown word. A caption
        that leaves no room for EOS is cut.
        """
        rows = torch.full((len(captions), length), PAD, dtype=torch.int16)
        for row, caption in zip(rows.numpy(), captions, strict=True):
            known = [self._places.get(word, EXC) for word in caption[: length - 1]]
            row[: len(known) + 1] = [*known, EOS]
        return rows

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words)}
