"""What is kept of an evaluation while it lasts, and for the sample grids after it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from mmbench.core.score import NOTHING, Generated, Score
from mmbench.files import sealed
from mmbench.files.sealed import Damaged

REPLACES = "replaces-"


def place(folder: Path, given: tuple[str, ...]) -> Path:
    """The file of what is kept of a subset of given modalities."""
    return folder / f"{'+'.join(given) or NOTHING}.safetensors"


def start_over(record: Path, folder: Path) -> None:
    """Deletes what is kept of the evaluation that made a record, for another to replace it.

    An interrupted replacement goes on: what is kept of it stays, as the mark in the folder names
    the record by its content.
    """
    mark = folder / f"{REPLACES}{hashlib.sha256(record.read_bytes()).hexdigest()[:16]}"
    if not mark.exists():
        unmark(folder)
        for file in folder.glob("*.safetensors"):
            file.unlink()
        folder.mkdir(parents=True, exist_ok=True)
        mark.touch()


def unmark(folder: Path) -> None:
    """Removes the mark of a replacement, which is complete."""
    for mark in folder.glob(f"{REPLACES}*"):
        mark.unlink()


@dataclass(frozen=True)
class Part:
    """What is kept of one subset of given modalities.

    Attributes:
        shown: A few samples.
        scores: The scores of all samples.
        seconds: How long generation and scoring took, called as in records; no stage of training
            has such a name.
        versions: Metric -> the version that scored.
    """

    shown: Generated
    scores: list[Score]
    seconds: dict[str, float]
    versions: dict[str, int]

    def write(self, path: Path) -> None:
        """Keeps it in a file."""
        metadata = {
            "scores": json.dumps([asdict(s) for s in self.scores]),
            "seconds": json.dumps(self.seconds),
            "versions": json.dumps(self.versions),
        }
        tensors = {f"sample {m}": x.contiguous() for m, x in self.shown.samples.items()}
        sealed.write_tensors(path, {**tensors, "rows": self.shown.rows}, metadata)

    @classmethod
    def read(cls, path: Path, given: tuple[str, ...]) -> Part:
        """What `write` wrote.

        Raises:
            Damaged: The file does not match its seal, or holds something else.
        """
        again = "delete it to score again"
        try:
            tensors, metadata = sealed.read_tensors(path, older=True)
        except Damaged as error:
            raise Damaged(f"{error}; {again}") from None
        samples = {k.removeprefix("sample "): x for k, x in tensors.items() if k != "rows"}
        try:
            scores = list(map(Score.of, json.loads(metadata["scores"])))
            seconds = {k: float(x) for k, x in json.loads(metadata["seconds"]).items()}
            versions = dict(json.loads(metadata.get("versions", "{}")))
            return cls(Generated(given, samples, tensors["rows"]), scores, seconds, versions)
        except (AttributeError, LookupError, TypeError, ValueError):
            raise Damaged(f"{path} is not what a run keeps; {again}") from None
