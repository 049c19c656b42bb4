"""The commands that measure again what is older than a change of numbers."""

import json
import shlex
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from mmbench.protocols.protocol import digest, load, resolve
from mmbench.protocols.variants import invocations
from mmbench.records.differences import values
from mmbench.records.record import Record
from mmbench.records.store import order
from mmbench.records.versions import older_metrics, stale
from mmbench.text import plain


def again(records: Iterable[Record], out: Path) -> Iterator[str]:
    """A line of a shell for each model, protocol and data whose numbers are stale.

    What no command can make again, such as samples from elsewhere, is a comment.

    Args:
        records: The records of one results folder.
        out: That folder.
    """
    old = sorted((r for r in records if why(r)), key=lambda r: (_alike(r), r.seed))
    for _, of in groupby(old, key=_alike):
        runs = list(of)
        first = runs[0]
        named = f"{first.model} on {first.dataset}, seed {', '.join(str(r.seed) for r in runs)}"
        arguments = None if first.samples else _arguments(first)
        if arguments is None:
            what = "samples from elsewhere" if first.samples else "a protocol that is not shipped"
            yield plain(f"# {named}: {what}; {why(first)}")
            continue
        seeds = [str(r.seed) for r in runs]
        rescore = [] if stale(first) else ["--rescore"]
        line = ["mmbench", "run", "--model", first.model, "--dataset", first.dataset]
        line += ["--seed", *seeds, *arguments, *rescore, "--out", str(out)]
        yield shlex.join(line)


def why(record: Record) -> str:
    """In what the numbers of a record are older than what is installed; "" for none."""
    return "; ".join(filter(None, [stale(record), *older_metrics(record)]))


def _alike(record: Record) -> tuple[object, ...]:
    """What the runs of one command have in common."""
    return (*order(record)[:-1], why(record), record.samples or "")


def _arguments(record: Record) -> list[str] | None:
    """What `mmbench run` is called with for a record's protocol; None if that cannot be told."""
    known = invocations(record.dataset, record.model)
    if record.protocol_hash in known:
        return known[record.protocol_hash]
    if [] not in known.values():  # no protocol is shipped
        return None
    ours = values(record.protocol)
    theirs = values(resolve(load(record.dataset, model=record.model), record.model))
    settings = [
        f"{_setting(path, record.model)}={json.dumps(value)}"
        for path, value in ours.items()
        if theirs.get(path) != value
    ]
    try:
        made = resolve(load(record.dataset, None, settings, record.model), record.model)
    except (ValueError, LookupError):
        return None
    if digest(made) != record.protocol_hash:
        return None
    return [word for setting in settings for word in ("--set", setting)]


def _setting(path: str, model: str) -> str:
    """A value of a record's protocol, as a whole protocol has it."""
    return f"models.{model}.{path[6:]}" if path.startswith("model.") else path
