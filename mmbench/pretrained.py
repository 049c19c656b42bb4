"""Pretrained evaluation networks: their weights are located and verified, never random.

A network is declared by a card of its published weights, `Weights`, which an entry point of the
group "mmbench.extractors" names; other packages add theirs to the same group. Nothing is
downloaded unless the user asks for it. Without the weights a score has a reason, never a number.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from mmbench import registry
from mmbench.core.data import Modality
from mmbench.core.score import Context, Networks, Unavailable
from mmbench.errors import argument, first_line
from mmbench.files.locks import alone
from mmbench.files.transfer import Unfetched
from mmbench.files.transfer import fetch as transfer
from mmbench.progress import Progress

FOLDER = "MMBENCH_WEIGHTS"
"""The environment variable that names a folder of weights."""


@dataclass(frozen=True)
class Weights:
    """A card of published weights.

    Attributes:
        name: As in `Context.weights`, and as users name files for it.
        title: What the network is, as in records.
        file: The name that the file is published under.
        url: Where.
        sha256: Of the published file; None where nobody publishes it, so that any file of that
            name is accepted (its own hash then identifies it in every score).
        dims: Number of features.
        load: (file, device) -> the network in evaluation mode. Raises ImportError, which names
            the extra to install, or ValueError, in a sentence.
        paper: Authors, title, year, url.
        size: Bytes of the published file, where known.
        concerns: Whether it judges samples of a data set of such modalities; by default of any.
    """

    name: str
    title: str
    file: str
    url: str
    sha256: str | None
    dims: int
    load: Callable[[Path, torch.device], nn.Module]
    paper: str
    size: int | None = None
    concerns: Callable[[Sequence[Modality]], bool] = lambda modalities: True

    @property
    def absent(self) -> str:
        """The reason of a score that lacks these weights."""
        return (
            f"the weights {self.file} are absent: get them from {self.url} and name the file as "
            f"weights of {self.name}, or put it into the folder that ${FOLDER} names"
        )

    @property
    def begins(self) -> str:
        """How the name of the network in records begins, before the sha256 of its weights."""
        return f"{self.title}, sha256:"


def opened(weights: Weights, context: Context) -> tuple[nn.Module, str, Networks]:
    """A network with its weights, its name in tables, and `Score.networks`.

    Raises:
        Unavailable: The weights, or the package that the network is from, are missing.
        FileNotFoundError, ValueError: As `locate`; or the file holds something else.
    """
    path = locate(weights, context.weights)
    if path is None:
        raise Unavailable(weights.absent, f"weights:{weights.name}")
    try:
        network = _read(weights, path, context.device)
    except ImportError as error:
        raise Unavailable.package(error) from None
    own = sha256(path)
    return network, f"{weights.begins}{own}", ((weights.name, own),)


def published(weights: Weights, file: Path | None, device: torch.device) -> nn.Module:
    """A network with the weights of a file, by default the published one that `locate` finds.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError, ValueError: As `Weights.load` and `locate`.
    """
    path = locate(weights, {} if file is None else {weights.name: file})
    if path is None:
        raise FileNotFoundError(weights.absent)
    return _read(weights, path, device)


def _read(weights: Weights, path: Path, device: torch.device) -> nn.Module:
    try:
        return _opened(weights, path, path.stat().st_mtime_ns, device)
    except (ImportError, OSError, ValueError, MemoryError):
        raise
    except Exception as error:  # a loader of another package may raise anything on a wrong file
        reason = f"{path} does not hold the weights of {weights.title} ({first_line(error)})"
        raise ValueError(reason) from error


@lru_cache(maxsize=4)
def _opened(weights: Weights, path: Path, modified: int, device: torch.device) -> nn.Module:
    return weights.load(path, device)


def locate(weights: Weights, named: Mapping[str, Path]) -> Path | None:
    """Finds a file of weights: as named by the user, in $MMBENCH_WEIGHTS, in torch's hub cache.

    A file that the user names may have any content (its own hash then identifies it in scores);
    a file found by its published name must be the published one. `named` gives the file that the
    user named for an extractor.

    Raises:
        FileNotFoundError: The file that the user named, or the folder, does not exist.
        ValueError: A file of the published name has another sha256.
    """
    if weights.name in named:
        given = Path(named[weights.name]).expanduser()
        if not given.is_file():
            raise FileNotFoundError(f"there is no file {given} of {weights.title}'s weights")
        return given
    folders = [_hub()]
    if os.environ.get(FOLDER):
        folders.insert(0, Path(os.environ[FOLDER]).expanduser())
        if not folders[0].is_dir():
            raise FileNotFoundError(f"${FOLDER} is {folders[0]}, which is no folder")
    path = next((p for folder in folders if (p := folder / weights.file).is_file()), None)
    if path is None:
        return None
    if weights.sha256 not in (None, found := sha256(path)):
        raise ValueError(
            f"{path} has the sha256 {found[:16]}…, the published file "
            f"{str(weights.sha256)[:16]}…: it is damaged or another one; delete it, or, "
            f"to use it all the same, name it as weights of {weights.name}"
        )
    return path


def named(assignments: Iterable[str], device: torch.device) -> dict[str, Path]:
    """The files of weights that a user named, for `Context.weights`.

    The assignments are "NAME=FILE", where NAME is registered or "module:object". Each file is
    opened on the device, so that a wrong one is reported before hours of training.

    Raises:
        ValueError: An assignment has another form, two name one network, the object is no card
            of weights, or the file holds something else.
        LookupError: There is no such extractor.
        FileNotFoundError: There is no such file.
        ImportError: An extra is not installed.
    """
    found: dict[str, Path] = {}
    for text in assignments:
        name, equals, file = text.partition("=")
        if not (name and equals and file):
            raise ValueError(f"{argument('weights')} {text} is not of the form NAME=FILE")
        weights = registry.find("extractors", name)
        if not isinstance(weights, Weights):
            raise ValueError(f"{name} is no extractor: expected an object of class Weights")
        if weights.name in found:
            both = f"{argument('weights')} names {found[weights.name]} and {file}"
            raise ValueError(f"{both} for {weights.title}, expected one file")
        path = Path(file).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {file} of {weights.title}'s weights")
        _read(weights, path, device)
        found[weights.name] = path
    return found


def fetch_needed(metrics: Iterable[str], named: Mapping[str, Path], progress: Progress) -> None:
    """Downloads the weights that metrics need and `locate` does not find, to torch's hub cache.

    Raises:
        LookupError: There is no such metric.
        OSError, ValueError: As `download` and `locate`.
    """
    for weights in needed(metrics):
        if locate(weights, named) is None:
            download(weights, _hub(), progress)


def needed(
    metrics: Iterable[str], modalities: Sequence[Modality] | None = None
) -> Iterator[Weights]:
    """The registered weights of the networks that metrics judge by.

    Args:
        metrics: Their names.
        modalities: Those that there are to judge; None where they are not known.

    Raises:
        LookupError: There is no such metric.
    """
    judges = {getattr(registry.find("metrics", name), "judge", None) for name in metrics}
    for weights in registered():
        if weights.name in judges and (modalities is None or weights.concerns(modalities)):
            yield weights


def registered() -> Iterator[Weights]:
    """All registered weights, except where their package is broken."""
    for name in registry.names("extractors"):
        try:
            weights = registry.find("extractors", name)
        except Exception:  # a broken package concerns only those who ask for its weights
            continue
        if isinstance(weights, Weights):
            yield weights


def download(weights: Weights, folder: Path, progress: Progress | None = None) -> Path:
    """Fetches and verifies the published file and returns its path.

    An interrupted transfer is resumed.

    Raises:
        FileNotFoundError: The file cannot be fetched.
        ValueError: The server did not send the published file.
        OSError: The folder cannot be written to, or the disk is full.
    """
    path = folder / weights.file
    proven = weights.sha256 is not None
    with alone(folder / f".{weights.file}.lock"):
        try:
            transfer(weights.url, path, weights.size, proven, progress or Progress(None))
        except Unfetched as error:
            raise FileNotFoundError(
                f"{weights.url} cannot be fetched ({error}): get it by other means and put it "
                f"into {folder}, or name it as weights of {weights.name}"
            ) from None
        if proven and (found := sha256(path)) != weights.sha256:
            path.unlink()
            message = f"{weights.url} did not send {weights.file}: its sha256 is {found}"
            raise ValueError(f"{message}, the published one {weights.sha256}")
    return path


def _hub() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def sha256(path: Path) -> str:
    """The sha256 of a file's content; an unchanged file is read once per process."""
    status = path.stat()
    return _sha256(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=16)
def _sha256(path: Path, modified: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
