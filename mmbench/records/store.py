"""Records of runs: one self-describing JSON file for each (model, data set, seed).

A record can only be made of possible values, so reading one back is making one again. Nothing
but JSON is ever parsed: a record from a stranger can lie, but it cannot run code.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmbench.core.score import Score
from mmbench.files.atomic import write_text
from mmbench.protocols.protocol import digest
from mmbench.registry import nearest

if TYPE_CHECKING:
    from pandas import DataFrame

LARGEST = 4 * 2**20
"""Bytes of a record's file; one of 1,000 scores has 300,000."""

GREATEST = 1e100
"""Of a score or a duration: far beyond any, and tables can still square it and add it up."""

SCHEMA = 1
"""Version of the layout of the files; a file of another version is refused."""

ADDED = ("low", "high", "networks", "lacks", "references", "samples")
"""Fields that older files of this version lack."""

SCORES = ("scores", "references")
"""The fields of a record that hold scores."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one run was, what it cost and what it scored.

    Two equal runs make equal records: `seconds` takes no part in the comparison.

    Attributes:
        schema: Version of the layout.
        model: The model's name.
        dataset: The data set's name.
        seed: The run's seed, from which all its randomness is derived.
        protocol: The resolved protocol: plain JSON, finite numbers.
        protocol_hash: `mmbench.protocols.protocol.digest` of the protocol, which does not name the
            model: runs are alike where model, hash and data are.
        data: `Dataset.fingerprint` of the examples.
        versions: Package -> version.
        commit: Of the source tree; None outside a repository.
        device: What it ran on, in words.
        parameters: Number of trained parameters.
        evaluations: Network evaluations that one sample costs.
        seconds: Stage -> duration; the only part that differs between two equal runs.
        scores: At most one for each (metric, given, target).
        references: What real examples score in the place of samples, at most one for each
            (metric, target), given nothing; see `mmbench.evaluation.references`. No mean includes
            them.
        samples: Where the samples came from another program, the sha256 of their content; the
            protocol is then that of the evaluation alone.

    Raises:
        ValueError: A value has the wrong type or is impossible.
    """

    schema: int = SCHEMA
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
    seconds: dict[str, float] = field(compare=False)
    scores: tuple[Score, ...]
    references: tuple[Score, ...] = ()
    samples: str | None = None

    def __post_init__(self) -> None:
        _expect("schema", self.schema, int)
        if self.schema != SCHEMA:
            raise ValueError(f"schema is {self.schema}, expected {SCHEMA}")
        for name in ("model", "dataset", "protocol_hash", "data", "device"):
            _expect(name, getattr(self, name), str)
        for name in ("seed", "parameters", "evaluations"):
            _expect_count(name, getattr(self, name))
        for name in ("protocol", "versions", "seconds"):
            _expect(name, getattr(self, name), dict)
            _expect_plain(name, getattr(self, name))
        _expect("commit", self.commit, str, type(None))
        for package, version in self.versions.items():
            _expect(f"versions[{package!r}]", version, str)
        for stage, seconds in self.seconds.items():
            _expect(f"seconds[{stage!r}]", seconds, float, int)
            _expect_finite(f"seconds[{stage!r}]", seconds, GREATEST)
            if seconds < 0:
                raise ValueError(f"seconds[{stage!r}] is {seconds}, expected at least 0")
        if self.protocol_hash != digest(self.protocol):
            raise ValueError(f"protocol_hash is {self.protocol_hash!r}, but the protocol hashes "
                             f"to {digest(self.protocol)!r}")  # fmt: skip
        _expect("samples", self.samples, str, type(None))
        for name in SCORES:
            _expect_scores(name, getattr(self, name))


def write(record: Record, path: Path) -> None:
    """Writes a record, whole or not at all; floats come back in the same bits."""
    write_text(path, json.dumps(asdict(record), indent=1, allow_nan=False) + "\n")


def read(path: Path) -> Record:
    """Reads what `write` wrote.

    Raises:
        ValueError: The file is not a whole and possible record; the sentence names it.
        OSError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"it has more than {LARGEST:,} bytes")
        return _record(content)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path} is not whole JSON ({error}); delete it to run it again"
        ) from None
    except RecursionError:
        raise ValueError(f"{path} is not a record: it is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{path} is not a record: {error}") from None


def find(results: Path) -> list[Record]:
    """All records `results/<dataset>/<model>/*.json`, by data set, model, protocol and seed.

    Raises:
        FileNotFoundError: The folder is missing, or holds no record.
        ValueError: A record is damaged.
    """
    if not results.is_dir():
        raise FileNotFoundError(f"there is no folder {results}, expected one with records")
    records = [read(path) for path in sorted(results.glob("*/*/*.json"))]
    if not records:
        raise FileNotFoundError(f"{results} holds no record <dataset>/<model>/*.json")
    return sorted(records, key=lambda r: (r.dataset, r.model, r.protocol_hash, r.data, r.seed))


def frame(records: Iterable[Record]) -> DataFrame:
    """One row for each score, beside what identifies its run.

    Returns:
        Columns dataset, model, seed, protocol_hash, data, commit, device, parameters,
        evaluations, seconds (of all stages), then the fields of `Score`, with `given` joined by
        commas (empty for joint generation) and NaN for a value that is missing.
    """
    import pandas as pd  # half a second, and most commands do without

    columns = ["dataset", "model", "seed", "protocol_hash", "data", "commit", "device",
               "parameters", "evaluations"]  # fmt: skip
    rows = [
        {c: getattr(r, c) for c in columns}
        | {"seconds": sum(r.seconds.values())}
        | asdict(s)
        | {"given": ",".join(s.given)}
        for r in records
        for s in r.scores
    ]
    names = [*columns, "seconds", *(f.name for f in fields(Score))]
    return pd.DataFrame(rows, columns=names).astype({"value": float})


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, as `object_pairs_hook` makes it.

    Raises:
        ValueError: A field occurs twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, n in Counter(name for name, _ in pairs).items() if n > 1)
        raise ValueError(f"the field {_short(twice)} occurs twice")
    return found


def _record(text: bytes) -> Record:
    found = json.loads(text.decode(), object_pairs_hook=once)
    # The version comes first: of another layout, no field can be judged.
    if isinstance(found, dict) and "schema" in found and found["schema"] != SCHEMA:
        raise ValueError(f"schema is {_short(found['schema'])}, expected {SCHEMA}")
    _expect_fields("the file", found, Record)
    parts = {}
    for name in [n for n in SCORES if n in found]:
        _expect(name, found[name], list)
        for i, score in enumerate(found[name]):
            _expect_fields(f"{name}[{i}]", score, Score)
            _expect(f"{name}[{i}].given", score["given"], list)
        parts[name] = tuple(map(Score.of, found[name]))
    return Record(**found | parts)


def _expect(name: str, value: object, *types: type) -> None:
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        wanted = " or ".join("null" if t is type(None) else t.__name__ for t in types)
        raise ValueError(f"{name} is {_short(value)}, expected {wanted}")


def _expect_count(name: str, value: object) -> None:
    _expect(name, value, int)
    if value < 0:  # type: ignore[operator]
        raise ValueError(f"{name} is {value}, expected at least 0")


def _expect_plain(name: str, value: object) -> None:
    """Refuses what does not come back equal from JSON."""
    if isinstance(value, dict):
        for key, item in value.items():
            _expect(f"a key of {name}", key, str)
            _expect_plain(f"{name}[{key!r}]", item)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            _expect_plain(f"{name}[{i}]", item)
    elif isinstance(value, float):
        _expect_finite(name, value)
    else:
        _expect(name, value, str, int, float, bool, type(None), list, dict)


def _expect_finite(name: str, value: float, most: float = sys.float_info.max) -> None:
    if value != value or abs(value) > most:
        raise ValueError(f"{name} is {_short(value)}, expected a finite number of at most "
                         f"{most:.3g}")  # fmt: skip


def _expect_scores(name: str, scores: object) -> None:
    _expect(name, scores, tuple)
    seen: set[tuple[str, tuple[str, ...], str]] = set()
    for i, score in enumerate(scores):  # type: ignore[arg-type, var-annotated]
        _expect_score(f"{name}[{i}]", score)
        key = (score.metric, score.given, score.target)
        if key in seen:
            raise ValueError(f"{name}[{i}] is a second {score.metric!r} of {score.target!r} "
                             f"given {list(score.given)}, expected one")  # fmt: skip
        seen.add(key)


def _expect_score(name: str, score: object) -> None:
    if not isinstance(score, Score):
        raise ValueError(f"{name} is {_short(score)}, expected a Score")
    _expect(f"{name}.given", score.given, tuple)
    for text in (score.metric, score.target, *score.given):
        _expect(f"a name in {name}", text, str)
    _expect(f"{name}.extractor", score.extractor, str, type(None))
    _expect(f"{name}.reason", score.reason, str, type(None))
    _expect_count(f"{name}.n", score.n)
    _expect(f"{name}.value", score.value, float, int, type(None))
    if score.value is None and not score.reason:
        raise ValueError(f"{name} has no value, expected a reason for that")
    if score.value is not None:
        _expect_finite(f"{name}.value", score.value, GREATEST)
    ends = [score.low, score.high]
    for value in ends:
        _expect(f"an end of {name}", value, float, int, type(None))
        if value is not None:
            _expect_finite(f"an end of {name}", value, GREATEST)
    if ends != [None, None] and (None in ends or score.low > score.high):  # type: ignore[operator]
        raise ValueError(f"{name} has the interval {ends}, expected two ends in their order, or "
                         "none")  # fmt: skip


def _expect_fields(name: str, found: object, of: type[Record] | type[Score]) -> None:
    if not isinstance(found, dict):
        raise ValueError(f"{name} is {_short(found)}, expected an object")
    known = [f.name for f in fields(of)]
    for wrong in [k for k in found if k not in known]:
        raise ValueError(f"{name} has an unknown field {wrong!r}{nearest(wrong, known)}")
    for missing in [k for k in known if k not in found and k not in ADDED]:
        raise ValueError(f"{name} has no field {missing!r}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
