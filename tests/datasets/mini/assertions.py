"""Reads back what the captions of drawn birds assert."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from mmbench.datasets.mini.birds.birds import ATTRIBUTES
from mmbench.datasets.mini.birds.captions import HUES, LENGTH_NAMES, PARTS, SIZE_NAMES, WHOLLY


def _by_word(values: Mapping[str, str]) -> dict[str, str]:
    return {word: value for value, words in values.items() for word in words.split()}


# What the reader knows: word -> value, or what a noun refers to
_COLOUR_WORDS = {w: c for c, words in HUES.items() for w in words}
_LENGTH_WORDS = {w: v for v, words in LENGTH_NAMES.items() for w in words}
_SIZE_WORDS = {words.split()[0]: v for v, names in SIZE_NAMES.items() for words in names}
_ADJECTIVES = {*_COLOUR_WORDS, *_LENGTH_WORDS, *_SIZE_WORDS, *WHOLLY}
_NOUNS = _by_word(
    {
        "bird": "bird",
        "body": "body plumage feathers",
        "wing": "wing wings",
        "breast": "breast belly chest",
        "crown": "crown cap",
        "beak": "beak bill",
    }
)
_POSE_WORDS = _by_word(
    {
        "perched": "perched perching sitting branch twig",
        "standing": "standing walking ground",
        "swimming": "swimming floating water",
        "flying": "flying flight soaring sky air",
    }
)
_LINKS = ("that", "is", "are")
_BREAKS = ("a", "an", "the", "its", "this", "it", "with", "has", ",", ".", "in")


def facts(words: Iterable[str]) -> dict[str, str]:
    """What a caption asserts of a bird.

    An adjective belongs to the noun that follows, or to the noun before "is" or "are"; "all
    black bird" asserts body, wing, breast and crown.

    Args:
        words: As `mmbench.datasets.formats.captions.tokenise` or `Vocabulary.caption` give them;
            words that mean nothing to the reader are skipped.

    Returns:
        Attribute -> value, out of ATTRIBUTES. What is asserted in two ways is left out.
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
                continue  # "red wing feathers" were read at the wing
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
