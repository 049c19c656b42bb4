"""Files of weights."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from mmbench.errors import first_line
from mmbench.files.atomic import replacing


def save_weights(path: Path, module: nn.Module, **metadata: str) -> None:
    """Writes a module's parameters and buffers as safetensors."""
    state = {k: x.detach().cpu().clone().contiguous() for k, x in module.state_dict().items()}
    with replacing(path) as part:
        part.write_bytes(save(state, metadata))


def load_weights(path: Path, module: nn.Module) -> dict[str, str]:
    """Loads weights that `save_weights` wrote into a module; returns their metadata.

    Raises:
        ValueError: The file is damaged, or belongs to another network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}
            metadata = dict(file.metadata() or {})
        module.load_state_dict(state)
    except (SafetensorError, RuntimeError) as error:
        why, again = first_line(error).rstrip(":."), "delete it to train again"
        wrong = f"{path} does not hold the weights of this network ({why})"
        raise ValueError(f"{wrong}; {again}") from None
    return metadata
