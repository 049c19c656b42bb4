"""What the scores of a metric can be: ranges, whole numbers of samples, judges named by hash."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mmbench.core.score import Score
from mmbench.records.strict import short

_HASH = re.compile(r"[0-9a-f]{16,64}")
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Possible:
    """What a metric's scores can be.

    Attributes:
        low, high: The ends of the possible values.
        judged: Whether a network measures it, whose hash a score must name.
        counted: Whether it is the percentage of samples that are right: whole samples.
    """

    low: float = -math.inf
    high: float = math.inf
    judged: bool = True
    counted: bool = False


POSSIBLE = {
    "class-entropy": Possible(0),
    "coherence": Possible(0, 100, counted=True),
    "clip-s": Possible(0, 2.5),
    "clip-s[in-domain]": Possible(-2.5, 2.5),
    "clip-s[mld]": Possible(-2.5, 2.5),
    "clip-s[percent]": Possible(-100, 100),
    "f1": Possible(0, 1, judged=False),
    "fad": Possible(0),
    "fid": Possible(0),
    "fid-tensorflow": Possible(0),
    "fid-infinity": Possible(),  # an extrapolation, which overshoots
    "fmd": Possible(0),
    "kid": Possible(),  # unbiased, and so on both sides of 0
    "log-likelihood": Possible(judged=False),
    "mid": Possible(),
    "mid[in-domain]": Possible(),
    "mse": Possible(0, judged=False),
    "precision": Possible(0, 1),
    "precision[in-domain]": Possible(0, 1),
    "recall": Possible(0, 1),
    "recall[in-domain]": Possible(0, 1),
    "ssim": Possible(-1, 1, judged=False),
}
"""Of our own metrics; of another's, nothing but a finite value is known."""


def impossible(where: str, s: Score) -> Iterator[str]:
    """What in a score cannot be, whatever its record: a sentence for each fault.

    Args:
        where: Begins each sentence.
        s: Its fields are of their types and finite.
    """
    least = 0 if s.value is None else 1
    if s.n < least:
        yield f"{where}: n is {s.n}, expected at least {least}"
    if (s.low is None) != (s.high is None):
        yield f"{where}: an interval has two ends, expected low and high or neither"
    if s.value is None:
        if not s.reason:
            yield f"{where}: there is no value, expected a reason for that"
        if s.low is not None or s.high is not None:
            yield f"{where}: there is an interval without a value"
        return
    if s.reason is not None:
        yield f"{where}: there is a value, and a reason why there is none"
    of = POSSIBLE.get(s.metric, Possible(judged=False))
    for title, x in (("value", s.value), ("low", s.low), ("high", s.high)):
        if x is not None and not _within(of.low, x, of.high):
            yield f"{where}: {title} is {x}, expected {_range(of)}"
    if s.low is not None and s.high is not None and not _within(s.low, s.value, s.high):
        yield f"{where}: the value {s.value} is not within its interval, {s.low} to {s.high}"
    if of.counted and s.n > 0 and _within(of.low, s.value, of.high):
        right = s.value * s.n / 100
        if abs(right - round(right)) > _ROUNDING:
            yield (f"{where}: {s.value} % of {s.n} samples are {right:g} samples, expected a "
                   "whole number")  # fmt: skip
    if of.judged and not any(networks(s)):
        yield (f"{where}: extractor is {short(s.extractor)}, expected the network's name and the "
               "sha256 of its weights")  # fmt: skip


def _within(low: float, x: float, high: float) -> bool:
    slack = _ROUNDING * max(1.0, abs(x))
    return low - slack <= x <= high + slack


def _range(of: Possible) -> str:
    return f"at least {of.low:g}" if of.high == math.inf else f"{of.low:g} to {of.high:g}"


def networks(s: Score) -> Iterator[tuple[str, str]]:
    """(name, hash) of the networks that a score was measured with; no accuracy is in a name."""
    for part in (s.extractor or "").split(";"):
        name, _, sha = part.partition(", sha256:")
        if _HASH.fullmatch(sha.strip()):
            yield name.partition(",")[0].strip(), sha.strip()
