"""Samples of test examples as files, written by a run or by any other program.

A folder of samples has a folder for each subset of modalities that was given, named by them
(`image+caption/`, in any order; `joint/` where nothing was), and in it for each modality drawn

- `<modality>.npz` with the array `samples` (N, *shape) and, unless its rows are in the order of
  the test examples that were given, `index` (N,): their numbers;
- or a folder `<modality>/` with a file for each, named by that number: `17.png` for images and
  masks, `17.txt` for texts and attributes, `17.npy` for anything.

Joint samples have no test example; theirs are numbers from 0 that say which belong together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from mmbench.core.data import Dataset, Modality, subsets
from mmbench.core.score import JOINT, Generated
from mmbench.datasets.formats import examples
from mmbench.datasets.formats.arrays import load
from mmbench.files.folder import composed, visible
from mmbench.registry import meant, nearest


def write(folder: Path, generated: Generated) -> None:
    """Writes samples of test examples into a folder of samples, losing nothing."""
    home = folder / folder_of(generated.given)
    index = {"index": generated.rows.cpu()} if generated.given else {}
    for m, x in generated.samples.items():
        examples.save(home / f"{m}.npz", {"samples": x.detach().cpu(), **index})


def folder_of(given: Sequence[str]) -> str:
    """The name of the folder of samples that were drawn from some modalities."""
    return "+".join(given) or JOINT


@dataclass(frozen=True)
class Samples:
    """Samples of a data set's test examples, in a folder or in memory.

    Attributes:
        root: What sentences call them: the folder.
        dataset: Whose test examples they are of.
        found: The modalities given -> each modality drawn -> its file or folder, or an array
            (N, *shape) in the order of the test examples.
    """

    root: Path | str
    dataset: Dataset
    found: dict[tuple[str, ...], dict[str, Path | NDArray[Any]]]

    @classmethod
    def find(cls, root: Path, dataset: Dataset) -> Samples:
        """Lists what a folder holds.

        Raises:
            FileNotFoundError: There is no such folder, or it is empty.
            ValueError: Something in it has an unknown name, or is there twice.
        """
        names = [m.name for m in dataset.modalities]
        known = {composed(m): m for m in names}
        found: dict[tuple[str, ...], dict[str, Path | NDArray[Any]]] = {}
        for folder in _entries(root):
            wrong = f"{folder} is not a folder of samples"
            given = _given(composed(folder.name), wrong, dataset)
            if not folder.is_dir():
                raise ValueError(f"{wrong}, but a file")
            if given in found:
                raise ValueError(f"{folder} has samples of the same subset as another folder")
            targets: dict[str, Path | NDArray[Any]] = {}
            for path in _entries(folder):
                name = composed(path.name if path.is_dir() else path.name.removesuffix(".npz"))
                if (m := known.get(name, name)) not in names:
                    hint = nearest(m, names)
                    raise ValueError(f"{path} is not a folder or .npz file of a modality{hint}")
                if m in targets:
                    raise ValueError(f"{targets[m]} and {path} are samples of the same modality")
                targets[m] = path
            found[given] = {m: targets[m] for m in names if m in targets}
        return cls(root, dataset, {s: found[s] for s in subsets(names) if s in found})

    @classmethod
    def of(
        cls, samples: Mapping[str, Mapping[str, NDArray[Any] | Path]], dataset: Dataset
    ) -> Samples:
        """Samples in memory, in a dictionary like such a folder.

        Args:
            samples: "joint" or modalities given, joined by + -> modality drawn -> array
                (N, *shape), or a file or a folder of it.
            dataset: Whose test examples they are of.

        Raises:
            LookupError: There is no such modality.
            ValueError: It is no such dictionary, or a subset is there twice.
        """
        root, names = "the dictionary of samples", [m.name for m in dataset.modalities]
        found: dict[tuple[str, ...], dict[str, Path | NDArray[Any]]] = {}
        for key, drawn in samples.items():
            given = _given(str(key), f"{root} has the key {key!r}", dataset)
            if given in found:
                raise ValueError(f"{root} has the subset {key!r} twice")
            if not isinstance(drawn, Mapping) or not drawn:
                expected = "expected a dictionary of modality drawn -> samples"
                raise ValueError(f"{root} has {type(drawn).__name__} at {key!r}, {expected}")
            for name in drawn:
                if name not in names:
                    hint = nearest(str(name), names)
                    raise LookupError(f"{dataset.name} has no modality {name!r}{hint}")
            found[given] = {m: drawn[m] for m in names if m in drawn}
        if not found:
            raise ValueError(f"{root} is empty, expected {JOINT!r} or modalities given -> samples")
        return cls(root, dataset, {s: found[s] for s in subsets(names) if s in found})

    def read(self, given: tuple[str, ...], rows: Tensor) -> Generated:
        """The samples of one subset in `found`, in the order of the test examples, `rows` (N,).

        Raises:
            ValueError: A file is damaged, or samples are missing, there twice, of no such
                example, or of another shape or range than their modality.
        """
        wanted = rows.tolist() if given else list(range(len(rows)))
        samples = {}
        for m, source in self.found[given].items():
            modality = self.dataset.modality(m)
            if isinstance(source, Path):
                numbers, x = (_files if source.is_dir() else _arrays)(source, modality, wanted)
                samples[m] = x[_places(numbers, wanted, source)]
            else:
                where = f"{m} given {folder_of(given)}" if given else f"{JOINT} {m}"
                samples[m] = _each(examples.checked(source, modality, where), wanted, where)
        return Generated(given, samples, rows)

    def fingerprint(self, rows: Tensor) -> str:
        """Sha256 of all samples, however they are stored; reads, and so checks, them all."""
        digest = hashlib.sha256()
        for given in self.found:
            for m, x in self.read(given, rows).samples.items():
                digest.update(f"{given} {m} {x.dtype} {tuple(x.shape)};".encode())
                digest.update(x.contiguous().numpy().data)
        return digest.hexdigest()


def _given(name: str, wrong: str, dataset: Dataset) -> tuple[str, ...]:
    """The modalities that "joint" or their names joined by + stand for; `wrong` begins a refusal.

    Raises:
        ValueError: It stands for none.
    """
    names = [m.name for m in dataset.modalities]
    known = {composed(m): m for m in names}
    parts = [known.get(m, m) for m in ([] if name == JOINT else name.split("+"))]
    given = tuple(m for m in names if m in parts)
    if len(given) < len(parts):
        unknown = next((m for m in parts if m not in names), name)
        expected = f"expected {JOINT}/ or modalities of {dataset.name} joined by +"
        raise ValueError(f"{wrong}, {expected}{nearest(unknown, [JOINT, *names])}")
    return given


def _each(x: Tensor, wanted: list[int], where: object) -> Tensor:
    """Samples, one for each of the test examples."""
    if len(x) != len(wanted):
        expected = f"expected {len(wanted):,}: one for each test example that is scored"
        raise ValueError(f"{where} has {len(x):,} samples, {expected}")
    return x


def _entries(folder: Path) -> list[Path]:
    """What a folder holds, without hidden files and litter."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder} of samples")
    entries = sorted(folder / entry.name for entry in visible(folder))
    if not entries:
        raise FileNotFoundError(f"{folder} is empty, expected samples")
    return entries


def _arrays(path: Path, modality: Modality, wanted: list[int]) -> tuple[list[int], Tensor]:
    """The numbers and the samples (N, *shape) of a .npz file."""

    def known(names: Collection[str]) -> Collection[str]:
        for name in names:
            if name not in ("samples", "index"):
                hint = meant(name, ["samples", "index"])
                expected = f"expected 'samples' (N, {', '.join(map(str, modality.shape))})"
                rest = "and 'index' (N,) where not all test examples were given"
                raise ValueError(f"{path} has an array {name!r}, {expected}, {rest}{hint}")
        if "samples" not in names:
            raise ValueError(f"{path} has no array 'samples'")
        return names

    arrays = load(path, known)
    x = examples.checked(arrays["samples"], modality, str(path))
    if "index" not in arrays:
        return wanted, _each(x, wanted, path)
    index = arrays["index"]
    if index.shape != (len(x),) or index.dtype.kind not in "ui":
        found = f"the index of {path} is {index.dtype} of shape {index.shape}"
        raise ValueError(f"{found}, expected ({len(x)},) numbers of test examples")
    return index.tolist(), x


def _files(folder: Path, modality: Modality, wanted: list[int]) -> tuple[list[int], Tensor]:
    """The numbers and the samples (N, *shape) of a folder with a file for each."""
    paths = _entries(folder)
    for path in paths:
        if not path.stem.isdecimal():
            expected = f"{wanted[0]}{examples.endings(modality)[0]}"
            raise ValueError(f"{path} has no number: expected e.g. {expected}")
    numbers = [int(path.stem) for path in paths]
    _places(numbers, wanted, folder)  # before all are read
    return numbers, torch.cat([examples.read(path, modality, resize=False) for path in paths])


def _places(numbers: list[int], wanted: list[int], where: Path) -> Tensor:
    """(N,) where the wanted numbers stand."""
    place = {number: i for i, number in enumerate(numbers)}
    if len(place) < len(numbers):
        twice = next(n for i, n in enumerate(numbers) if place[n] != i)
        raise ValueError(f"{where} has example {twice} twice, expected once")
    if missing := sorted(set(wanted) - set(place)):
        others = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise ValueError(f"{where} lacks test example {missing[0]}{others}")
    if unknown := sorted(set(place) - set(wanted)):
        scored = f"the {len(wanted):,} test examples that are scored"
        expected = f"expected {scored}, {min(wanted)} to {max(wanted)}"
        raise ValueError(f"{where} has a sample {unknown[0]}, {expected}")
    return torch.tensor([place[number] for number in wanted])
