"""Reading what torch.save wrote, without running code that a file may hold."""

import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mmbench.errors import last_line
from mmbench.files.regular import regular


def read(path: Path) -> Any:
    """The tensors in a file, mapped where its format allows.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, no regular file, or holds more than tensors, numbers and texts.
    """
    regular(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # of how it was pickled
            # only zip files can be mapped; torch wrote another format before 1.6
            return torch.load(path, "cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (FileNotFoundError, PermissionError, MemoryError):
        raise
    except Exception:  # unpickling damaged bytes raises anything
        raise ValueError(f"{path} is damaged, or holds more than tensors") from None


def load_state(
    network: nn.Module, path: Path, title: str, unused: Sequence[str] = ()
) -> nn.Module:
    """Fills a network with the state dict of a file; returns it in evaluation mode, frozen.

    The file must hold all of the network's parameters and nothing else but those that are
    `unused`; messages call the network by its title.

    Raises:
        ValueError: The file does not hold the weights of this network.
    """
    try:
        state: Any = read(path)
    except ValueError:
        raise ValueError(f"{path} is not a readable file of weights") from None
    if not isinstance(state, dict):
        expected = f"a state dict with the parameters of {title}"
        raise ValueError(f"{path} holds a {type(state).__name__}, expected {expected}")
    state = {k: x for k, x in state.items() if k not in unused}
    names = {k for k in network.state_dict() if not k.endswith("num_batches_tracked")}
    missing, surplus = names - set(state), set(state) - set(network.state_dict())
    if missing or surplus:
        example = f"lacks {min(missing)}" if missing else f"has {min(map(str, surplus))} besides"
        raise ValueError(
            f"{path} is not {title}: of its {len(names)} parameters it holds "
            f"{len(names) - len(missing)}, and {len(surplus)} others (it {example})"
        )
    try:
        network.load_state_dict(state)  # a plain dict: counters of batches are filled in
    except RuntimeError as error:
        raise ValueError(f"{path} is not {title}: {last_line(error)}") from None
    if not all(x.isfinite().all() for x in state.values()):
        raise ValueError(f"{path} has parameters that are not finite")
    return network.eval().requires_grad_(False)
