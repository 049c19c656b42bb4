"""Which scores of a record would come out otherwise if they were measured now."""

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

from mmbench.core.score import Score
from mmbench.errors import argument
from mmbench.progress import Progress
from mmbench.records.record import Record
from mmbench.records.versions import older_metrics


def now_possible(scores: Iterable[Score], named: Mapping[str, Path]) -> list[str]:
    """What some scores lacked and is available by now, in words.

    Throughout, `named` maps an extractor to the file of weights that the user named for it.

    Raises:
        FileNotFoundError, ValueError: Weights that were found cannot be used.
    """
    from mmbench.pretrained import locate, registered

    cards = {card.name: card for card in registered()}
    found = []
    for code in dict.fromkeys(s.lacks for s in scores if s.value is None and s.lacks):
        kind, _, name = code.partition(":")
        if kind == "package" and find_spec(name) is not None:
            found.append(f"the package {name}")
        if kind == "weights" and name in named:
            found.append(f"the weights {named[name]}")
        elif kind == "weights" and name in cards and locate(cards[name], {}) is not None:
            found.append(f"the weights {cards[name].file}")
    return found


def other_weights(scores: Iterable[Score], named: Mapping[str, Path]) -> list[str]:
    """Networks that now have other weights than a score was measured with, in words."""
    from mmbench.pretrained import registered, sha256

    used = dict.fromkeys(network for s in scores for network in s.networks)
    titles = {card.name: card.title for card in registered()} if named else {}
    return [
        f"{titles[name]} with the weights {then[:16]}…, not {now[:16]}… as {named[name]} has"
        for name, then in used
        if name in named and name in titles and then != (now := sha256(named[name]))
    ]


def keep_measured(record: Record, path: Path, named: Mapping[str, Path]) -> None:
    """Refuses to replace a record, at `path`, whose scores need weights that are absent now.

    Raises:
        ValueError: Weights of a registered network are absent, so that its scores would be lost.
    """
    from mmbench.pretrained import locate, registered

    used = {name for s in record.scores if s.value is not None for name, _ in s.networks}
    for card in registered():
        if card.name in used and locate(card, named) is None:
            raise ValueError(
                f"{path} was measured with {card.title}, whose weights are absent now: add "
                f"{argument('weights', {card.name: 'FILE'})}, or delete it first"
            )


def done(record: Record, path: Path, named: Mapping[str, Path], progress: Progress) -> None:
    """Reports that there is a record, and which of its scores could be measured anew.

    Only the user can ask for that: what was measured may need what is no longer available.

    Raises:
        ValueError: It was measured with other weights than those named.
    """
    again = argument("again", True)
    for change in other_weights(record.scores, named):
        raise ValueError(f"{path} was measured with {change}: add {again} to measure it again")
    progress.say(f"already done: {path}")
    available = now_possible(record.scores, named)
    for news in (*(f"{what}: available now" for what in available), *older_metrics(record)):
        progress.say(f"{news}: add {again} to measure it again")
    if not available:
        not_computed(record.scores, progress)


def not_computed(scores: Iterable[Score], progress: Progress) -> None:
    """Reports why some scores have no value."""
    for reason in dict.fromkeys(s.reason for s in scores if s.reason):
        progress.say(f"not computed: {reason}")
