"""Networks compiled while they are trained."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn


def lacking() -> list[str]:
    """What `torch.compile` needs and this machine does not have."""
    usual = "clang++" if sys.platform == "darwin" else "g++"
    compiler = shlex.split(os.environ.get("CXX") or usual)[0]
    found = [] if shutil.which(compiler) else [f"the C++ compiler {compiler}"]
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    return found if header.is_file() else [*found, f"Python's header {header}"]


@contextmanager
def compiled(module: nn.Module) -> Iterator[None]:
    """Within it a network's `forward` is what `torch.compile` makes of it.

    That fuses what lies between the matrix products, normalisations and activations, and rounds
    otherwise. It takes some ten seconds at the first step.

    Raises:
        ValueError: The module has no forward of its own, or the machine cannot compile.
    """
    own = type(module).forward is not nn.Module.forward
    missing = lacking() if own else [f"a forward of {type(module).__name__}'s own"]
    if missing:
        raise ValueError(f"compile is true, for want of {' and '.join(missing)} it cannot be: "
                         "leave it out")  # fmt: skip
    module.forward = torch.compile(module.forward, dynamic=False)
    try:
        yield
    finally:
        del module.forward
        torch.compiler.reset()  # it keeps at most eight of a function, and then compiles no more
