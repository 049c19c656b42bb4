"""What this machine has of what mmbench can use: packages, device, caches, weights and data."""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

import torch

from mmbench.api.device import compute_device, cores
from mmbench.api.places import SWEEPS, cache_folder, data_folder
from mmbench.datasets.checksums import is_there
from mmbench.datasets.download import home
from mmbench.datasets.load import source
from mmbench.errors import first_line, sentence
from mmbench.extras import command, installed
from mmbench.files.locks import supported
from mmbench.files.transfer import readable
from mmbench.pretrained import FOLDER, locate, registered
from mmbench.records.provenance import in_words
from mmbench.registry import names
from mmbench.training.compilation import lacking
from mmbench.training.precision import has_half

PACKAGES = ("mmbench", "torch", "torchvision", "numpy", "scipy", "pandas")
MADE = ("features", "references", SWEEPS)
"""Folders of the cache that are made again, to the same values, when they are needed."""
KEPT = {
    "classifiers": "evaluation networks trained here, which records name",
    "dual-encoders": "evaluation networks trained here, which records name",
    "data": "downloaded data sets",
}
"""Folders of the cache that cleaning leaves, and what they hold."""


def examine(results: Path) -> Iterator[tuple[str, list[str]]]:
    """Examines the machine, one topic after the other; nothing is downloaded or changed.

    Args:
        results: The results folder that runs are to be written to.

    Yields:
        The topic and its lines. A line that begins with "!" says what to do about it.
    """
    topics: dict[str, Callable[[], list[str]]] = {
        "versions": _versions,
        "device": _device,
        "results folder": lambda: _results(results),
        "cache": _cache,
        "extras": _extras,
        "weights": _weights,
        "data sets": _data,
        "completion": _completion,
    }
    for topic, lines in topics.items():
        try:
            yield topic, lines()
        except Exception as error:
            if not (words := sentence(error)):
                raise
            yield topic, [f"! {words}"]


def clean() -> tuple[list[Path], int]:
    """Removes from the cache what is made again when it is needed.

    Downloads and evaluation networks stay: networks that are trained again have other weights, and
    scores by them are not comparable with those of the old ones.

    Returns:
        What was removed, and its bytes.

    Raises:
        OSError: A file cannot be removed.
    """
    removed, freed = [], 0
    for path in _remade(cache_folder()):
        freed += _size(path)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        removed.append(path)
    return removed, freed


def _versions() -> list[str]:
    lines = [f"Python {platform.python_version()}, {sys.executable}"]
    for package in PACKAGES:
        try:
            lines.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            lines.append(f"! {package} is missing: {command(None)}")
    return lines


def _device() -> list[str]:
    device = compute_device("auto")
    single = "is computed in single precision"
    half = "is as fast as it should be" if has_half(device) else single
    missing = lacking()
    compile_ = f"! compile = true needs {' and '.join(missing)}" if missing else "can compile"
    return [
        in_words(device),
        f"{torch.get_num_threads()} threads on {cores()} cores (OMP_NUM_THREADS sets them)",
        f'precision = "bfloat16" {half}',
        compile_,
    ]


def _results(folder: Path) -> list[str]:
    there = folder
    while not there.exists():
        there = there.resolve().parent
    if not there.is_dir() or not os.access(there, os.W_OK):
        return [f"! {there} cannot be written to: name another folder by --out"]
    free = f"{readable(shutil.disk_usage(there).free)} free"
    if supported(there):
        return [f"{folder} can be written to and locked, {free}"]
    how = "files stand for locks, which a killed process leaves behind"
    return [f"{folder} can be written to, {free}; its file system has no locks: {how}"]


def _cache() -> list[str]:
    cache = cache_folder()
    if not cache.is_dir():
        return [f"{cache} is made by the first run (MMBENCH_CACHE names another)"]
    remade = sum(map(_size, _remade(cache)))
    lines = [f"{cache}, {readable(_size(cache))} in all (MMBENCH_CACHE names another)"]
    for name, what in KEPT.items():
        if (cache / name).is_dir():
            lines.append(f"{name}/ {readable(_size(cache / name))}: {what}")
    again = f"{readable(remade)} can be made again"
    return [*lines, f"{again}: 'mmbench doctor --clean' removes them" if remade else again]


def _extras() -> list[str]:
    known = metadata("mmbench").get_all("Provides-Extra") or []
    return [f"{e}: {'installed' if installed(e) else command(e)}" for e in sorted(known)]


def _weights() -> list[str]:
    lines = []
    for card in registered():
        how = f"mmbench run --download-weights, or put {card.file} into the folder ${FOLDER} names"
        try:
            path = locate(card, {})
        except (OSError, ValueError) as error:  # a damaged file hides none of the others
            lines.append(f"! {card.name}: {first_line(error)}")
            continue
        lines.append(f"{card.name}: {path}" if path else f"! {card.name}: {how}")
    return lines


def _data() -> list[str]:
    folder = Path(os.environ.get("MMBENCH_DATA") or data_folder())
    lines = [f"in {folder} (MMBENCH_DATA names another)"]
    for name in names("datasets"):
        try:
            files = source(name).files
        except Exception as error:  # another package's mistakes hide nothing of the others
            lines.append(f"! {name}: it cannot be imported ({first_line(error)})")
            continue
        if not files:
            lines.append(f"{name}: made on the spot")
            continue
        place = home(name, folder)
        if all(is_there(place, file) for file in files):
            lines.append(f"{name}: {place}")
        elif place.is_dir():
            lines.append(f"{name}: {place}, not fetched by mmbench, which has no hashes of it")
        else:
            get = f"mmbench data download {name}, or --data DIR where it lies elsewhere"
            lines.append(f"! {name}: not in {place}: {get}")
    return lines


def _completion() -> list[str]:
    shell = Path(os.environ.get("SHELL") or "bash").name
    if shell == "fish":
        line = "_MMBENCH_COMPLETE=fish_source mmbench | source"
        return [f"in ~/.config/fish/completions/mmbench.fish: {line}"]
    shell = "zsh" if shell == "zsh" else "bash"
    return [f'in ~/.{shell}rc: eval "$(_MMBENCH_COMPLETE={shell}_source mmbench)"']


def _remade(cache: Path) -> Iterator[Path]:
    """Parts of the cache that are made again: features, references, and prepared data sets."""
    for path in sorted(cache.iterdir()) if cache.is_dir() else ():
        if path.name in MADE or path.suffix == ".safetensors":
            yield path


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if not file.is_dir())
