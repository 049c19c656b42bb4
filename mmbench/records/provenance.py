"""What a number was measured with: versions, source tree, hardware."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import torch

from mmbench.registry import locate, names


def versions(metrics: Iterable[str], model: str = "") -> dict[str, str]:
    """Of what the numbers depend on, the packages that register a model and metrics included."""
    found = {"python": platform.python_version(), "mmbench": version("mmbench"),
             "torch": torch.__version__}  # fmt: skip
    entries = [names("models").get(model), *map(names("metrics").get, metrics)]
    return found | {e.dist.name: e.dist.version for e in entries if e and e.dist}


def code(objects: Iterable[str]) -> dict[str, str]:
    """Module or package -> sha256 of its sources, of "module:object" or "" (none).

    mmbench's own is left out. Of a package it is that of all its files; what a module imports from
    elsewhere is not in it.

    Raises:
        LookupError: There is no such module or object.
    """
    found = {}
    for module, _, attribute in (o.partition(":") for o in objects if o):
        name = module.partition(".")[0]
        if name != "mmbench":
            locate(module, attribute)
            found[name] = _sources(sys.modules[name])
    return found


@cache
def _sources(module: ModuleType) -> str:
    """As they were imported, or nearly: read once in a process, whatever is edited meanwhile."""
    whole = hashlib.sha256()
    file = getattr(module, "__file__", None)
    for root in getattr(module, "__path__", [Path(file).parent] if file else []):
        pattern = "**/*.py" if hasattr(module, "__path__") else Path(str(file)).name
        for path in sorted(Path(root).glob(pattern)):
            whole.update(f"{path.relative_to(root)};".encode() + path.read_bytes())
    return whole.hexdigest()


def in_words(device: torch.device) -> str:
    """A device as in records."""
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
