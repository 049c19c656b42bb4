"""In which order a processor finds the weights of convolutions."""

from typing import Self

import torch
from torch import nn

from mmbench.training.processor import has_avx512


class LaidOut(nn.Module):
    """A module whose convolutions' weights lie in the order in which a CPU is fastest with them.

    Channels last, but for training with AVX-512. The order moves results by rounding only.
    """

    def train(self, mode: bool = True) -> Self:
        """As ever; changes the order on a CPU."""
        if all(p.device.type == "cpu" for p in self.parameters()):
            first = mode and has_avx512()
            self.to(memory_format=torch.contiguous_format if first else torch.channels_last)
        return super().train(mode)
