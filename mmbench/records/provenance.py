"""What a number was measured with: versions, source tree, hardware."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from mmbench.registry import names

if TYPE_CHECKING:
    import torch


def versions(metrics: Iterable[str], model: str = "") -> dict[str, str]:
    """The versions of all packages that the numbers depend on, those of plug-ins included."""
    import torch

    found = {
        "python": platform.python_version(),
        "mmbench": version("mmbench"),
        "torch": torch.__version__,
    }
    entries = [names("models").get(model), *map(names("metrics").get, metrics)]
    return found | {e.dist.name: e.dist.version for e in entries if e and e.dist}


def in_words(device: torch.device) -> str:
    """A device as in records."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    capability = torch.backends.cpu.get_cpu_capability()  # half precision depends on it
    return f"{device.type}, {platform.machine()} {capability}, {torch.get_num_threads()} threads"


def commit() -> str | None:
    """The commit of the mmbench that runs, where it runs from a checkout."""
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():
        return None  # an installed copy; a repository further up is somebody else's
    git = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        found = subprocess.run(git, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None
