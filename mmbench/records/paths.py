"""The layout of a results folder, and what may name a file in it.

    <dataset>/<model>/<seed>-<run key>.json, .png       a record and its grid of samples
    <dataset>/<model>/<seed>-<training key>/            weights, and checkpoints of training
        history.csv                                     the course of that training
        evaluation-<run key>/<given>.safetensors        what an evaluation keeps of a subset
    <dataset>/<name>/<seed>-<run key>/<samples>/...     the same, of samples made elsewhere
    <dataset>/shared/                                   training stages that runs have in common,
                                                        each with its history beside it

The run key is a hash of the protocol, the data and the versions of the model and the data set, so
that runs with other settings lie beside each other. The training key leaves the evaluation out, so
that another sampler or metric does not train again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmbench.protocols.protocol import CODE, METRIC_CODE, TRAINED_CODE, Table, digest

if TYPE_CHECKING:
    from mmbench.records.record import Record

SHARED = "shared"
HISTORY = "history.csv"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .,:+()\[\]-]{0,79}")
FORM = "letters, digits and ._ ,+()[]-, with a letter, digit or _ first and no dot or space last"
"""What may name a folder, in words."""


def well_formed(name: str) -> bool:
    """Whether a record may have this name: at most 80 characters, none that looks like another.

    It has no slash, quote or angle bracket, no dot in front, and no dot or space at the end.
    """
    return NAME.fullmatch(name) is not None and name == name.strip(" .")


def names_folder(name: str) -> bool:
    """Whether it may name a folder, too: it lacks the colon of "module:class"."""
    return well_formed(name) and ":" not in name


def folder_name(model: str) -> str:
    """What the folder of a model is called."""
    return model.replace(":", ".")


def history_of(stage: Path) -> Path:
    """The history of a stage that runs have in common, beside the file of its weights."""
    return stage.with_suffix(".csv")


def histories(folder: Path) -> list[Path]:
    """The files of the courses of training of all runs in a results folder, sorted."""
    return sorted(folder.glob(f"*/*/*/{HISTORY}"))


def records(folder: Path) -> list[Path]:
    """The files of all records in a results folder, sorted; hidden files are none."""
    found = sorted(folder.glob("*/*/*.json"))
    return [path for path in found if not any(n[0] == "." for n in path.parts[-3:])]


def results_of(path: Path) -> Path:
    """The results folder that a record, or the folder of its weights, lies in."""
    return path.resolve().parent.parent.parent


def trained(protocol: Table) -> Table:
    """The part of a protocol that training depends on; its code is that which trained."""
    later = ("evaluation", METRIC_CODE, TRAINED_CODE)
    part = {k: v for k, v in protocol.items() if k not in later}
    return part | ({CODE: protocol[TRAINED_CODE]} if TRAINED_CODE in protocol else {})


@dataclass(frozen=True)
class Place:
    """Where the files of one run lie below a results folder.

    Attributes:
        dataset: The data set's name.
        model: The model's name.
        seed: The run's seed.
        protocol: The part of the protocol that the run uses.
        data: The fingerprint of the data.
        versions: Those of the model and of the data set.
        samples: The fingerprint of samples that were made elsewhere.
    """

    dataset: str
    model: str
    seed: int
    protocol: Table
    data: str
    versions: tuple[int, int] = (1, 1)
    samples: str | None = None

    @classmethod
    def of(cls, record: Record | Mapping[str, Any]) -> Place:
        """The place of a record, or of one with these fields."""
        fields = record if isinstance(record, Mapping) else vars(record)
        versions = fields.get("model_version", 1), fields.get("dataset_version", 1)
        names = ("dataset", "model", "seed", "protocol", "data")
        known = {name: fields[name] for name in names}
        return cls(**known, versions=versions, samples=fields.get("samples"))

    @property
    def _key(self) -> str:
        return digest([self.protocol, self.data, self.versions])[:8]

    @property
    def home(self) -> Path:
        """The folder of the model."""
        return Path(self.dataset, folder_name(self.model))

    @property
    def record(self) -> Path:
        """The record."""
        return self.home / f"{self.seed}-{self._key}.json"

    @property
    def picture(self) -> Path:
        """The grid of samples."""
        return self.record.with_suffix(".png")

    @property
    def folder(self) -> Path:
        """The folder of weights and checkpoints."""
        key = digest([trained(self.protocol), self.data, self.versions])[:8]
        return self.home / f"{self.seed}-{key}"

    @property
    def uncoded(self) -> str:
        """The training key of any code of the model and its networks."""
        part = {k: v for k, v in trained(self.protocol).items() if k != CODE}
        return digest([part, self.data, self.versions])

    @property
    def weights(self) -> Path:
        """The trained weights."""
        return self.folder / "weights.safetensors"

    @property
    def history(self) -> Path:
        """The course of the training."""
        return self.folder / HISTORY

    @property
    def kept(self) -> Path:
        """The folder of what the evaluation keeps of each subset of given modalities."""
        if self.samples is None:
            return self.folder / f"evaluation-{self._key}"
        return self.record.with_suffix("") / Path(self.samples[:16]).name

    @property
    def lock(self) -> Path:
        """The file that who makes the run holds."""
        if self.samples is None:
            return self.folder / "lock"
        return self.record.with_name(f".{self.record.stem}.lock")

    def beside(self, results: Path) -> list[Path]:
        """What a results folder holds of the run beside its record, as paths below that folder.

        That is the picture, the weights with their history, and what the evaluation kept.
        """
        found = [results / path for path in (self.picture, self.weights, self.history)]
        found += (results / self.kept).glob("*.safetensors")
        listed = (path.relative_to(results) for path in found if path.exists())
        return sorted(path for path in listed if not path.name.startswith("."))
