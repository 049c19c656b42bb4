"""Files of weights."""

import json
import math
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError, safe_open
from torch import nn

from mmbench.errors import first_line
from mmbench.files import sealed
from mmbench.files.sealed import Damaged

AGAIN = "delete it to train again"

Seconds = TypeVar("Seconds", float, dict[str, float])


def save_weights(path: Path, module: nn.Module, **metadata: str) -> None:
    """Writes a module's parameters and buffers as safetensors, sealed."""
    state = {k: x.detach().cpu().clone().contiguous() for k, x in module.state_dict().items()}
    sealed.write_tensors(path, state, metadata)


def load_weights(path: Path, module: nn.Module) -> dict[str, str]:
    """Loads weights that `save_weights` wrote into a module; returns their metadata.

    Raises:
        Damaged: The file does not match its seal, or belongs to another network.
    """
    try:
        state, metadata = sealed.read_tensors(path, older=True)
    except Damaged as error:
        raise Damaged(f"{error}; {AGAIN}") from None
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        why = first_line(error).rstrip(":.")
        wrong = f"{path} does not hold the weights of this network ({why})"
        raise Damaged(f"{wrong}; {AGAIN}") from None
    return metadata


def metadata_of(path: Path) -> dict[str, str]:
    """What a file of weights says of itself, unverified; nothing where it cannot be read."""
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (OSError, SafetensorError):
        return {}


def seconds_in(metadata: dict[str, str], kind: type[Seconds], path: Path) -> Seconds:
    """How long the training took, as the metadata of a file tell: of one stage, or of each.

    Raises:
        Damaged: They do not tell.
    """
    try:
        found = json.loads(metadata["seconds"])
    except (KeyError, ValueError):
        found = None
    numbers = list(found.values()) if isinstance(found, dict) else [found]
    sound = all(isinstance(x, int | float) and 0 <= x < math.inf for x in numbers)
    if not isinstance(found, kind) or not sound:
        raise Damaged(f"{path} does not say how many seconds its training took; {AGAIN}")
    return found
