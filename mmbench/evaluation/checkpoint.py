"""What is kept of an evaluation while it lasts, and for the sample grids after it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from mmbench.core.score import NOTHING, Generated, Score
from mmbench.files.atomic import replacing


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
        scores: Of all samples.
        seconds: "evaluation: generation" and "evaluation: scoring" -> how long they took; no
            stage of training has such a name.
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
        with replacing(path) as part:
            save_file({**tensors, "rows": self.shown.rows}, part, metadata)

    @classmethod
    def read(cls, path: Path, given: tuple[str, ...]) -> Part:
        """What `write` wrote.

        Raises:
            ValueError: The file is damaged.
        """
        try:
            with safe_open(path, framework="pt") as file:
                tensors = {k: file.get_tensor(k) for k in file.keys()}
                metadata = file.metadata()
        except SafetensorError as error:
            raise ValueError(f"{path} is damaged ({error}); delete it to score again") from None
        samples = {k.removeprefix("sample "): x for k, x in tensors.items() if k != "rows"}
        found = json.loads(metadata["scores"])
        scores = list(map(Score.of, found))
        shown = Generated(given, samples, tensors["rows"])
        return cls(shown, scores, json.loads(metadata["seconds"]))
