"""How fast mmbench is beside other libraries that do the same: the table of docs/speed.md, with
two more columns, how many times as fast we mean to be ("aim") and what both computed ("results").

    OMP_NUM_THREADS=1 python -m tests.benchmarks.peers [vaes distances inception]
        [--models mopoe mvtcae ...] [--precision float32 bfloat16] [--rounds 8] [--device cuda]

Needs pip install 'mmbench[bench]'. Both sides take turns in one process; medians of the turns and
the quartiles of their ratios are printed, and what both computed, which is compared first.
"""

import argparse
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import torch

from mmbench import extras
from mmbench.metrics.extractors.inception import load_inception
from mmbench.training.precision import has_half
from tests.benchmarks import command
from tests.benchmarks.peers import distances, inception, vaes
from tests.benchmarks.peers.turns import HEAD, Comparison

PARTS = ("vaes", "distances", "inception")
PRECISIONS = ("float32", "bfloat16")


def comparisons(asked: argparse.Namespace) -> Iterator[Comparison]:
    """All that is asked for, one after the other."""
    if "vaes" in asked.parts:
        for precision in asked.precision:
            if precision == "bfloat16" and not has_half(asked.device):
                print("bfloat16 is left out, which this processor has not")
                continue
            for model in asked.models:
                yield from vaes.compare(model, precision, asked.rounds, asked.device)
    if "distances" in asked.parts:
        yield from distances.compare(min(asked.rounds, 3))
    if "inception" in asked.parts:
        yield from inception.compare(min(asked.rounds, 5), asked.device, asked.weights)


def main() -> None:
    """Prints a row of a Markdown table for each comparison, as it is made."""
    parser = command.Parser("peers", __doc__)
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"of {', '.join(PARTS)}")
    parser.add_argument(
        "--models",
        action=command.Several,
        nargs="+",
        choices=vaes.MODELS,
        default=list(vaes.MODELS),
        help="of the part vaes",
    )
    parser.add_argument(
        "--precision",
        action=command.Several,
        nargs="+",
        choices=PRECISIONS,
        default=PRECISIONS,
        help="of the part vaes",
    )
    parser.add_argument(
        "--rounds", type=command.whole(2), default=8, help="turns of each side, at least 2"
    )
    parser.add_argument("--device", type=command.device, default="cpu", help="where to compute")
    parser.add_argument("--weights", type=command.file, help="Inception's; by default random ones")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"{min(unknown)!r} is no part, expected {', '.join(PARTS)}")
    if not extras.installed("bench"):
        parser.error(f"it needs more libraries: {extras.command('bench')}")
    with parser.refusing():
        if asked.weights:
            load_inception(asked.weights, asked.device)
    print(f"{processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}\n")
    print("| " + " | ".join(HEAD) + " |\n|---|---|--:|--:|---|--:|---|")
    for comparison in comparisons(asked):
        print("| " + " | ".join(comparison.row()) + " |", flush=True)


def processor() -> str:
    """What the machine calls its processor, and the best instructions that PyTorch uses on it."""
    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        name = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), name)
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"


if __name__ == "__main__":
    command.run(main)
