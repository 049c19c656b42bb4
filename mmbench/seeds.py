"""Named random streams, derived by hashing, so that no two purposes share their noise."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derive(seed: int, *purpose: object) -> int:
    """A 63-bit seed for one purpose of the run with a seed, e.g. ("order", "score", epoch)."""
    name = "\x1f".join([str(int(seed)), *map(str, purpose)])
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *purpose: object, device: torch.device | str = "cpu") -> torch.Generator:
    """A separate generator for one purpose of a run; see `derive`."""
    import torch

    return torch.Generator(device).manual_seed(derive(seed, *purpose))
