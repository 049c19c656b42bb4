"""Scores that would be others if they were measured now.

A score without a value names what it lacked, weights or an extra's packages; one that looked
through a pretrained network names the sha256 of its weights.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

from mmbench.core.score import Score
from mmbench.progress import Progress
from mmbench.records.record import Record


def now_possible(scores: Iterable[Score], named: Mapping[str, Path]) -> list[str]:
    """What some scores lacked and what is there now, in words.

    Args:
        scores: Some may have a reason instead of a value.
        named: Extractor name -> file of weights that the user named.

    Raises:
        FileNotFoundError, ValueError: Weights that are there cannot be used.
    """
    from mmbench.pretrained import locate, option, registered

    found = []
    for reason in dict.fromkeys(s.reason for s in scores if s.value is None and s.reason):
        found += [f"the weights {named[name]}" for name in named if option(name) in reason]
        found += [f"the weights {card.file}" for card in registered()
                  if card.absent == reason and locate(card, {}) is not None]  # fmt: skip
        for package in re.findall(r"No module named '(\w+)", reason):
            found += [f"the package {package}"] if find_spec(package) is not None else []
    return list(dict.fromkeys(found))


def through_others(scores: Iterable[Score], named: Mapping[str, Path]) -> list[str]:
    """Registered networks with other weights than a score was measured with, in words.

    Args:
        scores: Some may have been measured through a pretrained network.
        named: Extractor name -> file of weights that the user named.
    """
    from mmbench.pretrained import registered, sha256

    identities = list(dict.fromkeys(s.extractor for s in scores if s.extractor))
    found = []
    for card in registered() if named else ():
        if card.name not in named:
            continue
        now = sha256(named[card.name])
        for identity in identities:
            then = identity.removeprefix(card.begins)[: len(now)]
            if identity.startswith(card.begins) and then != now:
                found.append(f"{card.title} with the weights {then[:16]}…, not {now[:16]}… as "
                             f"{named[card.name]} has")  # fmt: skip
    return list(dict.fromkeys(found))


def keep_measured(record: Record, path: Path, named: Mapping[str, Path]) -> None:
    """Refuses to measure a record again without weights that it was measured with.

    Args:
        record: That would be replaced.
        path: Where it lies.
        named: Extractor name -> file of weights that the user named.

    Raises:
        ValueError: Weights of a registered network are absent, so that its scores would be lost.
    """
    from mmbench.pretrained import locate, option, registered

    identities = [s.extractor for s in record.scores if s.extractor and s.value is not None]
    for card in registered():
        if any(i.startswith(card.begins) for i in identities) and locate(card, named) is None:
            raise ValueError(f"{path} was measured through {card.title}, whose weights are absent "
                             f"now: add {option(card.name)}, or delete it first")  # fmt: skip


def done(
    record: Record, path: Path, named: Mapping[str, Path], again: str, progress: Progress
) -> None:
    """Reports that there is a record, and what it lacks that could be measured now.

    It is measured again only if that is asked for: what it holds may need what is no longer there.

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
    progress.say(f"already done: {path}")
    if there := now_possible(record.scores, named):
        progress.say(f"it lacks what is there now, {', '.join(there)}: add {again} to measure "
                     "it again")  # fmt: skip
    else:
        not_computed(record.scores, progress)


def not_computed(scores: Iterable[Score], progress: Progress) -> None:
    """Reports why some scores have no value."""
    for reason in dict.fromkeys(s.reason for s in scores if s.reason):
        progress.say(f"not computed: {reason}")
