"""Damages what the package reads, and reports where a user would read no plain sentence.

    python -m tests.fuzz --seed 0 --count 10000
    python -m tests.fuzz --seed 0 --targets records --only 137

Mutants are read in another process. Each is read, or refused by one sentence that names a file; a
traceback, another line, more than 20 seconds or 2 GB of memory is a finding, which is kept in the
folder `--out`.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random

import torch

from tests.fuzz.mutate import changed
from tests.fuzz.targets import TARGETS
from tests.fuzz.verdict import FINE, judged, verdicts


def mutant(base: Path, folder: Path, name: str, seed: int, number: int) -> None:
    """Makes the mutant of that number of a target's valid input."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder)
    changed(folder, Random(f"{seed} {name} {number}"))


def result(base: Path, folder: Path, name: str, seed: int, number: int) -> str:
    """What becomes of reading that mutant."""
    mutant(base, folder, name, seed, number)
    return judged(TARGETS[name].read, folder, TARGETS[name].named)


def fuzzed(name: str, seed: int, numbers: Sequence[int], out: Path) -> Iterator[tuple[int, str]]:
    """What becomes of some mutants of a target; findings are kept in the folder `out`."""
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as scratch:
        base, folder = Path(scratch, name, "case"), Path(scratch, "mutant", "case")
        base.mkdir(parents=True)
        target.make(base)
        shutil.copytree(base, folder)
        target.read(folder)  # here, too: what it imports need not be imported again
        for number, found in verdicts(partial(result, base, folder, name, seed), numbers):
            if found.partition(":")[0] not in FINE:
                mutant(base, out / f"{name}-{seed}-{number}", name, seed, number)
            yield number, found


def main() -> None:
    """Draws, reads and reports."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000, help="mutants of all targets together")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--only", type=int, help="the one mutant of this number, in full")
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir(), "mmbench-fuzz"))
    options = parser.parse_args()
    torch.set_num_threads(1)  # the children are forked, which threads do not survive
    counts: Counter[str] = Counter()
    begun = time.monotonic()
    share = -(-options.count // len(options.targets))
    numbers = range(share) if options.only is None else [options.only]
    for name in options.targets:
        for number, found in fuzzed(name, options.seed, numbers, options.out):
            kind = found.partition(":")[0]
            counts[kind] += 1
            if kind not in FINE or options.only is not None:
                print(f"{name} {number}: {found}", flush=True)
        print(f"{name}: {len(numbers)} mutants", flush=True)
    seconds = time.monotonic() - begun
    print(", ".join(f"{n} {kind}" for kind, n in counts.items()), f"in {seconds:.0f} s")
    sys.exit(any(kind not in FINE for kind in counts))


if __name__ == "__main__":
    main()
