"""The code that a protocol names outside of mmbench: a user's own models, networks and metrics."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import ModuleType

from mmbench.registry import locate


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
