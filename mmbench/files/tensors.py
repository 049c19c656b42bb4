"""Reading what torch.save wrote, without running code that a file may hold."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch


def read(path: Path) -> Any:
    """The tensors in a file, mapped where its format allows.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or holds more than tensors, numbers and texts.
    """
    try:
        # only zip files can be mapped; torch wrote another format before 1.6
        return torch.load(path, "cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (FileNotFoundError, PermissionError, MemoryError):
        raise
    except Exception:  # unpickling damaged bytes raises anything
        raise ValueError(
            f"{path} is damaged, or holds more than tensors: expected what torch.save writes of "
            "tensors"
        ) from None
