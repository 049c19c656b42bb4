"""What models are trained on: modalities, splits in memory, data sets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import combinations
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from mmbench.core.score import JOINT, NOTHING
from mmbench.registry import nearest

Batch = dict[str, Tensor]
"""Modality name -> (B, *modality.shape): what crosses every boundary."""

Kind = Literal["image", "mask", "sound", "trajectory", "text", "attributes", "vector"]


@dataclass(frozen=True)
class Spectrogram:
    """How a sound became its picture (1, frames, bands): decibels of power, scaled to [0, 1].

    Attributes:
        floor: The decibels that are 0.
        ceiling: The decibels that are 1.
        fft: Samples that a frame spans.
        hop: Samples from the middle of a frame to that of the next.
        lowest: Hertz where the first band begins; the last ends at half the sampling rate.
        scale: The mel scale on which the bands' edges are evenly spaced.
        norm: What a band's weights are scaled to: an area of 1 over hertz ("slaney"), or a sum of
            1 ("mean").
        window: Samples of a frame that count, about its middle; by default all.
    """

    floor: float
    ceiling: float
    fft: int = 2048
    hop: int = 512
    lowest: float = 0.0
    scale: Literal["slaney", "htk"] = "slaney"
    norm: Literal["slaney", "mean"] = "slaney"
    window: int | None = field(default=None, compare=False)  # it concerns recordings alone


@dataclass(frozen=True)
class Modality:
    """One view of an example.

    Attributes:
        name: What the user calls it, e.g. "svhn".
        kind: What sort of signal it is; decides how it is drawn and which metrics apply.
        shape: The shape of one example as the networks see it, e.g. (3, 32, 32). A text is a row
            of tokens, numbers of its words: (32,).
        words: The word of each token, or the name of each attribute.
        spectrogram: How a sound became what the networks see, where that is known.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    words: tuple[str, ...] = ()
    spectrogram: Spectrogram | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            kinds = ", ".join(get_args(Kind))
            raise ValueError(f"modality {self.name!r} has kind {self.kind!r}, expected {kinds}")
        form = ""
        if self.name in (JOINT, NOTHING):
            form = f"a name other than {JOINT!r} and {NOTHING!r}"
        elif not self.name.isprintable() or not self.name or set(self.name) & set(",+/\\ "):
            form = "a printable word without commas, slashes or spaces"
        elif "." in self.name or hasattr(nn.ModuleDict(), self.name):
            form = "a key of torch.nn.ModuleDict: no dot, and none of its attributes"
        if form:
            raise ValueError(f"{self.name!r} cannot name a modality, expected {form}")
        if self.kind == "text" and not self.words:
            raise ValueError(f"modality {self.name!r} is a text without words")

    def fits(self, key: str) -> bool:
        """Whether a key is its name, a pattern of names such as "m*", or its kind, "<image>"."""
        return key in (self.name, f"<{self.kind}>") or fnmatchcase(self.name, key)


class Split:
    """A paired set of examples, in memory, compact: uint8 pixels, integer tokens.

    Args:
        tensors: Each distinct view once: name -> (K_m, *shape). uint8 holds [0, 1] in 255 steps.
        index: name -> (N,) row of tensors[name] in example i. A modality without an entry has
            example i in row i. MNIST-SVHN's 20 pairings and CUB's 10 captions cost an index.
            Row -1 says that the example lacks the modality.
        labels: (N,) class of each example, where there are classes.

    Raises:
        ValueError: The views do not make the same number of examples.
    """

    def __init__(
        self,
        tensors: Batch,
        index: Mapping[str, Tensor] | None = None,
        labels: Tensor | None = None,
    ) -> None:
        self.tensors = dict(tensors)
        self.index = dict(index or {})
        self.labels = labels
        counts = {m: len(self.index.get(m, x)) for m, x in self.tensors.items()}
        if labels is not None:
            counts["labels"] = len(labels)
        if len(set(counts.values())) != 1:
            raise ValueError(
                "the modalities differ in their number of examples: "
                + ", ".join(f"{m} has {n}" for m, n in counts.items())
            )
        self._length = next(iter(counts.values()))
        self._fingerprints: dict[tuple[str, ...], str] = {}
        for m, rows in self.index.items():
            if len(rows) and not -1 <= int(rows.min()) <= int(rows.max()) < len(self.tensors[m]):
                count = len(self.tensors[m])
                raise ValueError(f"the index of modality {m!r} points outside its {count} rows")
        self.incomplete = [m for m, rows in self.index.items() if bool((rows < 0).any())]
        """The modalities that some examples lack."""
        if len(self.incomplete) == len(self.tensors):
            bare = torch.stack([rows < 0 for rows in self.index.values()]).all(0)
            if bare.any():
                raise ValueError(f"example {int(bare.nonzero()[0])} lacks every modality")

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        shapes = ", ".join(f"{m} {tuple(x.shape[1:])}" for m, x in self.tensors.items())
        return f"<{len(self):,} examples of {shapes}{', with labels' * (self.labels is not None)}>"

    @property
    def device(self) -> torch.device:
        """Where the tensors live, and where `batch` gathers."""
        return next(iter(self.tensors.values())).device

    def batch(self, rows: Tensor, names: Sequence[str] | None = None) -> Batch:
        """Gathers examples.

        Args:
            rows: (B,) example numbers.
            names: The modalities wanted; all of them by default.

        Returns:
            name -> (B, *shape), float32 (uint8 scaled to [0, 1]) or int64 for integer tokens;
            zeros where an example lacks the modality (see `present`).
        """
        rows = rows.to(self.device)
        out = {}
        for m in self.tensors if names is None else names:
            x = self.tensors[m][self.index[m][rows] if m in self.index else rows]
            if m in self.incomplete:
                x[~self.present(m, rows)] = 0
            if x.dtype == torch.uint8:
                x = x.float().div_(255)
            out[m] = x.float() if x.is_floating_point() or x.dtype == torch.bool else x.long()
        return out

    def present(self, name: str, rows: Tensor | None = None) -> Tensor:
        """Whether each example has a modality: (B,) bool, of all examples by default."""
        if name in self.incomplete:
            index = self.index[name]
            return (index if rows is None else index[rows.to(self.device)]) >= 0
        count = len(self) if rows is None else len(rows)
        return torch.ones(count, dtype=torch.bool, device=self.device)

    def complete(self, names: Sequence[str] | None = None) -> Tensor:
        """The numbers (B,) of the examples that have all of some modalities, by default of all."""
        every = self.tensors if names is None else names
        return torch.stack([self.present(m) for m in every]).all(0).nonzero()[:, 0]

    def to(self, device: torch.device | str) -> Split:
        """The same examples on another device."""
        both = (self.tensors, self.index)
        views, index = ({m: x.to(device) for m, x in part.items()} for part in both)
        moved = Split(views, index, None if self.labels is None else self.labels.to(device))
        moved._fingerprints = self._fingerprints
        return moved

    def fingerprint(self, names: Sequence[str] | None = None) -> str:
        """Sha256 of the content, whatever the device or the order of the modalities.

        Computed once: the tensors must not change.

        Args:
            names: The modalities that count, with the labels; all of them by default.
        """
        wanted = tuple(sorted(self.tensors if names is None else names))
        if wanted not in self._fingerprints:
            parts = {f"tensor {m}": self.tensors[m] for m in wanted}
            parts |= {f"index {m}": self.index[m] for m in wanted if m in self.index}
            if self.labels is not None:
                parts["labels"] = self.labels
            digest = hashlib.sha256()
            for name, x in sorted(parts.items()):
                digest.update(f"{name} {x.dtype} {tuple(x.shape)};".encode())
                digest.update(x.detach().cpu().contiguous().view(torch.uint8).numpy().data)
            self._fingerprints[wanted] = digest.hexdigest()
        return self._fingerprints[wanted]


@dataclass(frozen=True)
class Dataset:
    """Paired examples of several modalities, and what the metrics need to know of them.

    Attributes:
        name: The data set's name.
        modalities: In the order in which models concatenate them.
        train: What models and classifiers learn from.
        test: What conditions generation, and the real side of every distance.
        classes: Number of label values, or None where examples have no class.
        sampling_rate: Samples per second of the sounds, in hertz.
        version: Rises when its examples change.
        registered: Whether it was loaded by the name under which it is registered. The protocol
            that is shipped for a name is only such a data set's.
    """

    name: str
    modalities: tuple[Modality, ...]
    train: Split
    test: Split
    classes: int | None = None
    sampling_rate: int | None = None
    version: int = 1
    registered: bool = False

    def __post_init__(self) -> None:
        names = sorted(m.name for m in self.modalities)
        for part, split in (("train", self.train), ("test", self.test)):
            title = f"the {part} split of {self.name}"
            if sorted(split.tensors) != names:
                raise ValueError(f"{title} holds {sorted(split.tensors)}, expected {names}")
            if part == "test" and split.incomplete:
                wrong = f"{title} has examples without {split.incomplete[0]}"
                raise ValueError(f"{wrong}: only training examples may be incomplete")
            for m in self.modalities:
                if not split.present(m.name).any():
                    raise ValueError(f"{title} has no example with {m.name}")
                if tuple(split.tensors[m.name].shape[1:]) != m.shape:
                    shape = tuple(split.tensors[m.name].shape[1:])
                    raise ValueError(f"{title} has {m.name} of shape {shape}, expected {m.shape}")
            if self.classes is not None:
                if split.labels is None:
                    raise ValueError(f"{title} has no labels")
                low, high = int(split.labels.min()), int(split.labels.max())
                if not 0 <= low <= high < self.classes:
                    expected = f"expected 0 to {self.classes - 1}"
                    raise ValueError(f"{title} has labels from {low} to {high}, {expected}")
                there = set(split.labels.unique().tolist())
                if absent := self.classes - len(there):  # a set of all classes may be huge
                    first = next(c for c in range(self.classes) if c not in there)
                    others = f", nor of {absent - 1:,} others" if absent > 1 else ""
                    raise ValueError(f"{title} has no example of class {first}{others}")

    def __repr__(self) -> str:
        shapes = ", ".join(f"{m.name} {m.shape}" for m in self.modalities)
        sizes = f"{len(self.train):,} training and {len(self.test):,} test examples"
        return f"<{self.name}: {sizes} of {shapes}; {self.classes or 'no'} classes>"

    def modality(self, name: str) -> Modality:
        """The modality of that name."""
        return next(m for m in self.modalities if m.name == name)

    def subset(self, names: Iterable[str]) -> tuple[str, ...]:
        """Some modalities in the data set's order.

        Raises:
            LookupError: There is no such modality.
        """
        known = [m.name for m in self.modalities]
        wanted = set(names)
        for name in sorted(wanted - set(known)):
            raise LookupError(f"{self.name} has no modality {name!r}{nearest(name, known)}")
        return tuple(m for m in known if m in wanted)

    @property
    def description(self) -> str:
        """What says how its examples are to be read: kinds, words, spectrograms, sampling rate."""
        return f"{self.modalities} {self.sampling_rate}"

    def content(self) -> str:
        """Sha256 of both splits."""
        both = self.train.fingerprint() + self.test.fingerprint()
        return hashlib.sha256(both.encode()).hexdigest()

    def fingerprint(self) -> str:
        """Sha256 of both splits and, if it is not registered, of its description.

        A registered data set's version rises with its description.
        """
        if self.registered:
            return self.content()
        return hashlib.sha256(f"{self.content()} {self.description}".encode()).hexdigest()


def subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """All 2^M subsets, from the empty one (the prior) to all, each in the order of `names`."""
    return [s for k in range(len(names) + 1) for s in combinations(names, k)]
