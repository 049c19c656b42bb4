"""Two sides that take turns, so that whatever else the machine does slows both."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Comparison:
    """How long one piece of work took, turn by turn.

    Attributes:
        what: The work, in words.
        peer: Who else does it.
        seconds: (ours, the peer's) of each turn.
        agreement: What both computed, in words.
        aim: How many times as fast as the peer we mean to be, or None.
    """

    what: str
    peer: str
    seconds: Sequence[tuple[float, float]]
    agreement: str
    aim: float | None = None

    def row(self) -> list[str]:
        """The work, the peer, both medians, the ratio with its quartiles, the aim, the results."""
        ratios = sorted(theirs / ours for ours, theirs in self.seconds)
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        ours, theirs = (statistics.median(side) for side in zip(*self.seconds, strict=True))
        spread = f"{middle:.2f} ({low:.2f} to {high:.2f})"
        aim = "" if self.aim is None else f"{self.aim:g}"
        return [
            self.what,
            self.peer,
            duration(ours),
            duration(theirs),
            spread,
            aim,
            self.agreement,
        ]


HEAD = ["work", "peer", "ours", "peer's", "times as fast (quartiles)", "aim", "results"]


def duration(seconds: float) -> str:
    """Seconds, with a unit in which they can be read."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"


def take_turns(
    rounds: int, ours: Callable[[], object], theirs: Callable[[], object], device: torch.device
) -> list[tuple[float, float]]:
    """Seconds of both sides in each of some turns, after one that warms up.

    On a CPU the processor's time counts, on another device the clock's.
    """
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    seconds = []
    for turn in range(rounds + 1):
        took = [0.0, 0.0]
        for side in sorted((0, 1), reverse=bool(turn % 2)):
            wait(device)
            start = clock()
            (ours, theirs)[side]()
            wait(device)
            took[side] = clock() - start
        seconds.append((took[0], took[1]))
    return seconds[1:]


def wait(device: torch.device) -> None:
    """Until the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
