"""A data set's decoded tensors in one file, so that only the first start has to decode.

The file is a safetensors file whose metadata state what it was made from (`fingerprint` of the
source files, or the name and version of what is made) and what it must hold
(`Dataset.fingerprint`); one that differs is made again.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mmbench.core.data import Batch, Dataset, Modality, Spectrogram, Split
from mmbench.files.atomic import replacing
from mmbench.files.regular import regular
from mmbench.progress import Progress

SUFFIX = ".safetensors"


def fingerprint(root: Path, names: Iterable[str], reader: str) -> str:
    """Sha256 of the names, sizes and times of change of source files; reads none of them.

    The names are relative to `root`, which is no part of the result, so that a folder may be
    moved; their order must not depend on the machine. `reader` is the data set's name and version,
    which is raised whenever the same files are decoded to something else.

    Raises:
        FileNotFoundError: One of the files is missing.
    """
    digest = hashlib.sha256(f"{reader}\n".encode())
    base = f"{root}{os.sep}"
    for name in names:
        found = os.stat(base + name)
        digest.update(os.fsencode(f"{name}/{found.st_size}/{found.st_mtime_ns}\n"))
    return digest.hexdigest()


def place(folder: Path, name: str, root: Path) -> Path:
    """The file in a cache folder for what is decoded from the files below `root`.

    There is one for each `root`: when its files change, the old decoding is replaced.
    """
    where = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:12]
    return folder / f"{name}-{where}{SUFFIX}"


def cached(path: Path, source: str, make: Callable[[], Dataset], progress: Progress) -> Dataset:
    """`make()`, unless a file holds what it once returned for the same source.

    The tensors of a file are mapped, not copied, so the system may drop and re-read their pages.
    If the file cannot be written, a line says so and the data set is returned all the same; what
    `make` raises is passed on, and nothing is kept. The source is what decides the content: the
    `fingerprint` of source files, or the name and version of what is made.
    """
    kept = _load(path, source)
    if kept is not None:
        return kept
    if path.exists():
        progress.say(f"{path} is damaged, or was made from other files: it is made again")
    data = make()
    try:
        _save(data, path, source)
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or error
        progress.say(f"{path} cannot be written ({why}): {data.name} will be made again next time")
    return data


def loader(
    name: str, version: int, make: Callable[[Progress], Dataset]
) -> Callable[[Path | None, Path, Progress], Dataset]:
    """`Source.load` of a data set that is made, not read: made once, then kept in the cache.

    It is made again when its version is raised.
    """

    def load(folder: Path | None, cache: Path, progress: Progress) -> Dataset:
        path = cache / f"{name}{SUFFIX}"
        found = cached(path, f"{name} {version}", lambda: make(progress), progress)
        return replace(found, version=version)  # which older files do not state

    return load


def _save(data: Dataset, path: Path, source: str) -> None:
    about = {key: getattr(data, key) for key in ("name", "classes", "sampling_rate", "version")}
    about["modalities"] = [asdict(m) for m in data.modalities]
    tensors: Batch = {}
    for title, split in (("train", data.train), ("test", data.test)):
        roles = {"tensors": split.tensors, "index": split.index}
        if split.labels is not None:
            roles["labels"] = {"": split.labels}
        for role, named in roles.items():
            tensors |= {f"{title}/{role}/{m}": _own(x) for m, x in named.items()}
    text = json.dumps(about)
    with replacing(path) as part:
        save_file(tensors, part, {"source": source, "about": text, "content": _seal(text, data)})


def _own(x: Tensor) -> Tensor:
    """On the CPU and not a part of another tensor, as safetensors wants it."""
    x = x.cpu().contiguous()
    return x if x.untyped_storage().nbytes() == x.nbytes else x.clone()


def _load(path: Path, source: str) -> Dataset | None:
    """What a file holds; None where it is missing, damaged or made from other files."""
    try:
        with safe_open(regular(path), "pt") as file:
            metadata = file.metadata()
            if metadata["source"] != source:
                return None
            tensors = {key: file.get_tensor(key) for key in file.keys()}
        about = json.loads(metadata["about"])
        modalities = tuple(map(_modality, about.pop("modalities")))
        train, test = _split(tensors, "train"), _split(tensors, "test")
        data = Dataset(modalities=modalities, train=train, test=test, **about)
        return data if _seal(metadata["about"], data) == metadata["content"] else None
    except (OSError, SafetensorError, AttributeError, LookupError, TypeError, ValueError):
        return None


def _modality(m: dict[str, Any]) -> Modality:
    # Older files of sounds lack the key and are made again; of other kinds it may be missing.
    how = m["spectrogram"] if m["kind"] == "sound" else None
    how = how and Spectrogram(**how)
    return Modality(m["name"], m["kind"], tuple(m["shape"]), tuple(m["words"]), how)


def _split(tensors: Batch, title: str) -> Split:
    named = {k: x for k, x in tensors.items() if k.startswith(f"{title}/")}
    views, index = (
        {k.rpartition("/")[2]: x for k, x in named.items() if f"/{role}/" in k}
        for role in ("tensors", "index")
    )
    return Split(views, index, named.get(f"{title}/labels/"))


def _seal(about: str, data: Dataset) -> str:
    return hashlib.sha256(f"{about}\n{data.content()}".encode()).hexdigest()
