"""Networks compiled while they are trained."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn


def lacking() -> list[str]:
    """What `torch.compile` needs and this machine does not have."""
    compiler = os.environ.get("CXX", "g++")
    found = [] if shutil.which(compiler) else [f"the C++ compiler {compiler}"]
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    return found if header.is_file() else [*found, f"Python's header {header}"]


@contextmanager
def compiled(module: nn.Module) -> Iterator[None]:
    """Within it a network's `forward` is what `torch.compile` makes of it.

    That fuses what lies between the matrix products, normalisations and activations, and rounds
    otherwise. It takes a compiler, and some ten seconds at the first step.

    Raises:
        ValueError: There is no compiler, or the module's `forward` is not its own.
    """
    if type(module).forward is nn.Module.forward:
        raise ValueError(f"compile is true, but {type(module).__name__} has no forward of its "
                         "own: only score networks are compiled")  # fmt: skip
    if missing := lacking():
        raise ValueError(f"compile needs {' and '.join(missing)}: install what is absent, or "
                         "leave compile out")  # fmt: skip
    module.forward = torch.compile(module.forward, dynamic=False)  # type: ignore[method-assign]
    try:
        yield
    finally:
        del module.forward
