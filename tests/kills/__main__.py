"""Kills runs by SIGKILL, starts them again, and compares what they leave with a run left alone.

    python -m tests.kills --seed 0 --count 200
    python -m tests.kills --operations
    python -m tests.kills --sweep --count 200
    python -m tests.kills --faults --count 2000

A run is killed at random moments, or else before each of its file operations in turn, and the
same command goes on with it until it ends. Its record (but for durations), picture and weights
must then be those of a run left alone, and the results folder and the cache hold the same files.

Of a sweep of two models and two seeds, which share training stages, it is the sweep itself or one
of its runs that is killed. The same command must then make nothing again that was made, and end
with what a sweep leaves that is left alone. With --faults, file operations of a sweep with four
workers fail at random instead: with no space, a quota that is used up, a disk that is broken, or a
file system without locks.
"""

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path
from random import Random

import torch

from mmbench.runs import run
from mmbench.training.trainer import Trainer
from tests.kills.home import write_data
from tests.kills.runs import MODELS, kill_operations, kill_runs
from tests.kills.sweeps import fail_sweeps, kill_sweeps


def main() -> None:
    """Runs, kills, compares and reports."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=200, help="kills, or faults")
    parser.add_argument("--models", nargs="+", default=list(MODELS), help="of runs")
    parser.add_argument("--every", type=int, default=1, help="of the operations, one in so many")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--operations", action="store_true", help="kill at file operations")
    kind.add_argument("--sweep", action="store_true", help="kill sweeps and their runs")
    kind.add_argument("--faults", action="store_true", help="fail sweeps' file operations")
    options = parser.parse_args()
    torch.set_num_threads(1)  # the runs are forked, which threads do not survive
    run.Trainer = partial(Trainer, checkpoint_seconds=0.0)  # type: ignore[misc,assignment]
    rng, models, done, wrong = Random(options.seed), tuple(options.models), 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        folder, home = Path(scratch), Path(scratch, "home")
        write_data(folder)
        if options.operations:
            trials = kill_operations(folder, home, models, options.every)
        elif options.sweep:
            trials = kill_sweeps(folder, home, rng, options.count)
        elif options.faults:
            trials = fail_sweeps(folder, home, rng, options.count)
        else:
            trials = kill_runs(folder, home, models, rng, options.count)
        for done, found in trials:  # noqa: B007
            if found:
                wrong += 1
                print(found, flush=True)
    what = "faults" if options.faults else "kills"
    print(f"{done} {what}, {wrong} results that differ from those of commands left alone")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
