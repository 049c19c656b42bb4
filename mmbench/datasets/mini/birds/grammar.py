"""Captions of drawn birds, and a reader of what a caption asserts.

The captions follow the style of those that Reed, Akata, Schiele & Lee ("Learning deep
representations of fine-grained visual descriptions", CVPR 2016, https://arxiv.org/abs/1605.05395)
collected for CUB: several forms of sentence, synonyms, and most of what could be said left out.
Whatever `caption` writes, `facts` reads back exactly.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from mmbench.datasets.formats.captions import LENGTH
from mmbench.datasets.mini.birds.birds import ATTRIBUTES, Bird
from mmbench.datasets.mini.birds.wording import (
    HUES,
    LENGTH_NAMES,
    PARTS,
    SIZE_NAMES,
    WHOLLY,
    sentence,
)

LONGEST = LENGTH - 1
"""Words of a caption, at most."""
LIKELY: Mapping[str, float] = {
    "body": 0.55,
    "wing": 0.5,
    "breast": 0.55,
    "crown": 0.4,
    "beak": 0.45,
    "beak length": 0.45,
    "size": 0.35,
    "pose": 0.2,
}
"""How often a caption names each attribute."""

# What the reader knows: word -> value, or what a noun speaks of
_COLOUR_WORDS = {w: c for c, words in HUES.items() for w in words}
_LENGTH_WORDS = {w: v for v, words in LENGTH_NAMES.items() for w in words}
_SIZE_WORDS = {words.split()[0]: v for v, names in SIZE_NAMES.items() for words in names}
_ADJECTIVES = {*_COLOUR_WORDS, *_LENGTH_WORDS, *_SIZE_WORDS, *WHOLLY}
_NOUNS = {
    "bird": "bird", "body": "body", "plumage": "body", "feathers": "body",
    "wing": "wing", "wings": "wing", "breast": "breast", "belly": "breast", "chest": "breast",
    "crown": "crown", "cap": "crown", "beak": "beak", "bill": "beak",
}  # fmt: skip
_POSE_WORDS = {
    "perched": "perched", "perching": "perched", "sitting": "perched", "branch": "perched",
    "twig": "perched", "standing": "standing", "walking": "standing", "ground": "standing",
    "swimming": "swimming", "floating": "swimming", "water": "swimming",
    "flying": "flying", "flight": "flying", "soaring": "flying", "sky": "flying", "air": "flying",
}  # fmt: skip
_LINKS = ("that", "is", "are")
_BREAKS = ("a", "an", "the", "its", "this", "it", "with", "has", ",", ".", "in")


def captions(bird: Bird, count: int, rng: np.random.Generator) -> list[str]:
    """Different captions of a bird, as far as chance makes them differ.

    Args:
        bird: What it looks like.
        count: Number of captions.
        rng: Decides what each names, and how.
    """
    said = []
    for chances in rng.random((count, len(LIKELY))):
        named = {a for a, chance in zip(LIKELY, chances, strict=True) if chance < LIKELY[a]}
        if len(named) < 2:  # a caption says at least two things
            named = {"body", "wing"} if chances[0] < 0.5 else {"breast", "beak"}
        said.append(caption(bird, named, rng))
    return said


def caption(bird: Bird, named: Collection[str], rng: np.random.Generator) -> str:
    """A caption that asserts some attributes of a bird and nothing else.

    Args:
        bird: What it looks like.
        named: The attributes to tell, at least one.
        rng: Decides the form of the sentence and its words.

    Returns:
        At most LONGEST words of `mmbench.datasets.formats.captions.tokenise`.

    Raises:
        ValueError: `named` is empty or names no attribute of a bird.
    """
    if not named or not set(named) <= ATTRIBUTES.keys():
        raise ValueError(f"a caption cannot name {sorted(named)}, expected some of "
                         f"{', '.join(ATTRIBUTES)}")  # fmt: skip
    told = {a: bird[a] for a in ATTRIBUTES if a in named}
    text = sentence(told, rng)
    while len(text.split()) + text.count(",") > LONGEST - 1:  # the full stop is a word too
        text = sentence(told, rng)
    return text


def facts(words: Iterable[str]) -> dict[str, str]:
    """What a caption asserts of a bird.

    An adjective belongs to the noun that follows, or to the noun before "is" or "are"; "all
    black bird" tells of body, wing, breast and crown.

    Args:
        words: As `mmbench.datasets.formats.captions.tokenise` or `Vocabulary.caption` give them;
            those that mean nothing to the reader are passed over.

    Returns:
        Attribute -> value, out of ATTRIBUTES. What is told in two ways is left out.
    """
    told: dict[str, set[str]] = {}
    for attribute, value in _assertions(words):
        if value in ATTRIBUTES[attribute]:
            told.setdefault(attribute, set()).add(value)
    return {a: next(iter(told[a])) for a in ATTRIBUTES if len(told.get(a, ())) == 1}


def _assertions(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    waiting: list[str] = []  # adjectives before their noun
    shared: list[str] = []  # those of the noun before "and"
    subject, linked, before = "", False, ""
    for word, after in pairwise([*words, ""]):
        if word in _POSE_WORDS:
            yield "pose", _POSE_WORDS[word]
        elif word in _ADJECTIVES:
            if linked:
                yield from _describe(subject, [*(w for w in WHOLLY if w == before), word])
            else:
                waiting.append(word)
        elif word in _NOUNS:
            if word == "feathers" and before in _NOUNS and not waiting:
                continue  # "red wing feathers" were told of at the wing
            subject, linked = _NOUNS[word], False
            joined = before in ("and", ",") and not waiting and after not in _LINKS
            told = [w for w in shared if w in _COLOUR_WORDS] if joined else waiting
            yield from _describe(subject, told)
            waiting, shared = [], [] if subject == "bird" else told
        elif word in ("is", "are"):
            linked = bool(subject)
        elif word in _BREAKS:
            linked = False
            if word != ",":
                waiting = []
        if word not in _NOUNS and word not in ("and", ","):
            shared = []
        before = word


def _describe(noun: str, adjectives: Sequence[str]) -> Iterator[tuple[str, str]]:
    whole = noun == "bird" and any(w in WHOLLY for w in adjectives)
    for word in adjectives:
        if word in _SIZE_WORDS and noun == "bird":
            yield "size", _SIZE_WORDS[word]
        elif word in _LENGTH_WORDS and noun == "beak":
            yield "beak length", _LENGTH_WORDS[word]
        elif word in _COLOUR_WORDS:
            for attribute in ("body", *PARTS) if whole else ("body" if noun == "bird" else noun,):
                yield attribute, _COLOUR_WORDS[word]
