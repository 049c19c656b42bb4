"""A submission: samples that another program wrote, scored as those of a run are.

Its record lies in results/<dataset>/<name>/<seed>-<key>.json, beside the picture of samples. The
protocol in it is the evaluation's alone, so that seeds of one model share a mean; the record's
field `samples` tells the samples apart.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from mmbench.core.data import Dataset
from mmbench.core.score import Context
from mmbench.evaluation.checkpoint import forget
from mmbench.evaluation.evaluate import SHOWN, Evaluation, evaluate
from mmbench.evaluation.references import references
from mmbench.evaluation.stale import done, keep_measured, not_computed
from mmbench.media.grid import sample_grid
from mmbench.progress import Progress
from mmbench.protocols.arguments import construct
from mmbench.protocols.protocol import Table, digest, with_code
from mmbench.records.naming import FORM, names_folder
from mmbench.records.provenance import commit, in_words, versions
from mmbench.records.store import Record, read, write
from mmbench.registry import names
from mmbench.runs.samples import Samples


@dataclass(frozen=True)
class Submission:
    """Samples of one model with one seed.

    Args:
        name: What the model is called in tables.
        samples: Where they are.
        seed: The seed of the model that drew them.
        protocol: A whole protocol, with overrides applied; its evaluation counts.
        out: The results folder.
        device: Where to compute.
        cache: For classifiers and features of real data.
        progress: Where to report.
        weights: Extractor name -> file of weights that the user named.

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
            raise ValueError(f"{self.name} is the name of a registered model, whose rows are of "
                             "what was trained here: give another")  # fmt: skip
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
        """How the samples are scored."""
        found = construct(Evaluation, self.settings["evaluation"], "evaluation")
        assert isinstance(found, Evaluation)  # for the type checker
        found.check(self.dataset)
        wanted = found.subsets(self.dataset)
        for given in self.samples.found:
            list(found.wanted(given))
            if given not in wanted:
                raise ValueError(f"{self.samples.root} has samples given {len(given)} modalities, "
                                 f"but the evaluation asks for {found.given} given")  # fmt: skip
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
    def record_path(self) -> Path:
        """Where the record lies."""
        key = digest([self.settings, self.dataset.fingerprint()])[:8]
        return self.out / self.dataset.name / self.name / f"{self.seed}-{key}.json"

    def execute(self, replace: bool = False) -> Record:
        """Scores the samples and writes the record, or reads the one that is there.

        Args:
            replace: Whether to score again, and to put the record in the place of one of other
                samples.

        Raises:
            FileExistsError: There is a record of other samples.
            ValueError: The samples are not what was asked for.
            OSError: The results folder cannot be written to.
        """
        path = self.record_path
        if path.exists() and not replace:
            known = read(path)
            if known.samples != self.content:
                raise FileExistsError(f"{path} holds the scores of other samples: give another "
                                      "--seed or --name, or --replace them")  # fmt: skip
            done(known, path, self.weights, "--replace", self.progress)
            return known
        if path.exists():
            keep_measured(read(path), path, self.weights)
        context = Context(self.device, self.cache, self.progress, self.weights)
        kept = path.with_suffix("") / self.content[:16]
        if replace:
            forget(kept)
        start = time.monotonic()
        parts = list(evaluate(
            lambda given: self.samples.read(given, self.rows),
            self.samples.found, self.dataset, self.evaluation, context, kept,
        ))  # fmt: skip
        scores = tuple(s for part in parts for s in part.scores)
        if not scores:
            raise ValueError(f"no metric of the protocol ({', '.join(self.evaluation.metrics)}) "
                             f"concerns the samples in {self.samples.root}")  # fmt: skip
        sample_grid(path.with_suffix(".png"), self.dataset, [p.shown for p in parts], SHOWN)
        metrics = self.evaluation.scorers()
        record = Record(
            model=self.name,
            dataset=self.dataset.name,
            seed=self.seed,
            protocol=self.settings,
            protocol_hash=digest(self.settings),
            data=self.dataset.fingerprint(),
            versions=versions(self.evaluation.metrics),
            commit=commit(),
            device=in_words(self.device),
            parameters=0,
            evaluations=0,
            seconds={"evaluation: scoring": time.monotonic() - start},
            scores=scores,
            references=references(metrics, scores, self.dataset, self.rows, context),
            samples=self.content,
        )
        write(record, path)
        not_computed(scores, self.progress)
        self.progress.say(f"wrote {path}")
        return record
