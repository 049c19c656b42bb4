"""A data set of the user's own: a small TOML file that says what lies beside it.

    files = "birds"              # a folder, a .npz or a .pt file, seen from the TOML file
    classes = 200                # where examples have labels

    [modalities.photo]
    kind = "image"
    size = [64, 64]              # files of pictures are resized to this height and width

    [modalities.caption]
    kind = "text"

A folder holds {train,test}/<modality>/<example>.<ending>: pictures (.png, .jpg, ...), texts
(.txt) or arrays of one example (.npy); files of one name are one example, and labels are lines
"example,label" of {train,test}/labels.csv. A .npz or .pt file holds the arrays "train/<modality>"
(N, *shape), "train/labels" (N,), and where examples share rows or lack a modality
"train/<modality>/index" (N,), -1 for none; "test/..." likewise.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from mmbench.core.data import Batch, Dataset, Modality, Split
from mmbench.core.source import Source
from mmbench.datasets.formats.arrays import load
from mmbench.datasets.formats.cache import cached, fingerprint, place
from mmbench.datasets.formats.captions import SPECIALS
from mmbench.datasets.formats.paired import PARTS, Files, View
from mmbench.errors import concerning, first_line
from mmbench.files import tensors
from mmbench.files.toml import read_toml
from mmbench.progress import Progress
from mmbench.protocols.arguments import at_least, construct
from mmbench.records.paths import FORM, names_folder
from mmbench.registry import expect_file, meant, names, nearest

READER = "own 5"

WHOLE = (
    *(torch.bool, torch.uint8, torch.uint16, torch.uint32, torch.uint64),
    *(torch.int8, torch.int16, torch.int32, torch.int64),
)
"""What labels and indices may hold."""
NUMBERS = (*WHOLE, torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""What own data may hold."""

LARGEST = 100.0
"""The largest value of a vector: networks learn little from others than standardised values."""


@dataclass(frozen=True)
class Description:
    """What the TOML file says.

    Attributes:
        files: The folder or file with the data, seen from the TOML file.
        modalities: Name -> what it is, in the order in which models concatenate them.
        name: The data set's; by default the TOML file's.
        classes: Number of label values; counted by default.
        sampling_rate: Samples per second of the sounds, in hertz.
    """

    files: str
    modalities: dict[str, View]
    name: str = ""
    classes: int | None = None
    sampling_rate: int | None = None

    def __post_init__(self) -> None:
        if len(self.modalities) < 1:
            raise ValueError("it describes no modality")
        for name in ("classes", "sampling_rate"):
            if (value := getattr(self, name)) is not None:
                at_least(1, **{name: value})


def described(path: Path) -> Source:
    """The data set that a TOML file describes.

    Raises:
        FileNotFoundError: There is no such file, or not the data that it names.
        ValueError: It is not TOML, or says something that has no meaning.
    """
    expect_file(path)
    description: Description = construct(Description, read_toml(path), str(path))
    description = replace(description, name=description.name or path.stem)
    if not names_folder(name := description.name):
        raise ValueError(f"{path}: {name!r} cannot name a data set, expected at most 80 {FORM}")
    if name in names("datasets"):
        raise ValueError(f"{path}: {name!r} is the name of a registered data set: give another")
    data = path.parent / description.files
    if not data.exists():
        beside = (
            [p.name for p in data.parent.iterdir() if p != path] if data.parent.is_dir() else []
        )
        missing = f"{path} names the data {data}, which does not exist"
        raise FileNotFoundError(f"{missing}{meant(data.name, beside)}")

    def load(folder: Path | None, cache: Path, progress: Progress) -> Dataset:
        if data.is_dir():
            files = Files.find(data, list(description.modalities))
            source = f"{description} {fingerprint(data, files.names(), READER)}"
            kept = place(cache, description.name, data)
            return cached(kept, source, partial(_read, files, description, progress), progress)
        return _arrays(data, description)

    return Source(f"described by {path}", "", load)


def _arrays(path: Path, description: Description) -> Dataset:
    """The arrays of a .npz or .pt file."""
    needed = [f"{part}/{m}" for part in PARTS for m in description.modalities]
    known = {f"{part}/labels" for part in PARTS} | {f"{m}/index" for m in needed} | set(needed)

    def every(names: Collection[str]) -> Collection[str]:
        if missing := [key for key in needed if key not in names]:
            raise ValueError(f"{path} has no array {missing[0]}{nearest(missing[0], names)}")
        if unknown := sorted(set(names) - known):
            raise ValueError(f"{path} has an array {unknown[0]!r}{nearest(unknown[0], known)}")
        return names

    found = _open(path, every)
    splits = []
    with concerning(path):
        for part in PARTS:
            views = {
                m: compact(found[f"{part}/{m}"], view, f"{part}/{m}")
                for m, view in description.modalities.items()
            }
            numbers = {
                name: _numbers(found[key], f"the array {key}")
                for name in ("labels", *(f"{m}/index" for m in views))
                if (key := f"{part}/{name}") in found
            }
            index = {m: numbers[f"{m}/index"] for m in views if f"{m}/index" in numbers}
            splits.append(Split(views, index, numbers.get("labels")))
        words = {m: tuple(view.words or ()) for m, view in description.modalities.items()}
        return _dataset(description, splits[0], splits[1], words)


def _numbers(x: Tensor, where: str) -> Tensor:
    """Labels or an index, (N,) int64."""
    if x.dtype not in WHOLE or x.ndim != 1:
        shape = f"shape {tuple(x.shape)}"
        raise ValueError(f"{where} is {x.dtype} of {shape}, expected (N,) whole numbers")
    return x.long()


def _open(
    path: Path, choose: Callable[[Collection[str]], Collection[str]]
) -> Mapping[str, Tensor]:
    if path.suffix == ".pt":
        found = tensors.read(path)
        if not isinstance(found, dict) or not all(isinstance(x, Tensor) for x in found.values()):
            raise ValueError(f"{path} does not hold a dictionary of tensors")
        if strange := [type(key).__name__ for key in found if not isinstance(key, str)]:
            raise ValueError(f"{path} has a key of type {strange[0]}, expected names of arrays")
        choose(found)
        for name, x in found.items():
            if x.layout is not torch.strided or x.is_nested or x.is_meta or x.is_complex():
                wrong = f"{path}: {name} is sparse, nested, complex or without values"
                raise ValueError(f"{wrong}, expected a dense tensor of real numbers")
        return {name: x.detach() for name, x in found.items()}
    if path.suffix != ".npz":
        raise ValueError(f"{path} is neither a folder nor a .npz or .pt file")
    arrays = load(path, choose)
    try:
        return {name: torch.from_numpy(x) for name, x in arrays.items()}
    except TypeError as error:  # of numbers that torch lacks
        why = first_line(error)
        raise ValueError(f"{path} has an array that torch cannot hold ({why})") from None


def _read(files: Files, description: Description, progress: Progress) -> Dataset:
    """The files of a folder."""
    words: dict[str, tuple[str, ...]] = {}
    parts: dict[str, Batch] = {part: {} for part in PARTS}
    total = len(description.modalities) * len(PARTS)
    with progress.stage(f"reading {description.name}", total, unit="folder") as bar:
        for m, view in description.modalities.items():
            own = view.kind == "text" and not view.words
            words[m] = files.vocabulary(m, view.least) if own else tuple(view.words or ())
            known = replace(view, words=list(words[m]) or None)
            for part in PARTS:
                x = files.read(part, m, known)
                parts[part][m] = compact(x, known, f"{part}/{m} of {files.root}")
                bar.update(bar.done + 1)
    index = {part: files.index(part) for part in PARTS}
    labels = {part: files.labels(part) for part in PARTS}
    with concerning(files.root):
        train, test = (Split(parts[p], index[p], labels[p]) for p in PARTS)
        return _dataset(description, train, test, words)


def _dataset(
    description: Description, train: Split, test: Split, words: Mapping[str, tuple[str, ...]]
) -> Dataset:
    for m, view in description.modalities.items():
        columns = train.tensors[m][0].numel()
        named = len(words[m]) == len(set(words[m])) == columns
        if view.kind == "attributes" and words[m] and not named:
            wrong = f"{m} has the words {', '.join(words[m])}"
            raise ValueError(f"{wrong}, expected {columns} different ones")
    if (train.labels is None) != (test.labels is None):
        part = "test" if train.labels is None else "train"
        raise ValueError(f"only the {part} split has labels, expected both or neither")
    modalities = tuple(
        Modality(m, view.kind, tuple(train.tensors[m].shape[1:]), words[m])
        for m, view in description.modalities.items()
    )
    classes = description.classes
    if classes is None and train.labels is not None:
        classes = int(train.labels.max()) + 1
    return Dataset(description.name, modalities, train, test, classes, description.sampling_rate)


def compact(x: Tensor, view: View, where: str) -> Tensor:
    """Checks the values of a kind and makes them small: (N, *shape).

    Raises:
        ValueError: The kind has other shapes or values.
    """
    if x.ndim < 2 or x.numel() == 0:
        raise ValueError(f"{where} has shape {tuple(x.shape)}, expected (N, ...), nothing empty")
    if x.dtype not in NUMBERS:
        raise ValueError(f"{where} is {x.dtype}, expected bool, whole numbers or floats")
    if x.dtype in (torch.uint16, torch.uint32, torch.uint64):
        x = x.long()  # torch compares no others
    channels = {"image": (1, 3), "mask": (1,), "sound": ()}.get(view.kind)
    if channels is not None and (x.ndim != 4 or (channels and x.shape[1] not in channels)):
        which = f" with channels = {' or '.join(map(str, channels))}" if channels else ""
        wanted = f"(N, channels, height, width){which}"
        raise ValueError(f"{where} has shape {tuple(x.shape)}, expected {wanted}")
    for name, found, kinds in (
        ("size", list(x.shape[-2:]), ("image", "mask")),
        ("channels", x.shape[1], ("image",)),
        ("length", x.shape[-1], ("text",)),
    ):
        said = getattr(view, name)
        if view.kind in kinds and said not in (getattr(View, name), found):
            wrong = f"{where} has the {name} {found}, but its description says {said}"
            raise ValueError(f"{wrong}: arrays are taken as they are")
    if x.is_floating_point() and not bool(x.isfinite().all()):
        raise ValueError(f"{where} has values that are not finite")
    if view.kind == "text":
        count = len(view.words or ())
        if x.is_floating_point() or not 0 <= int(x.min()) <= int(x.max()) < count:
            raise ValueError(f"{where} has values that are not tokens from 0 to {count - 1}")
        if tuple(view.words or ())[: len(SPECIALS)] == SPECIALS and int(x.max()) < len(SPECIALS):
            raise ValueError(f"{where} has texts without a word of the vocabulary")
        return x.to(torch.int16 if count < 2**15 else torch.int32)
    if view.kind == "trajectory":
        if x.ndim != 2 or x.shape[1] % 2 or not 0 <= float(x.min()) <= float(x.max()) <= 1:
            wrong = f"shape {tuple(x.shape)} and values from {x.min():g} to {x.max():g}"
            raise ValueError(f"{where} has {wrong}, expected (N, 2n), x before y, in [0, 1]")
        return x.float()
    if view.kind == "vector":
        if (largest := float(x.double().abs().max())) > LARGEST:
            wrong = f"{where} has values as large as {largest:g}, expected at most {LARGEST:g}"
            raise ValueError(
                f"{wrong}: subtract the training examples' mean, divide by their deviation"
            )
        return x.float()
    if x.dtype in (torch.bool, torch.uint8) and view.kind in ("image", "sound"):
        return x if x.dtype == torch.uint8 else x.to(torch.uint8) * 255
    low, high = float(x.min()), float(x.max())
    top = 255 if x.dtype == torch.uint8 and high > 1 else 1
    if not 0 <= low <= high <= top:
        raise ValueError(f"{where} has values from {low:g} to {high:g}, expected [0, 1] or uint8")
    if view.kind == "image":
        return (x * 255).round().to(torch.uint8)
    if view.kind == "sound":
        return x.float()
    if not bool(((x == 0) | (x == top)).all()):
        rule = "a mask is" if view.kind == "mask" else "attributes are"
        raise ValueError(f"{where} has values between 0 and {top}; {rule} 0 or 1")
    return x > 0
