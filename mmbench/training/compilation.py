"""Compiled networks for training."""

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
    """What `torch.compile` needs and this machine lacks."""
    usual = "clang++" if sys.platform == "darwin" else "g++"
    compiler = shlex.split(os.environ.get("CXX") or usual)[0]
    found = [] if shutil.which(compiler) else [f"the C++ compiler {compiler}"]
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    return found if header.is_file() else [*found, f"Python's header {header}"]


@contextmanager
def compiled(module: nn.Module) -> Iterator[None]:
    """A context in which `torch.compile` has compiled a network's `forward`.

    That fuses the operations between matrix products, normalisations and activations, and rounds
    differently. The first step takes some ten seconds longer.

    Raises:
        ValueError: The module has no forward of its own, or the machine cannot compile.
    """
    own = type(module).forward is not nn.Module.forward
    missing = lacking() if own else [f"a forward of {type(module).__name__}'s own"]
    if missing:
        raise ValueError(f"compile is true, but lacks {' and '.join(missing)}: leave it out")
    module.forward = torch.compile(module.forward, dynamic=False)
    try:
        yield
    finally:
        del module.forward
        torch.compiler.reset()  # it keeps at most eight versions of a function
