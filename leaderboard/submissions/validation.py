"""Whether an untrusted record is valid: what it must be before it stands in a leaderboard.

What follows from other parts of a record is computed again (the protocol's hash, the file's name,
whole numbers of coherent samples); the rest is compared with what is possible. Whether a run took
place cannot be read off a record: run it again, and `mmbench check` compares.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from mmbench.core.score import JOINT, Score
from mmbench.evaluation.settings import Evaluation
from mmbench.leaderboard.submissions.scores import MODALITIES, misnamed
from mmbench.leaderboard.submissions.scores import faults as score_faults
from mmbench.protocols.arguments import construct
from mmbench.protocols.protocol import CODE, METRIC_CODE, TRAINED_CODE, digest
from mmbench.records import schema1
from mmbench.records.paths import Place, records
from mmbench.records.record import SCHEMA, SCORES, Record
from mmbench.records.shapes import built, mismatches
from mmbench.records.strict import Faults, read, short, shown
from mmbench.registry import names

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"([\w.+-]{1,60}-g)?[0-9a-f]{40}|v?[0-9][\w.+-]{0,60}", re.ASCII)
_VERSION = re.compile(r"[0-9A-Za-z][\w.+!-]{0,39}", re.ASCII)


def valid(paths: Sequence[Path]) -> tuple[list[Record], list[str]]:
    """The valid ones of untrusted records, and a sentence for each fault of the others.

    Paths are files of records, or results folders, all of whose records are read.

    Raises:
        FileNotFoundError: There is no such file or folder, or the folder holds no record.
    """
    found, faults = [], []
    for path in paths:
        files = records(path) if path.is_dir() else [path]
        if not files:
            raise FileNotFoundError(f"{shown(path)} holds no record <dataset>/<model>/*.json")
        for file in files:
            try:
                found.append(validated(file, path if path.is_dir() else None))
            except ValueError as error:
                faults += str(error).splitlines()
    return found, faults


def validated(path: Path, results: Path | None = None) -> Record:
    """Reads a valid record.

    Args:
        path: Its file, named as a run names it.
        results: The results folder that it lies in, if its folders are to be checked too.

    Raises:
        FileNotFoundError: There is no such file.
        Faults: It is not valid; a sentence for each reason, each with the file's name.
    """
    try:
        found, where = _shaped(path)
        scores = {name: list(map(Score.of, found.get(name, []))) for name in SCORES}
        checks = (
            _names(found),
            _provenance(found),
            _protocol(found),
            score_faults(found["protocol"], scores),
            _location(path, where, results),
        )
        Faults.refuse(chain(*checks))
        try:
            record: Record = built(found, Record)
            return record
        except ValueError as error:
            raise Faults([str(error)]) from None
    except Faults as faults:
        raise Faults(f"{shown(path)}: {text}" for text in faults.sentences) from None


def _shaped(path: Path) -> tuple[dict[str, Any], Path]:
    """The fields of a record, each of its type, and where it should lie."""
    found = read(path)
    if isinstance(found, dict) and found.get("schema") == 1:
        return schema1.upgraded(found), schema1.place(found)
    # The version comes first: of another layout, no field can be judged.
    if isinstance(found, dict) and found.get("schema", SCHEMA) != SCHEMA:
        raise Faults([f"schema is {short(found['schema'])}, expected {SCHEMA}"])
    missing = isinstance(found, dict) and "schema" not in found
    faults = mismatches(found, Record, "the file")
    Faults.refuse(chain(["the file has no field 'schema'"] if missing else [], faults))
    assert isinstance(found, dict)  # for the type checker
    return found, Place.of(found).record


def _names(found: Mapping[str, Any]) -> Iterator[str]:
    for name in ("model", "dataset"):
        yield from misnamed(name, found[name])
    if found.get("samples") is not None and found["model"] in names("models"):
        registered = f"model is {short(found['model'])}, a registered one"
        yield f"{registered}, but the samples came from another program: expected another name"


def _provenance(found: Mapping[str, Any]) -> Iterator[str]:
    """Where the numbers come from: data, versions, commit, machine, cost."""
    ran = found.get("samples") is None
    for name in ("data", "samples"):
        value = found.get(name)
        if value is not None and not _SHA256.fullmatch(value):
            yield f"{name} is {short(value)}, expected a sha256 of 64 hex digits"
    commit = found["commit"]
    if commit is not None and commit.endswith("-dirty"):
        changed = "the sources were changed, which no commit holds"
        yield f"commit is {short(commit)}: {changed}, expected a run of a commit"
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
    protocol = found["protocol"]
    if found["protocol_hash"] != digest(protocol):
        wrong = f"protocol_hash is {short(found['protocol_hash'])}"
        yield f"{wrong}, but the protocol hashes to {digest(protocol)!r}"
    modalities = protocol.get("modalities")
    if isinstance(modalities, dict) and len(modalities) > MODALITIES:
        yield f"the protocol has {len(modalities):,} modalities, expected at most {MODALITIES}"
        return
    if isinstance(modalities, dict) and JOINT in modalities:
        reserved = f"the protocol has a modality {JOINT!r}, which stands for all of them"
        yield f"{reserved}: expected another name"
    wanted = {"modalities", "evaluation"} | ({"model"} if found.get("samples") is None else set())
    if set(protocol) - {CODE, METRIC_CODE, TRAINED_CODE} != wanted:
        tables = ", ".join(map(short, sorted(protocol))) or "none"
        yield f"the protocol has the tables {tables}, expected {', '.join(sorted(wanted))}"
    for name in sorted(wanted & set(protocol)):
        if not isinstance(protocol[name], dict):
            yield f"protocol.{name} is {short(protocol[name])}, expected an object"
    for name in (n for n in (CODE, METRIC_CODE, TRAINED_CODE) if n in protocol):
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
        called = f"it is called {short(path.name)}, expected {short(wanted.name)}"
        yield f"{called}: its seed, and the hash of its protocol and data"
    if results is not None and path.relative_to(results) != wanted:
        yield f"it belongs at {wanted} by its data set, model, seed and hash"
