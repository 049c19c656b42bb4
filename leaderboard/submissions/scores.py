"""Whether scores are possible: within their metric's range, measured by named networks, asked for.

What is known of a metric is what it declares (`mmbench.core.score.Metric`); a metric that is not
registered can have any finite value.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from mmbench.core.score import JOINT, Metric, Score, given_in_words
from mmbench.leaderboard.facts import facts
from mmbench.records.paths import well_formed
from mmbench.records.record import bounds, within
from mmbench.records.strict import short

MODALITIES = 12
"""The most that a record can have: no table could show the subsets of more."""

_HASH = re.compile(r"[0-9a-f]{16,64}")
_LACKS = re.compile(r"(weights|package):\S+|samples|judge")
_ROUNDING = 1e-5


def faults(protocol: Mapping[str, Any], scores: Mapping[str, Iterable[Score]]) -> Iterator[str]:
    """What is wrong with a record's "scores" and "references", of the right types and finite."""
    scores = {name: list(of) for name, of in scores.items()}
    if not scores["scores"]:
        yield "scores is empty, expected at least one"
    scored = {m for of in scores.values() for s in of for m in (*s.given, s.target)} - {JOINT}
    if len(scored) > MODALITIES:  # more than the protocol's, where that has patterns
        yield f"the scores are of {len(scored):,} modalities, expected at most {MODALITIES}"
    yield from _counts(protocol, scores["scores"])
    hashes: dict[str, str] = {}
    for name, of in scores.items():
        seen = set()
        for i, s in enumerate(of):
            where = f"{name}[{i}], {_about(s)}"
            for title, text in (("metric", s.metric), ("target", s.target)):
                yield from misnamed(f"{where}: a {title}", text)
            for m in s.given:
                yield from misnamed(f"{where}: a modality given", m)
            yield from _impossible(where, s)
            yield from _unasked(where, s, protocol, reference=name == "references")
            if (key := (s.metric, frozenset(s.given), s.target)) in seen:
                yield f"{where} occurs a second time, expected once"
            seen.add(key)
            for network, sha in s.networks:
                if not _HASH.fullmatch(sha):
                    yield f"{where}: the sha256 of {short(network)} is {short(sha)}"
                if (other := hashes.setdefault(network, sha)) != sha:
                    measured = f"{where} was measured with {short(network)} of sha256 {sha}"
                    yield f"{measured}, other scores with sha256 {other}: expected one"


def misnamed(where: str, name: str) -> Iterator[str]:
    """A sentence if a record may not have a name."""
    if not well_formed(name):
        form = "letters, digits and ._ ,:+()[]- that begins with a letter or a digit"
        yield f"{where} is {short(name)}, expected a name of at most 80 {form}"


def _counts(protocol: Mapping[str, Any], scores: Iterable[Score]) -> Iterator[str]:
    """That scores of one run are of several numbers of samples, where its protocol has one."""
    evaluation = protocol.get("evaluation")
    fewer = evaluation.get("samples") if isinstance(evaluation, Mapping) else None
    apart = fewer.keys() if isinstance(fewer, Mapping) else ()
    counts: dict[str, set[int]] = {}
    for s in scores:
        if facts(s.metric):
            counts.setdefault(s.metric if s.metric in apart else "", set()).add(s.n)
    for found in counts.values():
        if len(found) > 1:
            several = ", ".join(map(str, sorted(found)))
            yield f"n is {several} in scores of one run, expected one number of samples"


def _impossible(where: str, s: Score) -> Iterator[str]:
    """What a score cannot be, whatever its record."""
    known = facts(s.metric)
    least = 0 if s.value is None else known.least if known else 1
    if s.n < least:
        yield f"{where}: n is {s.n}, expected at least {least}"
    if (s.low is None) != (s.high is None):
        yield f"{where}: an interval has two ends, expected low and high or neither"
    if s.value is None:
        if not s.reason:
            yield f"{where}: there is no value, expected a reason for that"
        if s.low is not None or s.high is not None:
            yield f"{where}: there is an interval without a value"
        if s.lacks is not None and not _LACKS.fullmatch(s.lacks):
            forms = "weights:NAME, package:NAME, samples or judge"
            yield f"{where}: lacks is {short(s.lacks)}, expected {forms}"
        return
    if s.reason is not None or s.lacks is not None:
        yield f"{where}: there is a value, and a reason why there is none"
    if s.low is not None and s.high is not None and not within(s.low, s.value, s.high):
        yield f"{where}: the value {s.value} is not within its interval, {s.low} to {s.high}"
    if known:
        yield from _undeclared(where, s, s.value, known)


def _undeclared(where: str, s: Score, value: float, known: Metric) -> Iterator[str]:
    """What a score cannot be by the declaration of its metric."""
    low, high = bounds(known.name)
    wanted = f"at least {low:g}" if high == math.inf else f"{low:g} to {high:g}"
    for title, x in (("value", value), ("low", s.low), ("high", s.high)):
        if x is not None and not within(low, x, high):
            yield f"{where}: {title} is {x}, expected {wanted}"
    if known.counts and s.n > 0 and within(low, value, high):
        right = value * s.n / 100
        if abs(right - round(right)) > _ROUNDING:
            share = f"{value} % of {s.n} samples are {right:g} samples"
            yield f"{where}: {share}, expected a whole number"
    if known.judge and not s.networks:
        yield f"{where}: networks is empty, expected the names and sha256 of those it needs"


def _about(s: Score) -> str:
    return f"{s.metric[:40]} of {s.target[:40]} given {given_in_words(s.given[:8])[:80]}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(short, list(names)[:20])) or "none"


def _unasked(where: str, s: Score, protocol: Mapping[str, Any], reference: bool) -> Iterator[str]:
    """Where the protocol does not ask for a score: modalities, metric, numbers of them given."""
    modalities, evaluation = protocol.get("modalities"), protocol.get("evaluation")
    if not isinstance(modalities, dict) or not isinstance(evaluation, dict):
        return  # a fault of the protocol
    if len(modalities) > MODALITIES:
        return  # likewise
    for m in dict.fromkeys((*s.given, *((s.target,) if s.target != JOINT else ()))):
        # A key is a name, a pattern such as "m*" or a kind such as "<image>".
        fits = any(fnmatchcase(m, key) or key.startswith("<") for key in modalities)
        if m == JOINT or not fits:
            known = _listed(modalities)
            yield f"{where}: {short(m)} is no modality of the protocol, expected {known}"
    ranks = [list(modalities).index(m) for m in s.given if m in modalities]
    if len(set(s.given)) < len(s.given) or ranks != sorted(ranks):
        given = f"given is {', '.join(map(short, s.given))}"
        yield f"{where}: {given}, expected each modality once, in the order of the protocol"
    if reference and s.given:
        yield f"{where}: a reference is given nothing"
    metrics = evaluation.get("metrics")
    if not isinstance(metrics, dict):
        return
    if s.metric not in metrics:
        asked = f"the protocol does not ask for {short(s.metric)}"
        yield f"{where}: {asked}, expected {_listed(metrics)}"
        return
    for sizes in (metrics[s.metric], evaluation.get("given")):
        if not reference and isinstance(sizes, list) and len(s.given) not in sizes:
            asked = f"but the protocol asks for {short(', '.join(map(str, sizes[:20])))}"
            yield f"{where}: {len(s.given)} modalities are given, {asked}"
    fewer = evaluation.get("samples")
    several = fewer.get(s.metric) if isinstance(fewer, dict) else None
    for most, of in ((evaluation.get("examples"), "examples"), (several, "samples")):
        if isinstance(most, int) and 0 < most < s.n:
            yield f"{where}: n is {s.n}, but the protocol asks for {most} {of}"
