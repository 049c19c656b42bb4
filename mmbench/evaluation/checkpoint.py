"""What is kept of an evaluation while it lasts, and for the sample grids after it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from mmbench.core.score import NOTHING, Generated, Score
from mmbench.files import sealed
from mmbench.files.sealed import Damaged


def place(folder: Path, given: tuple[str, ...]) -> Path:
    """The file of what is kept of a subset of given modalities."""
    return folder / f"{'+'.join(given) or NOTHING}.safetensors"


def forget(folder: Path) -> None:
    """Deletes all that is kept."""
    for file in folder.glob("*.safetensors"):
        file.unlink()


@dataclass(frozen=True)
class Part:
    """What is kept of one subset of given modalities.

    Attributes:
        shown: A few samples.
        scores: The scores of all samples.
        seconds: How long generation and scoring took, called as in records; no stage of training
            has such a name.
    """

    shown: Generated
    scores: list[Score]
    seconds: dict[str, float]

    def write(self, path: Path) -> None:
        """Keeps it in a file."""
        metadata = {
            "scores": json.dumps([asdict(s) for s in self.scores]),
            "seconds": json.dumps(self.seconds),
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
            return cls(Generated(given, samples, tensors["rows"]), scores, seconds)
        except (AttributeError, LookupError, TypeError, ValueError):
            raise Damaged(f"{path} is not what a run keeps; {again}") from None
