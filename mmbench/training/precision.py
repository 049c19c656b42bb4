"""Half precision, on devices that have it."""

from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]
"""What networks compute in; see `computed`."""


def has_avx512() -> bool:
    """Whether this processor has AVX-512, for which libraries have other kernels."""
    return torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def has_half(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 matrices at least as fast as float32 ones.

    On a processor without AVX-512 oneDNN has no kernels for them, and PyTorch's own take 40 times
    as long as those for float32.
    """
    if device.type == "cpu":
        return has_avx512()
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return True


def computed(precision: Precision, device: torch.device) -> Precision:
    """The precision in which a device computes when this one is asked for."""
    return precision if has_half(device) else "float32"


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """A context in which networks compute in a precision, if the device has it."""
    half = computed(precision, device) == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=half)
