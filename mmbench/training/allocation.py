"""The memory that computing takes, and how the C library hands it out."""

import ctypes
import sys
from contextlib import suppress
from pathlib import Path

import torch

KEPT = 2**30
"""Bytes: smaller blocks are reused, and so much freed memory is kept."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's mallopt(3)

PROCESS = Path("/proc/self")


def keep_memory() -> None:
    """Has glibc, where there is one, reuse the memory of large tensors in the whole process.

    By itself glibc returns every block above 32 MB to the kernel when it is freed. The next step
    takes the same block again, and the kernel clears it page by page. No result depends on it.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(_MMAP_THRESHOLD, KEPT)
        library.mallopt(_TRIM_THRESHOLD, KEPT)


def forget_peak(device: torch.device) -> None:
    """Forgets the peak so far, where the system can."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):  # not Linux, or a container that may not
            (PROCESS / "clear_refs").write_text("5")


def peak(device: torch.device) -> int:
    """The most bytes that were taken since `forget_peak`: a GPU's, or else those of this process.

    0 where the system does not tell. Where the peak cannot be forgotten it is that since the
    process was started.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with suppress(OSError):
        for line in (PROCESS / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    with suppress(ImportError):  # Windows
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
            1 if sys.platform == "darwin" else 1024
        )
    return 0


def finished(device: torch.device) -> None:
    """Waits until a device has done what it was asked to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
