"""Whether a record adds up: what a stranger's record must be before it stands in a leaderboard.

What follows from other parts of a record is computed again (the protocol's hash, the file's name,
whole numbers of coherent samples); what cannot be is held against what is possible. That a run
took place, nobody can read off a record: run it again, and `mmbench check` compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import Any

from mmbench.core.score import JOINT, NOTHING, Score
from mmbench.leaderboard.submissions.possible import POSSIBLE, impossible, networks
from mmbench.protocols.arguments import construct
from mmbench.protocols.protocol import CODE, METRIC_CODE, digest
from mmbench.records import schema1
from mmbench.records.paths import Place, well_formed
from mmbench.records.record import SCHEMA, SCORES, Record
from mmbench.records.strict import Faults, built, mismatches, read, short, shown
from mmbench.registry import names

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"([\w.+-]{1,60}-g)?[0-9a-f]{40}|v?[0-9][\w.+-]{0,60}", re.ASCII)
_VERSION = re.compile(r"[0-9A-Za-z][\w.+!-]{0,39}", re.ASCII)
_MODALITIES = 12


def validated(path: Path, results: Path | None = None) -> Record:
    """Reads a record that adds up.

    Args:
        path: Its file, named as a run names it.
        results: The results folder that it lies in, where its folders count too.

    Raises:
        FileNotFoundError: There is no such file.
        Faults: It does not add up; a sentence for each reason, each with the file's name.
    """
    try:
        found, where = _shaped(path)
        scores = {name: list(map(Score.of, found.get(name, []))) for name in SCORES}
        checks = (_names(found), _provenance(found), _protocol(found), _all_scores(found, scores),
                  _location(path, where, results))  # fmt: skip
        faults = Faults(chain(*checks))
        if faults.sentences:
            raise faults
        try:
            return built(found, Record)
        except ValueError as error:
            raise Faults([str(error)]) from None
    except Faults as faults:
        raise Faults(f"{shown(path)}: {text}" for text in faults.sentences) from None


def place(record: Record | Mapping[str, Any]) -> Path:
    """Where a record lies below a results folder: <dataset>/<model>/<seed>-<key>.json.

    Args:
        record: A record, or the fields of one.
    """
    return Place.of(vars(record) if isinstance(record, Record) else record).record


def _shaped(path: Path) -> tuple[dict[str, Any], Path]:
    """The fields of a record, each of its type, and where it should lie."""
    found = read(path)
    if isinstance(found, dict) and found.get("schema") == 1:
        return schema1.upgraded(found), schema1.place(found)
    # The version comes first: of another layout, no field can be judged.
    if isinstance(found, dict) and found.get("schema", SCHEMA) != SCHEMA:
        raise Faults([f"schema is {short(found.get('schema'))}, expected {SCHEMA}"])
    Faults.refuse(mismatches(found, Record, "the file"))
    assert isinstance(found, dict)  # for the type checker
    return found, place(found)


def _names(found: Mapping[str, Any]) -> Iterator[str]:
    for name in ("model", "dataset"):
        yield from _named(name, found[name])
    if found.get("samples") is not None and found["model"] in names("models"):
        yield (f"model is {short(found['model'])}, a registered one, but the samples came from "
               "another program: expected another name")  # fmt: skip


def _named(where: str, name: str) -> Iterator[str]:
    if not well_formed(name):
        yield (f"{where} is {short(name)}, expected a name of at most 80 letters, digits and "
               "._ ,:+()[]- that begins with a letter or a digit")  # fmt: skip


def _provenance(found: Mapping[str, Any]) -> Iterator[str]:
    """Where the numbers come from: data, versions, commit, machine, cost."""
    ran = found.get("samples") is None
    for name in ("data", "samples"):
        value = found.get(name)
        if value is not None and not _SHA256.fullmatch(value):
            yield f"{name} is {short(value)}, expected a sha256 of 64 hex digits"
    commit = found["commit"]
    if commit is not None and commit.endswith("-dirty"):
        yield (f"commit is {short(commit)}: the sources were changed and cannot be had again, "
               "expected a run of a commit")  # fmt: skip
    elif commit is not None and not _COMMIT.fullmatch(commit):
        yield f"commit is {short(commit)}, expected 40 hex digits"
    for package in ("mmbench", "python", "torch"):
        if package not in found["versions"]:
            yield f"versions lacks {package!r}"
    for package, version in found["versions"].items():
        if not _VERSION.fullmatch(version):
            yield f"versions[{short(package)}] is {short(version)}, expected a version"
    if not found["device"] or len(found["device"]) > 200:
        yield f"device is {short(found['device'])}, expected 1 to 200 characters"
    if found["seed"] < 0:
        yield f"seed is {found['seed']}, expected at least 0"
    for name, least in (("parameters", 0), ("evaluations", 1)):  # a baseline may learn nothing
        if ran and found[name] < least:
            yield f"{name} is {found[name]}, expected at least {least}"
        if not ran and found[name] != 0:
            yield f"{name} is {found[name]}, expected 0: another program drew the samples"
    for stage, seconds in found["seconds"].items():
        if seconds < 0:
            yield f"seconds[{short(stage)}] is {seconds}, expected at least 0"


def _protocol(found: Mapping[str, Any]) -> Iterator[str]:
    from mmbench.evaluation.evaluate import Evaluation

    protocol = found["protocol"]
    if found["protocol_hash"] != digest(protocol):
        yield (f"protocol_hash is {short(found['protocol_hash'])}, but the protocol hashes to "
               f"{digest(protocol)!r}")  # fmt: skip
    modalities = protocol.get("modalities")
    if isinstance(modalities, dict) and len(modalities) > _MODALITIES:
        yield (f"the protocol has {len(modalities):,} modalities, expected at most "
               f"{_MODALITIES}")  # fmt: skip
        return
    if isinstance(modalities, dict) and JOINT in modalities:
        yield (f"the protocol has a modality {JOINT!r}, which stands for all of them: expected "
               "another name")  # fmt: skip
    wanted = {"modalities", "evaluation"} | ({"model"} if found.get("samples") is None else set())
    if set(protocol) - {CODE, METRIC_CODE} != wanted:
        yield (f"the protocol has the tables {', '.join(map(short, sorted(protocol))) or 'none'}, "
               f"expected {', '.join(sorted(wanted))}")  # fmt: skip
    for name in sorted(wanted & set(protocol)):
        if not isinstance(protocol[name], dict):
            yield f"protocol.{name} is {short(protocol[name])}, expected an object"
    for name in (n for n in (CODE, METRIC_CODE) if n in protocol):
        of = protocol[name]
        hashes = list(of.values()) if isinstance(of, dict) else []
        if not hashes or not all(isinstance(v, str) and _SHA256.fullmatch(v) for v in hashes):
            yield f"protocol.{name} is {short(of)}, expected a sha256 for each module"
    if isinstance(protocol.get("evaluation"), dict):
        try:
            construct(Evaluation, protocol["evaluation"], "protocol.evaluation")
        except ValueError as error:
            yield str(error)


def _location(path: Path, wanted: Path, results: Path | None) -> Iterator[str]:
    if results is None and path.name != wanted.name:
        yield (f"it is called {short(path.name)}, expected {short(wanted.name)}: its seed, and "
               "the hash of its protocol and data")  # fmt: skip
    if results is not None and path.relative_to(results) != wanted:
        yield f"it lies in another place than its data set, model, seed and hash say: {wanted}"


def _all_scores(found: Mapping[str, Any], scores: Mapping[str, list[Score]]) -> Iterator[str]:
    if not scores["scores"]:
        yield "scores is empty, expected at least one"
    scored = {m for of in scores.values() for s in of for m in (*s.given, s.target)} - {JOINT}
    if len(scored) > _MODALITIES:  # more than the protocol's, where that has patterns
        yield (f"the scores are of {len(scored):,} modalities, expected at most "
               f"{_MODALITIES}")  # fmt: skip
    hashes: dict[str, str] = {}
    counts = {s.n for s in scores["scores"] if s.metric in POSSIBLE}
    if len(counts) > 1:
        yield (f"n is {', '.join(map(str, sorted(counts)))} in scores of one run, expected one "
               "number of samples")  # fmt: skip
    for name, of in scores.items():
        seen = set()
        for i, s in enumerate(of):
            where = f"{name}[{i}], {_about(s)}"
            for title, text in (("metric", s.metric), ("target", s.target),
                                *(("modality given", m) for m in s.given)):  # fmt: skip
                yield from _named(f"{where}: a {title}", text)
            yield from impossible(where, s)
            yield from _asked(where, s, found["protocol"], reference=name == "references")
            if (key := (s.metric, frozenset(s.given), s.target)) in seen:
                yield f"{where} occurs a second time, expected once"
            seen.add(key)
            for network, sha in networks(s):
                if hashes.setdefault(network, sha) != sha:
                    yield (f"{where} was measured with {short(network)} of sha256 {sha}, other "
                           f"scores with that of {hashes[network]}: expected one")  # fmt: skip


def _about(s: Score) -> str:
    given = ", ".join(s.given[:8]) or NOTHING
    return f"{s.metric[:40]} of {s.target[:40]} given {given[:80]}"


def _asked(where: str, s: Score, protocol: Mapping[str, Any], reference: bool) -> Iterator[str]:
    """Whether the protocol asks for a score: modalities, metric, numbers of given modalities."""
    modalities, evaluation = protocol.get("modalities"), protocol.get("evaluation")
    if not isinstance(modalities, dict) or not isinstance(evaluation, dict):
        return  # told of the protocol
    if len(modalities) > _MODALITIES:
        return  # likewise
    for m in dict.fromkeys((*s.given, *((s.target,) if s.target != JOINT else ()))):
        # A key is a name, a pattern such as "m*" or a kind such as "<image>".
        fits = any(fnmatchcase(m, key) or key.startswith("<") for key in modalities)
        if m == JOINT or not fits:
            yield (f"{where}: {short(m)} is no modality of the protocol, expected "
                   f"{', '.join(map(short, list(modalities)[:20])) or 'none'}")  # fmt: skip
    ranks = [list(modalities).index(m) for m in s.given if m in modalities]
    if len(set(s.given)) < len(s.given) or ranks != sorted(ranks):
        yield (f"{where}: given is {', '.join(map(short, s.given))}, expected each modality once, "
               "in the order of the protocol")  # fmt: skip
    if reference and s.given:
        yield f"{where}: a reference is given nothing"
    metrics = evaluation.get("metrics")
    if not isinstance(metrics, dict):
        return
    if s.metric not in metrics:
        yield (f"{where}: the protocol does not ask for {short(s.metric)}, expected "
               f"{', '.join(map(short, list(metrics)[:20])) or 'none'}")  # fmt: skip
        return
    for sizes in (metrics[s.metric], evaluation.get("given")):
        if not reference and isinstance(sizes, list) and len(s.given) not in sizes:
            yield (f"{where}: {len(s.given)} modalities are given, but the protocol asks for "
                   f"{short(', '.join(map(str, sizes[:20])))}")  # fmt: skip
    most = evaluation.get("examples")
    if isinstance(most, int) and 0 < most < s.n:
        yield f"{where}: n is {s.n}, but the protocol asks for {most} examples"
