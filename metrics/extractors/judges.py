"""Evaluation networks that are trained on a data set and kept in the cache.

Where the cache cannot be written, the next process trains the network again, unless it comes with
mmbench.

A network that is trained on another processor has other weights, and seeds that are evaluated by
different networks are not averaged. So the networks of the twins come with mmbench, and nobody
trains them.
"""

import hashlib
import shutil
from collections.abc import Callable, Hashable
from filecmp import cmp
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar, cast
from weakref import WeakKeyDictionary

import torch
from torch import nn

from mmbench.core.data import Dataset
from mmbench.core.score import Context
from mmbench.files.atomic import replacing
from mmbench.files.locks import alone
from mmbench.files.sealed import Damaged, read_json, recalled, write_json

Network = TypeVar("Network", bound=nn.Module)
Judge = TypeVar("Judge")

TRAINED = Path(__file__).parents[1] / "trained"
"""The networks that come with mmbench: folders as in the cache, named by what was learnt."""


def trained(
    title: str, folder: Path, seed: int, fit: Callable[[Path], Network], context: Context
) -> Network:
    """A network with a random stream of its own, trained or read by one process at a time.

    Args:
        title: What messages call it.
        folder: Where it is kept; its name is a hash of what is learnt, and how.
        seed: Seeds torch's generator while it is built; the caller's generators do not change.
        fit: (a folder for the trainer) -> the trained network.
        context: Where to compute and to report.
    """

    def made(place: Path) -> Network:
        devices = [context.device] if context.device.type == "cuda" else []
        with torch.random.fork_rng(devices), alone(place / "lock", context.progress.waiting):
            for file in (TRAINED / folder.name).glob("*.safetensors"):
                _copy(file, place / file.name)
            torch.manual_seed(seed)
            try:
                return fit(place)
            except Damaged as error:
                context.progress.say(f"{error}: {title} is trained again")
                for file in (*place.glob("*.safetensors"), *place.glob("*.checkpoint")):
                    file.unlink()
                torch.manual_seed(seed)
                return fit(place)

    try:
        return made(folder)
    except OSError as error:
        context.progress.say(f"{title} cannot be kept in {folder} ({error})")
        with TemporaryDirectory() as temporary:
            return made(Path(temporary) / folder.name)  # a file is sealed with its folder's name


def once(
    dataset: Dataset, context: Context, names: tuple[str, ...], make: Callable[[], Judge]
) -> Judge:
    """A judge of some modalities of a data set, made once a process."""
    ready = READY.setdefault(dataset, {})
    key = (*names, context.device, context.cache)
    if key not in ready:
        with context.for_all():
            ready[key] = make()
    return cast(Judge, ready[key])


READY: WeakKeyDictionary[Dataset, dict[Hashable, object]] = WeakKeyDictionary()
"""The judges of this process: data set -> (modalities, device, cache) -> judge."""


def kept(
    path: Path, count: int, measure: Callable[[], tuple[float, ...]], context: Context
) -> tuple[float, ...]:
    """So many numbers measured on a judge: read from a file, or else measured and kept there."""

    def read(path: Path) -> tuple[float, ...]:
        numbers = read_json(path)
        sound = isinstance(numbers, list) and all(isinstance(x, int | float) for x in numbers)
        if not sound or len(numbers) != count:
            raise Damaged(f"{path} does not hold {count} numbers")
        return tuple(numbers)

    return recalled(path, read, measure, write_json, context.progress.say)


def _copy(file: Path, to: Path) -> None:
    if not (to.exists() and cmp(file, to, shallow=False)):
        with replacing(to) as part:
            shutil.copyfile(file, part)


def weights_hash(network: nn.Module) -> str:
    """Sha256 of a network's parameters and buffers, as records show it."""
    digest = hashlib.sha256()
    for name, x in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(x.shape)};".encode())
        digest.update(x.cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]
