"""Captions of drawn birds.

The captions follow the style of those that Reed, Akata, Schiele & Lee ("Learning deep
representations of fine-grained visual descriptions", CVPR 2016, https://arxiv.org/abs/1605.05395)
collected for CUB: several forms of sentence, synonyms, and most of what could be said left out.
What a caption asserts can be read back from it exactly.
"""

from collections.abc import Collection, Mapping

import numpy as np

from mmbench.datasets.formats.captions import LENGTH
from mmbench.datasets.mini import table
from mmbench.datasets.mini.birds.birds import ATTRIBUTES, Bird
from mmbench.datasets.mini.birds.wording import sentence

LONGEST = LENGTH - 1
"""Words of a caption, at most."""
LIKELY: Mapping[str, float] = table(__file__, "words.json")["likely"]
"""How often a caption names each attribute."""


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
        named: The attributes to state, at least one.
        rng: Decides the form of the sentence and its words.

    Returns:
        At most LONGEST words of `mmbench.datasets.formats.captions.tokenise`.

    Raises:
        ValueError: `named` is empty or names no attribute of a bird.
    """
    if not named or not set(named) <= ATTRIBUTES.keys():
        known = ", ".join(ATTRIBUTES)
        raise ValueError(f"a caption cannot name {sorted(named)}, expected some of {known}")
    told = {a: bird[a] for a in ATTRIBUTES if a in named}
    text = sentence(told, rng)
    while len(text.split()) + text.count(",") > LONGEST - 1:  # the full stop is a word too
        text = sentence(told, rng)
    return text
