"""A linear layer of PyTorch in float32 on a CPU, by MKL, and the same by oneDNN.

    OMP_NUM_THREADS=1 python tests/benchmarks/linear_speed.py [--rows 1000] [--sizes 256 512 1024]

Prints GFLOP/s of square layers, forward and with gradients; of several turns the fastest counts.
Processor time, whatever else the machine does.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import torch
from torch.nn import functional as F

from mmbench import onednn


def seconds(work: Callable[[], object], turns: int = 10) -> float:
    """Of the fastest turn."""
    best = math.inf
    for _ in range(turns):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024])
    given = parser.parse_args()
    onednn.FASTER = True  # also where it is not
    for n in given.sizes:
        args = [torch.randn(*s) for s in ((given.rows, n), (n, n), (n,))]
        g = torch.randn(given.rows, n)

        @torch.no_grad()
        def forward(args: list[torch.Tensor] = args) -> None:
            F.linear(*args)

        def trained(args: list[torch.Tensor] = args, g: torch.Tensor = g) -> None:
            leaves = [a.detach().requires_grad_() for a in args]
            F.linear(*leaves).backward(g)

        for name, run, products in (("forward", forward, 1), ("with gradients", trained, 3)):
            work = 2 * products * given.rows * n * n / 1e9
            plain = seconds(run)
            with onednn.OneDNN():
                ours = seconds(run)
            print(f"{given.rows} x {n} x {n}, {name}: PyTorch {work / plain:6.1f} GFLOP/s, "
                  f"oneDNN {work / ours:6.1f}: {plain / ours:4.2f} x")  # fmt: skip


if __name__ == "__main__":
    main()
