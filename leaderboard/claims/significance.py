"""Whether an order of means shows, given how much they vary between seeds.

The difference of two means has Welch's t interval, two-sided and of 95 %: an order can be
refuted as well as shown, each with 2.5 % of error. It holds where the whole interval lies above
zero, fails where none of it does, and is undecided between. Several orders at once hold where each
does, which needs no correction (R. L. Berger, "Multiparameter hypothesis testing and acceptance
sampling", Technometrics 24, 1982, https://doi.org/10.2307/1267823); they fail where one does, at
2.5 % of error for each. One seed has no deviation, and what it is compared with stays undecided.

B. L. Welch, "The generalization of Student's problem when several different population variances
are involved", Biometrika 34, 1947, https://doi.org/10.1093/biomet/34.1-2.28
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from mmbench.leaderboard.rows import Mean, average

State = Literal["holds", "fails", "undecided", "not run"]

CONFIDENCE = 0.95
"""The confidence of the interval of a difference, two-sided."""

MOST = 1000
"""Further seeds beyond which none are counted."""


def sample(values: Sequence[float], least: float = 0.0) -> Mean:
    """The mean of one value for each seed; its deviation is at least what one answer changes."""
    found = average(values)
    return found if found.std is None else replace(found, std=max(found.std, least))


@dataclass(frozen=True)
class Pair:
    """That one mean exceeds another.

    Attributes:
        larger, smaller: The means, in the asserted order.
        names: The names of the two models in the evidence; "" for a number.
    """

    larger: Mean
    smaller: Mean
    names: tuple[str, str] = ("", "")

    @property
    def difference(self) -> float:
        """By how much the one exceeds the other."""
        return float(self.larger.value or 0.0) - float(self.smaller.value or 0.0)

    def interval(self) -> tuple[float, float] | None:
        """Welch's interval of the difference; None where a model has one seed."""
        low, high = self._intervals(np.zeros(1))
        return None if math.isnan(low[0]) else (float(low[0]), float(high[0]))

    def states(self, further: Sequence[int]) -> Any:
        """With each number of further seeds: 1 if it holds, -1 if it fails, 0 if undecided.

        Means and deviations stay as they are.
        """
        low, high = self._intervals(np.asarray(further, float))
        return (low > 0).astype(int) - (high <= 0).astype(int)  # of one seed: NaN, thus 0

    def _intervals(self, further: Any) -> tuple[Any, Any]:
        from scipy.special import stdtrit  # takes a second

        sides = (self.larger, self.smaller)
        with np.errstate(all="ignore"):
            seeds = [s.seeds + further for s in sides]
            stds = [math.nan if s.std is None else float(s.std) for s in sides]
            variance = [np.square(std) / n for std, n in zip(stds, seeds, strict=True)]
            total = variance[0] + variance[1]
            # The squares of shares, since those of variances may be too small for a float.
            shares = [(v / total) ** 2 / (n - 1) for v, n in zip(variance, seeds, strict=True)]
            quantile = stdtrit(1 / sum(shares), (1 + CONFIDENCE) / 2)
            half = np.where(total > 0, quantile * np.sqrt(total), total)
            return self.difference - half, self.difference + half


@dataclass(frozen=True)
class Order:
    """Pairs of which all hold, or all but some.

    Attributes:
        pairs: At least one.
        but: The number of pairs that need not hold.
    """

    pairs: tuple[Pair, ...]
    but: int = 0

    def states(self, further: Sequence[int]) -> Any:
        """As `Pair.states`."""
        of = np.stack([pair.states(further) for pair in self.pairs])
        return ((of < 1).sum(0) <= self.but).astype(int) - ((of < 0).sum(0) > self.but).astype(int)

    @property
    def weakest(self) -> Pair:
        """The pair that decides: of those that must hold, the one closest to failing."""

        def firmness(pair: Pair) -> tuple[int, bool, float]:
            ends = pair.interval()
            state = int(pair.states([0])[0])
            return state, ends is not None, ends[0] if ends else pair.difference

        return sorted(self.pairs, key=firmness)[min(self.but, len(self.pairs) - 1)]


def decide(orders: Sequence[Order]) -> tuple[State, int | None]:
    """Whether all of at least one order hold, and how many further seeds would decide.

    Returns:
        The state and, if it is undecided, the least number of further seeds of each model that
        would decide it with the same means and deviations: None beyond `MOST`, and where a model
        has one seed.
    """
    further = range(MOST + 1)
    of = np.stack([order.states(further) for order in orders])
    states = np.where((of < 0).any(0), -1, (of > 0).all(0).astype(int))
    if states[0]:
        return ("holds" if states[0] > 0 else "fails"), None
    decided = np.flatnonzero(states)
    return "undecided", int(decided[0]) if len(decided) else None
