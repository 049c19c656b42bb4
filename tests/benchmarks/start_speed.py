"""How long `mmbench run` takes from the command to the first optimiser step.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.start_speed [--model mld] [--dataset mhd-mini]

Every time is that of a fresh process, Python's start and imports included, and ends when the first
step of an optimiser has been taken. Data are made and kept by a first process, which does not
count; each run has a results folder of its own. With `--beside`, the Python of another checkout's
environment, runs of the two take turns.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from statistics import median

from tests.benchmarks import command

PROMISED = 3.0
"""Seconds on two cores of an Intel Xeon with AVX-512."""

CODE = """
import os, sys, time
from torch.optim.optimizer import register_optimizer_step_post_hook
def stop(*_):
    print(time.monotonic(), time.process_time(), flush=True)
    os._exit(0)
register_optimizer_step_post_hook(stop)
from mmbench.cli.main import main
main(sys.argv[1:])
"""


def seconds(python: str, *words: str) -> tuple[float, float]:
    """(seconds by the clock, of processor time) from a command to the first optimiser step."""
    with tempfile.TemporaryDirectory() as results:
        called = [python, "-c", CODE, "run", *words, "--out", results]
        start = time.monotonic()
        # not in this checkout, which the other Python would import
        done = subprocess.run(called, check=True, cwd=results, stdout=subprocess.PIPE, text=True)
    end, processor = map(float, done.stdout.split()[-2:])
    return end - start, processor


def main() -> None:
    parser = command.Parser("start_speed", __doc__)
    parser.add_argument("--model", default="mld", metavar="NAME", help="what to train")
    parser.add_argument("--dataset", default="mhd-mini", metavar="NAME", help="what to train on")
    parser.add_argument("--times", type=command.whole(1), default=5, help="runs of each Python")
    parser.add_argument(
        "--beside", type=command.python, action="append", default=[], help="a Python"
    )
    given = parser.parse_args()
    with parser.refusing():
        command.expect_run(given.model, given.dataset)
    words = ("--model", given.model, "--dataset", given.dataset)
    pythons = [sys.executable, *map(str, given.beside)]
    took: dict[str, list[tuple[float, float]]] = {python: [] for python in pythons}
    for python in pythons:
        seconds(python, *words)
    for _ in range(given.times):
        for python in pythons:
            took[python].append(seconds(python, *words))
    for python, of in took.items():
        clock, processor = (sorted(x) for x in zip(*of, strict=True))
        print(
            f"{python}: {median(clock):.2f} s ({clock[0]:.2f} to {clock[-1]:.2f}), processor time "
            f"{median(processor):.2f} s ({processor[0]:.2f} to {processor[-1]:.2f}); "
            f"promised: {PROMISED:g} s by the clock"
        )


if __name__ == "__main__":
    command.run(main)
