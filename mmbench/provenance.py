"""What a number was measured with: versions, source tree, hardware."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import torch

from mmbench.registry import locate


def versions() -> dict[str, str]:
    """Of what the numbers depend on."""
    return {"python": platform.python_version(), "mmbench": version("mmbench"),
            "torch": torch.__version__}  # fmt: skip


def code(names: Iterable[str]) -> dict[str, str]:
    """Module or package -> sha256 of its sources, of "module:object"; mmbench's is left out.

    Of a package it is that of all its files; what a module imports from elsewhere is not in it.

    Raises:
        LookupError: There is no such module or object.
    """
    found = {}
    for module, _, attribute in (n.partition(":") for n in names):
        name = module.partition(".")[0]
        if name == "mmbench":
            continue
        locate(module, attribute)
        file = Path(sys.modules[name].__file__ or sys.modules[module].__file__ or "")
        files = sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
        whole = hashlib.sha256()
        for path in files:
            if path.is_file():
                whole.update(f"{path.relative_to(file.parent)};".encode() + path.read_bytes())
        found[name] = whole.hexdigest()
    return found


def in_words(device: torch.device) -> str:
    """A device as in records."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    capability = torch.backends.cpu.get_cpu_capability()  # half precision depends on it
    return f"{device.type}, {platform.machine()} {capability}, {torch.get_num_threads()} threads"


def commit() -> str | None:
    """The commit of the mmbench that runs, where it runs from a checkout."""
    checkout = Path(__file__).parents[1]
    if not (checkout / ".git").exists():
        return None  # an installed copy; a repository further up is somebody else's
    git = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        found = subprocess.run(git, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None
