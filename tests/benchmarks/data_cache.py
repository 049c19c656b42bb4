"""How long a cached data set of CelebAMask-HQ's size takes to load, and how much memory.

    python -m tests.benchmarks.data_cache [--faces 30000] [--folder DIR]

Makes faces of random bytes (2 GB in all for 30,000) in a folder of its own, keeps them by
`mmbench.datasets.formats.cache.cached`, and loads them in fresh processes: once with the file
dropped from the system's memory, once with it there. Seconds are those of the load, without
Python's start and imports; memory is the most that the process held more than before the load,
mapped pages of the file included, over the bytes of the tensors.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks import command

SECONDS, MEMORY = 10.0, 1.2
"""What is promised: seconds, and bytes held over the bytes of the tensors."""
SOURCE = "random faces"


def dataset(faces: int):
    import torch

    from mmbench.core.data import Dataset, Split
    from mmbench.datasets.celebamask_hq import modalities

    noise = torch.Generator().manual_seed(0)

    def split(count):
        integers = lambda m: torch.randint(
            256, (count, *m.shape), generator=noise, dtype=torch.uint8
        )
        drawn = {m.name: integers(m) for m in modalities()}
        return Split({m: x if m == "image" else x > 127 for m, x in drawn.items()})

    train = faces * 5 // 6
    return Dataset("celebamask-hq", modalities(), split(train), split(faces - train))


def bytes_of(data) -> int:
    return sum(x.nbytes for s in (data.train, data.test) for x in s.tensors.values())


def make(path: Path, faces: int) -> dict[str, float]:
    """Makes and keeps, in this process."""
    from mmbench.datasets.formats.cache import cached
    from mmbench.progress import Progress

    start = time.perf_counter()
    cached(path, SOURCE, lambda: dataset(faces), Progress(None))
    return {"seconds": time.perf_counter() - start}


def load(path: Path) -> dict[str, float]:
    """Loads in this process, and touches every page."""
    from mmbench.datasets.formats.cache import cached
    from mmbench.progress import Progress

    def never():
        raise SystemExit(f"{path} was not taken as it is")

    before = most_held()
    start = time.perf_counter()
    data = cached(path, SOURCE, never, Progress(None))
    seconds = time.perf_counter() - start
    for split in (data.train, data.test):
        for x in split.tensors.values():
            x.flatten()[::4096].sum()
    held = most_held() - before
    return {"seconds": seconds, "bytes": bytes_of(data), "memory": held / bytes_of(data)}


def most_held() -> int:
    """The most bytes that this process ever had in memory."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def apart(*step: str) -> dict[str, float]:
    """A step in a fresh process; this one stays small, as a child inherits the peak."""
    words = [sys.executable, "-m", "tests.benchmarks.data_cache", *step]
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)


def forget(path: Path) -> None:
    """Drops a file from the system's memory, where it can be asked to."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main() -> None:
    parser = command.Parser("data_cache", __doc__)
    parser.add_argument(
        "--faces", type=command.whole(2, 1_000_000), default=30_000, help="how many"
    )
    parser.add_argument(
        "--folder",
        type=command.folder,
        help="where to keep the file for a while, by default with temporary files",
    )
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.make or given.load:
        print(json.dumps(load(given.load) if given.load else make(given.make, given.faces)))
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        path = Path(folder) / "random.safetensors"
        made = apart("--make", str(path), "--faces", str(given.faces))
        print(f"made and kept in {made['seconds']:.1f} s")
        for title, before in (("not in memory", forget), ("in memory", lambda path: None)):
            before(path)
            found = apart("--load", str(path))
            size = f"{found['bytes'] / 1e9:.2f} GB, memory {found['memory']:.2f} x"
            print(f"loaded, file {title}: {found['seconds']:.2f} s, {size}")
            if found["seconds"] > SECONDS or found["memory"] > MEMORY:
                sys.exit(f"expected at most {SECONDS:g} s and {MEMORY:g} x")


if __name__ == "__main__":
    command.run(main)
