"""A submission: samples that another program wrote, scored as those of a run are.

Its record lies in results/<dataset>/<name>/<seed>-<key>.json, beside the picture of samples. The
protocol in it is the evaluation's alone, so that seeds of one model share a mean; the record's
field `samples` tells the samples apart.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from mmbench.core.data import Dataset
from mmbench.core.score import Context
from mmbench.errors import argument
from mmbench.evaluation.settings import Evaluation
from mmbench.files.locks import alone
from mmbench.progress import Progress
from mmbench.protocols.arguments import construct
from mmbench.protocols.protocol import Table, with_code
from mmbench.records.paths import FORM, Place, names_folder
from mmbench.records.record import Record
from mmbench.records.store import read
from mmbench.registry import names
from mmbench.runs.samples import Samples
from mmbench.runs.scoring import Scoring


@dataclass(frozen=True)
class Submission:
    """Samples of one model with one seed.

    The other arguments are those of `mmbench.runs.run.Run`; of the protocol the evaluation counts.

    Args:
        name: What the model is called in tables.
        samples: Where they are.
        seed: The seed of the model that drew them.

    Raises:
        ValueError: The name is that of a registered model, or cannot be a folder's.
    """

    name: str
    samples: Samples
    seed: int
    protocol: Table
    out: Path
    device: torch.device
    cache: Path
    progress: Progress
    weights: dict[str, Path]

    def __post_init__(self) -> None:
        if self.name in names("models"):
            raise ValueError(f"{self.name} is the name of a registered model: give another")
        if not names_folder(self.name):
            raise ValueError(f"{self.name!r} cannot name a model: expected at most 80 {FORM}")

    @property
    def dataset(self) -> Dataset:
        """Whose test examples were given."""
        return self.samples.dataset

    @cached_property
    def settings(self) -> Table:
        """The part of the protocol that counts: no sampler of ours drew the samples."""
        table = {k: v for k, v in self.protocol["evaluation"].items() if k != "sampler"}
        modalities: Table = {m.name: {} for m in self.dataset.modalities}
        return with_code({"modalities": modalities, "evaluation": table})

    @cached_property
    def evaluation(self) -> Evaluation:
        """How the samples are scored.

        Raises:
            LookupError, ValueError: The protocol's evaluation fits neither data set nor samples.
        """
        found = construct(Evaluation, self.settings["evaluation"], "evaluation")
        assert isinstance(found, Evaluation)  # for the type checker
        found.check(self.dataset)
        wanted = found.subsets(self.dataset)
        for given in self.samples.found:
            if given not in wanted:
                has = f"{self.samples.root} has samples given {len(given)} modalities"
                raise ValueError(f"{has}, but the evaluation asks for {found.given}")
        return found

    @cached_property
    def rows(self) -> Tensor:
        """(N,) the test examples that are scored."""
        return self.evaluation.rows(self.dataset.test)

    @cached_property
    def content(self) -> str:
        """Sha256 of the samples."""
        return self.samples.fingerprint(self.rows)

    @cached_property
    def place(self) -> Place:
        """Where its files lie in the results folder."""
        data, versions = self.dataset.fingerprint(), (1, self.dataset.version)
        return Place(
            self.dataset.name, self.name, self.seed, self.settings, data, versions, self.content
        )

    def execute(self, replace: bool = False) -> Record:
        """Scores the samples and writes the record, or reads the one that is there.

        Args:
            replace: Whether to score again, and to replace a record of other samples.

        Raises:
            FileExistsError: There is a record of other samples.
            ValueError: The samples are not what was asked for.
            OSError: The results folder cannot be written to.
        """
        context = Context(self.device, self.cache, self.progress, self.weights)
        scoring = Scoring(self.place, self.out, self.dataset, self.evaluation, context)
        scoring.check()
        with alone(self.out / self.place.lock, self.progress.waiting):
            return self._execute(scoring, replace)

    def _execute(self, scoring: Scoring, replace: bool) -> Record:
        path = scoring.path
        if path.exists() and not replace and read(path).samples != self.content:
            raise FileExistsError(
                f"{path} holds the scores of other samples: give another {argument('seed')} or "
                f"{argument('name')}, or replace them by {argument('again', True)}"
            )
        known = scoring.finished(replace)
        if known is not None:
            return known
        draw = lambda given: self.samples.read(given, self.rows)
        return scoring.execute(draw, list(self.samples.found), {})
