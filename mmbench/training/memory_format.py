"""The memory format in which convolutions are fastest on a processor."""

from typing import Self

import torch
from torch import nn

from mmbench.training.precision import has_avx512


class LaidOut(nn.Module):
    """A module whose weights lie in the memory format that convolutions on a CPU are fastest in.

    It is channels-last, except for training with AVX-512. The format changes results by rounding
    only.
    """

    def train(self, mode: bool = True) -> Self:
        """Sets the mode and, on a CPU, the memory format."""
        if all(p.device.type == "cpu" for p in self.parameters()):
            contiguous = mode and has_avx512()
            self.to(memory_format=torch.contiguous_format if contiguous else torch.channels_last)
        return super().train(mode)
