"""Half precision, where a device has it."""

from __future__ import annotations

from typing import Literal

import torch

from mmbench.training.processor import has_avx512

Precision = Literal["float32", "bfloat16"]
"""What networks compute in; see `computed`."""


def has_half(device: torch.device) -> bool:
    """Whether a device multiplies matrices of bfloat16 at least as fast as of float32.

    On a processor without AVX-512 oneDNN has no kernels for them, and PyTorch's own take 40 times
    as long as float32's.
    """
    if device.type == "cpu":
        return has_avx512()
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return True


def computed(precision: Precision, device: torch.device) -> Precision:
    """The precision in which a device computes where another is asked for."""
    return precision if has_half(device) else "float32"


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """A context in which networks compute in a precision, where the device has it."""
    half = computed(precision, device) == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=half)
