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
from torch._C import _functorch
from torch.autograd import forward_ad
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from mmbench.processor import has_avx512

WORTH = 2**21
"""Products of a layer from which on it is faster, the weights being put in order each time."""


class OneDNN(TorchFunctionMode):
    """Within it float32 linear layers on a CPU with AVX-512 are oneDNN's, and their gradients.

    Anything else is as without it. Results differ by rounding.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is F.linear and not kwargs and _suited(args):
            return _Linear.apply(*(*args, None)[:3])
        return func(*args, **(kwargs or {}))


class _Linear(torch.autograd.Function):
    """(..., inputs), (outputs, inputs), (outputs,) or None -> (..., outputs)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return layer(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        rows, outputs = x.flatten(0, -2), g.flatten(0, -2)
        # Where a gradient is differentiated again its own layers need PyTorch's derivatives.
        product = F.linear if torch.is_grad_enabled() else layer
        dx, dweight, dbias = ctx.needs_input_grad
        return (
            product(g, weight.t()) if dx else None,
            product(outputs.t(), rows.t()) if dweight else None,
            outputs.sum(0) if dbias else None,
        )


def layer(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """(..., inputs), (outputs, inputs), (outputs,) -> (..., outputs), by oneDNN."""
    # Of the operator itself torch.compile demands that weights are constant.
    y: Tensor = (_opaque if torch.compiler.is_compiling() else _product)(x, weight, bias)
    return y


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    y: Tensor = LINEAR(x, weight, bias, "none", [], "")
    return y


_opaque = torch.library.custom_op(
    "mmbench::linear",
    _product,
    mutates_args=(),
    schema="(Tensor x, Tensor weight, Tensor? bias) -> Tensor",
)


@_opaque.register_fake
def _shape(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return x.new_empty(*x.shape[:-1], len(weight))


def _linear() -> Callable[..., Tensor] | None:
    """OneDNN's linear layer, where this build of PyTorch has it."""
    # It is what torch.compile uses, and not documented: it may go.
    if not torch.backends.mkldnn.is_available():
        return None
    found: Callable[..., Tensor] | None = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    return found


LINEAR: Any = _linear()
FASTER = has_avx512()


def _suited(args: tuple[Any, ...]) -> bool:
    return (
        FASTER
        and LINEAR is not None
        and not _transformed()
        and all(a is None or (a.device.type == "cpu" and a.dtype == torch.float32) for a in args)
        and not torch.is_autocast_enabled("cpu")
        and args[0].ndim > 1
        and args[0].numel() * len(args[1]) >= WORTH
    )


def _transformed() -> bool:
    """Whether torch.func or forward-mode derivatives are at work, which want PyTorch's own."""
    if torch.compiler.is_compiling():  # which cannot see into these
        return False
    return _functorch.maybe_current_level() is not None or forward_ad._current_level >= 0
