"""Code outside of mmbench that a protocol names: a user's models, networks and metrics."""

import hashlib
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import ModuleType

from mmbench.registry import PYTHON, locate


def code(objects: Iterable[str]) -> dict[str, str]:
    """Module, package or file -> sha256 of its sources, for each object outside of mmbench.

    A package's covers all its files; other modules that it imports are not covered.

    Args:
        objects: "module:object" or "file.py:object", or "" for none.

    Raises:
        LookupError, FileNotFoundError: There is no such module, file or object.
    """
    found = {}
    for module, _, attribute in (o.partition(":") for o in objects if o):
        name = module if module.endswith(PYTHON) else module.partition(".")[0]
        if name != "mmbench":
            locate(module, attribute)
            found[name] = _sources(sys.modules[name])
    return found


@cache
def _sources(module: ModuleType) -> str:
    """The hash of the sources as imported: later edits in the same process do not count."""
    whole = hashlib.sha256()
    file = getattr(module, "__file__", None)
    for root in getattr(module, "__path__", [Path(file).parent] if file else []):
        pattern = "**/*.py" if hasattr(module, "__path__") else Path(str(file)).name
        for path in sorted(Path(root).glob(pattern)):
            whole.update(f"{path.relative_to(root)};".encode() + path.read_bytes())
    return whole.hexdigest()
