"""Pretrained networks that metrics look through: located, verified, never random.

Nothing is downloaded unless `download` is called. Weights that are absent make a score without a
value and with a reason, never a number.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmbench.core import Context, Modality

FOLDER = "MMBENCH_WEIGHTS"
"""The environment variable that names a folder of weights."""


@dataclass(frozen=True)
class Weights:
    """A card of published weights.

    Attributes:
        name: As in `Context.weights` and the flag `--<name>-weights`.
        title: What the network is.
        file: The name that the file is published under.
        url: Where.
        sha256: Of the published file.
        dims: Number of its features.
    """

    name: str
    title: str
    file: str
    url: str
    sha256: str
    dims: int

    @property
    def absent(self) -> str:
        """The reason of a score that lacks these weights."""
        return (
            f"the weights {self.file} are absent: get them from {self.url} and name the file with "
            f"--{self.name}-weights FILE, or put it into the folder that ${FOLDER} names"
        )


INCEPTION = Weights(
    name="inception",
    title="FID Inception",
    file="pt_inception-2015-12-05-6726825d.pth",
    url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth",
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    dims=2048,
)
"""The Inception v3 of 2015-12-05, ported to PyTorch by Seitzer, "pytorch-fid", 2020,
https://github.com/mseitzer/pytorch-fid."""


def locate(weights: Weights, context: Context) -> Path | None:
    """Finds a file of weights: the one the user named, $MMBENCH_WEIGHTS, torch's hub cache.

    A file that the user named may have any content (its own hash then names it in the scores);
    one that is found by its published name must be the published one.

    Raises:
        FileNotFoundError: The file that the user named does not exist.
        ValueError: A file of the published name has another sha256.
    """
    if weights.name in context.weights:
        named = Path(context.weights[weights.name]).expanduser()
        if not named.is_file():
            raise FileNotFoundError(f"--{weights.name}-weights names {named}, which is not a file")
        return named
    folders = [Path(os.environ[FOLDER]).expanduser()] if os.environ.get(FOLDER) else []
    for folder in [*folders, Path(torch.hub.get_dir()) / "checkpoints"]:
        path = folder / weights.file
        if path.is_file():
            if (found := sha256(path)) != weights.sha256:
                raise ValueError(
                    f"{path} has the sha256 {found[:16]}…, the published file "
                    f"{weights.sha256[:16]}…: it is damaged or another one; delete it, or, to use "
                    f"it all the same, name it with --{weights.name}-weights"
                )
            return path
    return None


def download(weights: Weights, folder: Path) -> Path:
    """Fetches the published file, verifies it, and returns where it lies; only when asked to.

    Raises:
        OSError: The address cannot be reached, or the folder not be written to.
        ValueError: What came is not the published file.
    """
    path = folder / weights.file
    folder.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(weights.url, str(path), weights.sha256)
    except RuntimeError as error:  # torch's word for a wrong hash; it leaves no file behind
        raise ValueError(f"{weights.url} did not send {weights.file}: {error}") from None
    return path


def fetch(weights: Weights) -> Path:
    """The published file in torch's hub cache, downloaded if it is not there.

    Raises:
        OSError, ValueError: As `download`.
    """
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    present = folder / weights.file
    return present if present.is_file() else download(weights, folder)


def sha256(path: Path) -> str:
    """Of a file's content; a file that did not change is read once a process."""
    status = path.stat()
    return _sha256(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=16)
def _sha256(path: Path, modified: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_inception(path: Path, device: torch.device) -> nn.Module:
    """The FID Inception with the weights of a file.

    Args:
        path: A state dict under pytorch-fid's names; `fc.weight` and `fc.bias`, which FID does
            not use, may lack.
        device: Where to.

    Returns:
        A network from (B, 3, 299, 299) in [−1, 1] to the (B, 2048) features "pool3", in
        evaluation mode and channels-last memory.

    Raises:
        ImportError: pytorch-fid is not installed.
        ValueError: The file does not hold the weights of this network.
    """
    network = fid_inception()
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is not a readable file of weights "
                         f"({type(error).__name__})") from None  # fmt: skip
    if not isinstance(state, dict):
        raise ValueError(f"{path} holds a {type(state).__name__}, expected a state dict with the "
                         f"parameters of {INCEPTION.title}")  # fmt: skip
    state = {k: x for k, x in state.items() if k not in ("fc.weight", "fc.bias")}
    expected = {k for k in network.state_dict() if not k.endswith("num_batches_tracked")}
    missing, surplus = expected - set(state), set(state) - set(network.state_dict())
    if missing or surplus:
        example = f"lacks {min(missing)}" if missing else f"has {min(map(str, surplus))} besides"
        raise ValueError(
            f"{path} is not {INCEPTION.title}: of its {len(expected)} parameters it holds "
            f"{len(expected) - len(missing)}, and {len(surplus)} others (it {example})"
        )
    try:
        network.load_state_dict(state)  # a plain dict: counters of batches are filled in
    except RuntimeError as error:
        raise ValueError(f"{path} is not {INCEPTION.title}: "
                         f"{str(error).splitlines()[-1].strip()}") from None  # fmt: skip
    if not all(x.isfinite().all() for x in state.values()):
        raise ValueError(f"{path} has parameters that are not finite")
    network.eval().requires_grad_(False)
    return network.to(device).to(memory_format=torch.channels_last)


def fid_inception() -> nn.Module:
    """pytorch-fid's network, untrained: its own `fid_inception_v3` would download the weights.

    Raises:
        ImportError: pytorch-fid is not installed.
    """
    try:
        from pytorch_fid import inception as fid
        from torchvision.models import Inception3
    except ImportError as error:
        raise ImportError(
            f"FID needs pytorch-fid ({error}); install it with: pip install 'mmbench[fid]'"
        ) from None
    network: nn.Module = Inception3(num_classes=1008, aux_logits=False, init_weights=False)
    network.Mixed_5b = fid.FIDInceptionA(192, pool_features=32)
    network.Mixed_5c = fid.FIDInceptionA(256, pool_features=64)
    network.Mixed_5d = fid.FIDInceptionA(288, pool_features=64)
    network.Mixed_6b = fid.FIDInceptionC(768, channels_7x7=128)
    network.Mixed_6c = fid.FIDInceptionC(768, channels_7x7=160)
    network.Mixed_6d = fid.FIDInceptionC(768, channels_7x7=160)
    network.Mixed_6e = fid.FIDInceptionC(768, channels_7x7=192)
    network.Mixed_7b = fid.FIDInceptionE_1(1280)
    network.Mixed_7c = fid.FIDInceptionE_2(2048)
    network.fc = nn.Identity()
    return network


def check(samples: Tensor, modality: Modality) -> None:
    """Refuses samples (N, *shape) that are not of a modality.

    Raises:
        ValueError: They have another shape, or are not finite.
    """
    if tuple(samples.shape[1:]) != modality.shape or not len(samples):
        raise ValueError(f"samples of {modality.name} have shape {tuple(samples.shape)}, expected "
                         f"(N, {', '.join(map(str, modality.shape))})")  # fmt: skip
    for start in range(0, len(samples), 1024):
        bad = (~samples[start : start + 1024].isfinite()).flatten(1).any(1).nonzero()
        if len(bad):
            raise ValueError(f"samples of {modality.name} are not finite, the first of them in "
                             f"row {start + int(bad[0])}")  # fmt: skip


def batches(
    samples: Tensor, modality: Modality, size: int, device: torch.device
) -> Iterator[Tensor]:
    """Samples on their way into a network, `size` at a time, once all are found good.

    Args:
        samples: (N, *shape).
        modality: What they should be.
        size: Of a batch.
        device: Where the network is.

    Raises:
        ValueError: They have another shape, or are not finite.
    """
    check(samples, modality)
    for start in range(0, len(samples), size):
        yield samples[start : start + size].to(device)
