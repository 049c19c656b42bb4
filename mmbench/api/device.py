"""What everything is computed on: the device, and the processor's cores."""

import os
import sys

import torch

from mmbench.errors import first_line
from mmbench.training.allocation import keep_memory


def compute_device(name: str | torch.device) -> torch.device:
    """The device of that name; "auto" is CUDA where there is one.

    In the whole process, it makes torch prefer deterministic algorithms, and the C library reuse
    memory.

    Args:
        name: "cpu", "cuda", "cuda:1", ... or "auto".

    Raises:
        ValueError: There is no such device, or it cannot be used.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        expected = "cpu, cuda, cuda:1, ... or auto"
        raise ValueError(f"there is no device {name!r}; expected {expected}") from None
    if device.type == "cuda":
        _expect_cuda(str(name), device.index or 0)
    expect_usable(name)
    keep_memory()
    if "torch._inductor.config" in sys.modules:
        torch.use_deterministic_algorithms(True, warn_only=True)
    else:  # which would load torch's compiler, for a second; where it is used, it reads this
        torch.set_deterministic_debug_mode("warn")
        os.environ["TORCHINDUCTOR_DETERMINISTIC"] = "1"
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # for deterministic cuBLAS
    return device


def expect_device(name: str) -> None:
    """Refuses a device that is not there, without beginning to use a GPU.

    Raises:
        ValueError: As `compute_device`.
    """
    kind, _, index = name.partition(":")
    if kind != "cuda" or not (index or "0").isdecimal():
        if name != "auto":
            compute_device(name)
    else:
        _expect_cuda(name, int(index or 0))


def expect_usable(device: str | torch.device) -> None:
    """Computes a number there, and leaves PyTorch's settings.

    Raises:
        ValueError: The device cannot be used.
    """
    try:
        torch.zeros(1, device=device).item()  # "meta" makes tensors without values
    except (RuntimeError, AssertionError, ImportError) as error:
        unusable, why = f"the device {str(device)!r} cannot be used", first_line(error)
        raise ValueError(f"{unusable}: {why.partition('. ')[0]}") from None


def _expect_cuda(name: str, index: int) -> None:
    """Refuses a GPU that is not there."""
    if index >= (count := torch.cuda.device_count()):
        there = " or ".join(["cpu", *(f"cuda:{i}" for i in range(count))])
        raise ValueError(f"the device {name!r} cannot be used: it is not there, expected {there}")


def cores() -> int:
    """The number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads(many: int) -> int:
    """The processor threads of each of so many processes that run at once.

    That is an equal share of the cores, but no more than one process alone would take, which
    OMP_NUM_THREADS sets.
    """
    return max(1, min(torch.get_num_threads(), cores() // many))
