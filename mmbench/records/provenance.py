"""What a number was measured with: versions, source tree, hardware."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import distribution, version
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
    """The commit of the mmbench that runs, if it runs from a checkout or was installed from git.

    pip notes the commit of what it installs from a repository (PEP 610).
    """
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():  # a repository further up is somebody else's
        return _installed()
    git = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        found = subprocess.run(git, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None


def _installed() -> str | None:
    """The commit that pip noted."""
    noted = distribution("mmbench").read_text("direct_url.json")
    origin: dict[str, dict[str, str]] = json.loads(noted) if noted else {}
    return origin.get("vcs_info", {}).get("commit_id")
