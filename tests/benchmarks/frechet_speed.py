"""How much faster the Fréchet distance is than pytorch-fid's, in one process.

    OMP_NUM_THREADS=2 python tests/benchmarks/frechet_speed.py [--dims 2048] [--samples 3000 1000]

Both get the same features: rectified, correlated Gaussians whose variances span six orders of
magnitude. Ours is timed from features to value, theirs from covariances to value, each once after
a small one to warm up.
"""

from __future__ import annotations

import argparse
import time
import warnings

import torch
from pytorch_fid.fid_score import calculate_frechet_distance

from mmbench.metrics.statistics.frechet import Statistics, frechet_distance

PROMISED = 5.0


def features(n: int, d: int, scale: float, mix: torch.Tensor) -> torch.Tensor:
    noise = torch.Generator().manual_seed(int(1000 * scale))
    spread = torch.logspace(0, -3, d, dtype=torch.float64)
    return scale * (torch.randn(n, d, generator=noise, dtype=torch.float64) * spread @ mix).relu()


def seconds(n: int, d: int) -> tuple[float, float]:
    """Ours and theirs."""
    noise = torch.Generator().manual_seed(0)
    mix = torch.linalg.qr(torch.randn(d, d, generator=noise, dtype=torch.float64)).Q
    x, y = (features(n, d, scale, mix) for scale in (1.0, 1.2))
    start = time.perf_counter()
    a, b = Statistics.of(x), Statistics.of(y)
    ours = frechet_distance(a, b)
    middle = time.perf_counter()
    both = [z.numpy() for s in (a, b) for z in (s.mean, s.covariance)]
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy's, of an argument that it means to remove
        theirs = calculate_frechet_distance(*both)
    took = middle - start, time.perf_counter() - begin
    if d >= 512:
        print(
            f"{n:,} samples of {d:,} dimensions: {took[0]:.2f} s, pytorch-fid {took[1]:.2f} s, "
            f"{took[1] / took[0]:.1f} times; {ours:.9g}, pytorch-fid {theirs:.9g}"
        )
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dims", type=int, default=2048)
    parser.add_argument("--samples", type=int, nargs="+", default=[3000, 1000])
    arguments = parser.parse_args()
    seconds(100, 64)
    ratios = []
    for n in arguments.samples:
        ours, theirs = seconds(n, arguments.dims)
        ratios.append(theirs / ours)
    print(f"{min(ratios):.1f} times as fast at least; promised: {PROMISED:g}")


if __name__ == "__main__":
    main()
