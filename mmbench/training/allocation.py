"""How the C library hands out the memory of large tensors."""

import ctypes
import sys

KEPT = 2**30
"""Bytes: smaller blocks are reused, and so much freed memory is kept."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's mallopt(3)


def keep_memory() -> None:
    """Has glibc, where there is one, reuse the memory of large tensors in the whole process.

    By itself glibc returns every block above 32 MB to the kernel when it is freed. The next step
    takes the same block again, and the kernel clears it page by page. No result depends on it.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(_MMAP_THRESHOLD, KEPT)
        library.mallopt(_TRIM_THRESHOLD, KEPT)
