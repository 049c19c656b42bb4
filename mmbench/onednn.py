"""Linear layers by oneDNN on a CPU.

For float32 PyTorch calls MKL, whose kernels reach half of oneDNN's rate on AMD's processors with
AVX-512; on those without they are as fast or faster. `python tests/benchmarks/linear_speed.py`
prints both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from mmbench.processor import has_avx512

WORTH = 2**20
"""Products of a layer from which on it is faster, the weights being put in order each time."""


class OneDNN(TorchFunctionMode):
    """Within it float32 linear layers on a CPU with AVX-512 are oneDNN's, without gradients.

    Anything else is as without it. Results differ by rounding.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is F.linear and not kwargs and LINEAR is not None and _suited(args):
            x, weight, bias = (*args, None)[:3]
            return LINEAR(x, weight, bias, "none", [], "")
        return func(*args, **(kwargs or {}))


def _linear() -> Callable[..., Tensor] | None:
    """OneDNN's linear layer, where this build of PyTorch has it."""
    # It is what torch.compile uses, and not documented: it may go.
    if not torch.backends.mkldnn.is_available():
        return None
    found: Callable[..., Tensor] | None = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    return found


LINEAR = _linear()
FASTER = has_avx512()


def _suited(args: tuple[Any, ...]) -> bool:
    return (
        FASTER
        and all(a is None or (a.device.type == "cpu" and a.dtype == torch.float32) for a in args)
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and args[0].ndim > 1
        and args[0].numel() * len(args[1]) >= WORTH
    )
