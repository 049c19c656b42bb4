import subprocess
import sys

import pytest

PAGES = """
import ctypes, resource
import numpy as np
{before}
def faults():
    begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.empty(100_000_000, np.uint8).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begun
faults()
print(faults(), hasattr(ctypes.CDLL(None), "mallopt"))
"""


def second_use(before=""):
    """Page faults of a large block that another had just given back."""
    script = PAGES.format(before=before)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    faults, glibc = done.stdout.split()
    if glibc != "True":
        pytest.skip("needs glibc")
    return int(faults)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_large_blocks_are_reused():
    kept = "from mmbench.training.allocation import keep_memory\nkeep_memory()"
    assert second_use(kept) < second_use() / 10
