"""Networks that are trained on a data set in order to judge samples, and kept in the cache.

A cache that cannot be written only costs time: the network is then trained again when the next
process wants it.

Trained on another processor a network has other weights, and seeds that were seen through
different networks have no mean. So networks of a twin come with mmbench, and stand in for
training.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from filecmp import cmp
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import torch
from filelock import FileLock
from safetensors import SafetensorError
from torch import nn

from mmbench.core.score import Context
from mmbench.files.atomic import replacing

Network = TypeVar("Network", bound=nn.Module)

TRAINED = Path(__file__).parents[1] / "trained"
"""The networks that come with mmbench: folders as in the cache, named by what was learnt."""


def trained(
    title: str, folder: Path, seed: int, fit: Callable[[Path], Network], context: Context
) -> Network:
    """A network by its own random stream, trained or read again by one process at a time.

    Args:
        title: For messages.
        folder: Where it is kept; its name tells what is learnt, and how.
        seed: Of torch's generator while it is built; the caller's generators stay as they are.
        fit: (a folder for the trainer) -> the trained network.
        context: Where to compute and to report.
    """

    def alone(place: Path) -> Network:
        devices = [context.device] if context.device.type == "cuda" else []
        with torch.random.fork_rng(devices), FileLock(place / "lock"):
            for file in (TRAINED / folder.name).glob("*.safetensors"):
                _copy(file, place / file.name)
            torch.manual_seed(seed)
            return fit(place)

    try:
        folder.mkdir(parents=True, exist_ok=True)
        return alone(folder)
    except (OSError, SafetensorError) as error:
        context.progress.say(f"{title} cannot be kept in {folder} ({error})")
        with TemporaryDirectory() as temporary:
            return alone(Path(temporary))


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
