"""Records of schema 1, read as records of schema 2.

Schema 1 named networks by import path, had no versions, and gave a metric's networks and the
reason for a missing score as text alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from mmbench.declarations import declared
from mmbench.protocols.protocol import digest
from mmbench.records.paths import folder_name
from mmbench.records.shapes import mismatches
from mmbench.records.strict import Faults
from mmbench.registry import names

NETWORK = re.compile(r"mmbench\.models\.networks\.(\w+):(\w+)")
"""How schema 1 named the networks that come with mmbench."""

VERSIONS = {"mhd-mini": 2, "mnist-svhn-mini": 2}
"""The versions of data sets that records of schema 1 are of, where they are not 1."""

PRODUCTS = ("mvae", "mvtcae", "mopoe", "mopoe-star", "diff-mvae", "diff-mvae-star")
MODELS = {"mhd-mini": dict.fromkeys(PRODUCTS, 2)}
"""The versions of models, likewise: on mhd-mini products of experts were in single precision."""


@dataclass
class OldScore:
    """The fields of a score in schema 1."""

    metric: str
    given: list[str]
    target: str
    value: float | None
    n: int
    extractor: str | None
    reason: str | None
    low: float | None = None
    high: float | None = None


@dataclass
class Old:
    """The fields of a record of schema 1."""

    schema: int
    model: str
    dataset: str
    seed: int
    protocol: dict[str, Any]
    protocol_hash: str
    data: str
    versions: dict[str, str]
    commit: str | None
    device: str
    parameters: int
    evaluations: int
    seconds: dict[str, float]
    scores: list[OldScore]
    references: list[OldScore] = field(default_factory=list)
    samples: str | None = None


def upgraded(found: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record of schema 2, from those of schema 1.

    Raises:
        Faults: They are not those of a record of schema 1.
    """
    Faults.refuse(mismatches(found, Old, "the file"))
    hashed = digest(found["protocol"])
    if found["protocol_hash"] != hashed:
        wrong = f"protocol_hash is {found['protocol_hash']!r}"
        raise Faults([f"{wrong}, but the protocol's hash is {hashed!r}"])
    protocol = _renamed(found["protocol"])
    scored = {s["metric"] for s in found["scores"]}
    return found | {
        "schema": 2,
        "protocol": protocol,
        "protocol_hash": digest(protocol),
        "model_version": MODELS.get(found["dataset"], {}).get(found["model"], 1),
        "dataset_version": VERSIONS.get(found["dataset"], 1),
        "metrics": {name: {"version": 1} for name in sorted(scored)},
        "scores": [_score(s) for s in found["scores"]],
        "references": [_score(s) for s in found.get("references", [])],
    }


def among(folder: Path) -> bool:
    """Whether a folder has records of schema 1."""
    files = (path for path in folder.glob("*.json") if path.is_file())
    return any(b'"schema": 1,' in path.read_bytes()[:20] for path in files)


def place(found: Mapping[str, Any]) -> Path:
    """Where the record of schema 1 with these fields lies below a results folder."""
    key = digest([found["protocol"], found["data"]])[:8]
    return Path(found["dataset"], folder_name(found["model"]), f"{found['seed']}-{key}.json")


def _renamed(value: Any) -> Any:
    """A protocol in which networks have the names that they are registered under."""
    if isinstance(value, dict):
        return {k: _renamed(v) for k, v in value.items()}
    if isinstance(value, str) and (path := NETWORK.fullmatch(value)):
        return "/".join(part.replace("_", "-") for part in path.groups())
    return value


def _score(score: dict[str, Any]) -> dict[str, Any]:
    titles = _titles()
    networks = [
        [titles.get(name.strip(), name.strip()), sha]
        for name, sha in re.findall(
            r"(?:^|;)([^;]*?)(?:, test [^;]*?)?, sha256:([0-9a-f]{16,64})",
            score.get("extractor") or "",
        )
    ]
    return score | {"networks": networks, "lacks": _lacks(score.get("reason") or "")}


@cache
def _titles() -> dict[str, str]:
    """Title of a registered network -> its name."""
    return {declared("extractors", n).get("title", n): n for n in names("extractors")}


def _lacks(reason: str) -> str | None:
    if weights := re.search(r"--weights (\S+)=FILE", reason):
        return f"weights:{weights[1]}"
    if package := re.search(r"No module named '(\w+)", reason):
        return f"package:{package[1]}"
    return "samples" if " needs at least " in reason else None
