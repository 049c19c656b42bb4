"""Captions of drawn birds: several forms of sentence, synonyms, and only what is to be said.

The captions follow the style of those that Reed, Akata, Schiele & Lee ("Learning deep
representations of fine-grained visual descriptions", CVPR 2016, https://arxiv.org/abs/1605.05395)
collected for CUB. They leave out most of what could be said; what a caption asserts can be read
back from it exactly.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from mmbench.datasets.formats.captions import LENGTH
from mmbench.datasets.mini.birds.birds import ATTRIBUTES, COLOURS, Bird
from mmbench.datasets.mini.materials import table

LONGEST = LENGTH - 1
"""Words of a caption, at most."""
PARTS = ("wing", "breast", "crown")
"""Attributes that are the colour of a part."""
HUES = {c: (c,) for c in COLOURS} | {"grey": ("grey", "gray")}
_WORDS = table(__file__, "words.json")
LIKELY: dict[str, float] = _WORDS["likely"]
"""How often a caption names each attribute."""
LENGTH_NAMES: dict[str, list[str]] = _WORDS["lengths"]
SIZE_NAMES: dict[str, list[str]] = _WORDS["sizes"]
PART_NAMES: dict[str, list[str]] = _WORDS["parts"]
WHOLLY: list[str] = _WORDS["wholly"]
_POSES: dict[str, list[str]] = _WORDS["poses"]
"""What follows "bird"; the name of the pose may stand before it instead."""


def captions(bird: Bird, count: int, rng: np.random.Generator) -> list[str]:
    """So many captions of a bird, different as far as chance makes them differ."""
    said = []
    for chances in rng.random((count, len(LIKELY))):
        named = {a for a, chance in zip(LIKELY, chances, strict=True) if chance < LIKELY[a]}
        if len(named) < 2:  # a caption says at least two things
            named = {"body", "wing"} if chances[0] < 0.5 else {"breast", "beak"}
        said.append(caption(bird, named, rng))
    return said


def caption(bird: Bird, named: Collection[str], rng: np.random.Generator) -> str:
    """A caption that asserts the attributes named, at least one, and nothing else.

    It has at most LONGEST words of `mmbench.datasets.formats.captions.tokenise`.

    Raises:
        ValueError: `named` is empty or names no attribute of a bird.
    """
    if not named or not set(named) <= ATTRIBUTES.keys():
        known = ", ".join(ATTRIBUTES)
        raise ValueError(f"a caption cannot name {sorted(named)}, expected some of {known}")
    told = {a: bird[a] for a in ATTRIBUTES if a in named}
    text = _Writer(told, rng).sentence()
    while len(text.split()) + text.count(",") > LONGEST - 1:  # the full stop is a word too
        text = _Writer(told, rng).sentence()
    return text


class _Writer:
    """Writes a sentence that states some attributes of a bird, `told`, and nothing else."""

    def __init__(self, told: Mapping[str, str], rng: np.random.Generator) -> None:
        self.told = dict(told)
        self.rng = rng

    def sentence(self) -> str:
        size = self.one(SIZE_NAMES[self.told["size"]]) if "size" in self.told else ""
        colour = self.colour("body")
        whole = {self.told.get(a) for a in ("body", *PARTS)}
        if len(whole) == 1 and colour and self.chance(0.6):  # all four, and all equal
            colour = f"{self.one(WHOLLY)} {colour}"
            self.told = {a: v for a, v in self.told.items() if a not in PARTS}
        before, after = self.pose()
        things = self.things()
        looks = f"{size} {before}".strip()
        if not things:
            return self.bare(looks, colour, after)
        if colour and self.chance(0.4):
            return self.predicate(looks, colour, after, things)
        if self.chance(0.2):
            return self.clauses(looks, colour, after)
        return self.attributive(looks, colour, after, things)

    def bare(self, looks: str, colour: str, after: str) -> str:
        """This is a small red bird sitting on a branch."""
        start = self.one(("this is", "here is", "", "a picture of"))
        return _joined(start, _a(f"{looks} {colour} bird"), after) + "."

    def attributive(self, looks: str, colour: str, after: str, things: list[str]) -> str:
        """A small red bird with a white belly and a short beak."""
        if colour and " " not in colour and self.chance(0.25):
            things, colour = [_a(f"{colour} body"), *things], ""
        bird = f"{looks} {colour} bird"
        if self.chance(0.5):
            which = self.one(("this", "the", "this", "this particular"))
            return f"{_joined(which, bird, after)} has {_list(things)}."
        start = self.one(("", "", "this is"))
        return f"{_joined(start, _a(bird), after)} with {_list(things)}."

    def predicate(self, looks: str, colour: str, after: str, things: list[str]) -> str:
        """This small bird is red in color, with a white belly and a short beak."""
        bird = _joined(self.one(("this", "the")), looks, "bird", after)
        how = self.one(_WORDS["predicates"])
        if colour.split()[0] in WHOLLY:
            how = "is {} with {}"
        return f"{bird} {how.format(colour, _list(things))}."

    def clauses(self, looks: str, colour: str, after: str) -> str:
        """This is a small red bird, its belly is white and the bill is short."""
        said = []
        for part in self.order((*PARTS, "beak")):
            how = [self.length()] if part == "beak" and "beak length" in self.told else []
            how += [self.colour(part)] if part in self.told else []
            if how:
                name = self.one(PART_NAMES[part][:3])
                verb = "are" if name == "wings" else "is"
                said.append(f"{self.one(('the', 'its'))} {name} {verb} {' and '.join(how)}")
        if looks or colour or after or self.chance(0.3):
            said.insert(0, _joined("this is", _a(f"{looks} {colour} bird"), after))
        return f"{_list(said)}."

    def things(self) -> list[str]:
        """What the bird has: "a white belly", "a short, pointy beak"."""
        parts = [p for p in self.order(PARTS) if p in self.told]
        found = []
        while parts:
            part = parts.pop(0)
            alike = [p for p in parts if self.told[p] == self.told[part]]
            name, colour = self.one(PART_NAMES[part]), self.colour(part)
            a = str if part == "wing" else _a
            if alike and " and " not in name and self.chance(0.6):
                parts.remove(alike[0])
                found.append(a(f"{colour} {name} and {self.one(PART_NAMES[alike[0]][:3])}"))
            elif self.chance(0.15):
                verb = "are" if part == "wing" or " and " in name else "is"
                found.append(f"{a(name)} that {verb} {colour}")
            elif self.chance(0.1):
                found.append(f"{colour} {part} feathers")
            else:
                found.append(a(f"{colour} {name}"))
        if "beak" in self.told or "beak length" in self.told:
            found.insert(int(self.rng.integers(len(found) + 1)), self.beak())
        # "wings that are brown and black feathers" could be read in two ways
        return sorted(found, key=lambda thing: " that " in thing)

    def beak(self) -> str:
        """A very short, pointy red beak."""
        length = self.length()
        if length and self.chance(0.3):
            length += ", pointy"
        return _a(_joined(length, self.colour("beak"), self.one(PART_NAMES["beak"])))

    def pose(self) -> tuple[str, str]:
        """Words of the pose before and after "bird"; one of them at most."""
        pose = self.told.get("pose", "")
        if not pose or self.chance(0.4):
            return pose, ""
        return "", self.one(_POSES[pose])

    def colour(self, attribute: str) -> str:
        return self.one(HUES[self.told[attribute]]) if attribute in self.told else ""

    def length(self) -> str:
        if "beak length" not in self.told:
            return ""
        word = self.one(LENGTH_NAMES[self.told["beak length"]])
        return f"very {word}" if self.chance(0.25) else word

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def one(self, options: Sequence[str]) -> str:
        return options[int(self.rng.random() * len(options))]

    def order(self, options: Sequence[str]) -> list[str]:
        return [options[i] for i in self.rng.permutation(len(options))]


def _joined(*words: str) -> str:
    return " ".join(" ".join(words).split())


def _a(phrase: str) -> str:
    phrase = _joined(phrase)
    return f"an {phrase}" if phrase[0] in "aeo" else f"a {phrase}"


def _list(things: Sequence[str]) -> str:
    if len(things) < 3:
        return " and ".join(things)
    return f"{', '.join(things[:-1])}, and {things[-1]}"
