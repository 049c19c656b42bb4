"""Many files are read in threads, of which there are no more than the user says."""

import threading
import time

import torch

from mmbench.datasets.formats.folders import in_threads
from mmbench.progress import Progress


def test_there_are_no_more_threads_than_pytorch_has(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)  # OMP_NUM_THREADS
    seen = set()

    def work(_):
        seen.add(threading.get_ident())
        time.sleep(0.01)  # so that another thread would have its turn
        return 1

    in_threads(work, range(8), "reading", "file", Progress(None))
    assert len(seen) == 1
