"""Scores that would be others if they were measured now.

A score without a value names what it lacked, weights or an extra's packages; one that looked
through a pretrained network names the sha256 of its weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mmbench.core import Score
from mmbench.extras import asked, installed
from mmbench.progress import Progress
from mmbench.registry import find, names
from mmbench.store import Record

if TYPE_CHECKING:
    from mmbench.metrics.extractors import Weights


def now_possible(scores: Iterable[Score], named: Mapping[str, Path]) -> list[str]:
    """What some scores lacked and what is there now, in words.

    Args:
        scores: Some may have a reason instead of a value.
        named: Extractor name -> file of weights that the user named.

    Raises:
        FileNotFoundError, ValueError: Weights that are there cannot be used.
    """
    from mmbench.metrics.extractors import locate

    found = []
    for reason in dict.fromkeys(s.reason for s in scores if s.value is None and s.reason):
        found += [f"the weights {card.file}" for card in _cards()
                  if card.absent == reason and locate(card, named) is not None]  # fmt: skip
        if "No module named" in reason:  # of a package that is there but broken, nothing is new
            found += [f"the extra [{extra}]" for extra in asked(reason) if installed(extra)]
    return list(dict.fromkeys(found))


def through_others(scores: Iterable[Score], named: Mapping[str, Path]) -> list[str]:
    """Networks with other weights than a score was measured with, in words.

    Args:
        scores: Some may have been measured through a pretrained network.
        named: Extractor name -> file of weights that the user named.
    """
    from mmbench.metrics.extractors import sha256

    identities = list(dict.fromkeys(s.extractor for s in scores if s.extractor))
    found = []
    for card in _cards():
        if card.name not in named:
            continue
        begins = f"{card.title}, sha256:"
        now = sha256(named[card.name])
        for identity in identities:
            then = identity.removeprefix(begins)[: len(now)]
            if identity.startswith(begins) and then != now:
                found.append(f"{card.title} with the weights {then[:16]}…, not {now[:16]}… as "
                             f"{named[card.name]} has")  # fmt: skip
    return list(dict.fromkeys(found))


def complete(
    record: Record, path: Path, named: Mapping[str, Path], again: str, progress: Progress
) -> bool:
    """Whether a record has all that can be measured now; reports which.

    Args:
        record: Of the same run.
        path: Where it lies.
        named: Extractor name -> file of weights that the user named.
        again: The option that measures again.
        progress: Where to report.

    Raises:
        ValueError: It was measured with other weights than those named.
    """
    for change in through_others(record.scores, named):
        raise ValueError(f"{path} was measured through {change}: add {again} to measure it again")
    if there := now_possible(record.scores, named):
        progress.say(f"{path} lacked {', '.join(there)}: scoring again")
        return False
    progress.say(f"already done: {path}")
    not_computed(record.scores, progress)
    return True


def not_computed(scores: Iterable[Score], progress: Progress) -> None:
    """Reports why some scores have no value."""
    for reason in dict.fromkeys(s.reason for s in scores if s.reason):
        progress.say(f"not computed: {reason}")


def _cards() -> Iterator[Weights]:
    for name in names("extractors"):
        try:
            yield find("extractors", name)
        except ImportError:  # of a package that added it
            continue
