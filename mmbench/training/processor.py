"""What this processor can do."""

import torch


def has_avx512() -> bool:
    """Whether it has AVX-512, for which libraries have other kernels."""
    return torch.backends.cpu.get_cpu_capability().startswith("AVX512")
