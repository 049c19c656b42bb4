"""A run: (model, data set, seed) -> train -> generate from every subset -> score -> a record.

Files of a run, under results/<dataset>/<model>/:

- `<seed>-<run key>.json`, `.png`: the record and its sample grid. The key is the hash of the
  protocol that the run used and of the data set's content, so that runs with other settings or
  data lie beside each other.
- `<seed>-<training key>/`: weights and checkpoints. Its key leaves the evaluation out, so that
  another sampler or metric does not train again.

Beside the models' folders, `shared/` holds the training stages that several runs have in common,
such as the autoencoders of MLD and its variants.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from mmbench.core.data import Dataset
from mmbench.core.model import Model
from mmbench.core.score import Context, Generated, Score
from mmbench.evaluation.checkpoint import forget
from mmbench.evaluation.evaluate import SHOWN, Evaluation, Kept, evaluate, generate
from mmbench.evaluation.references import references
from mmbench.evaluation.stale import done, keep_measured, not_computed
from mmbench.media.grid import sample_grid
from mmbench.progress import Progress
from mmbench.protocols.arguments import construct
from mmbench.protocols.protocol import CODE, METRIC_CODE, Table, digest, resolve, with_code
from mmbench.records.provenance import commit, in_words, versions
from mmbench.records.store import Record, read, write
from mmbench.registry import find
from mmbench.seeds import derive
from mmbench.training.trainer import Trainer
from mmbench.training.weights import load_weights, save_weights

WEIGHTS = "weights.safetensors"
"""The file of trained weights, in the folder of a run."""
SHARED = "shared"
"""The folder, beside those of the models, of training stages that several runs have in common."""


@dataclass(frozen=True)
class Run:
    """One model on one data set with one seed.

    Args:
        model: Registered name, or "module:class".
        dataset: Already loaded.
        seed: Of initialisation, training and generation; never of the data.
        protocol: A whole protocol, with overrides applied.
        out: The results folder.
        device: Where to compute.
        cache: For classifiers and features of real data.
        progress: Where to report.
        weights: Extractor name -> file of weights that the user named.
    """

    model: str
    dataset: Dataset
    seed: int
    protocol: Table
    out: Path
    device: torch.device
    cache: Path
    progress: Progress
    weights: dict[str, Path]

    @cached_property
    def settings(self) -> Table:
        """The part of the protocol that this run uses, with which weights and whose code."""
        from mmbench.architecture import fitting, identified

        settings = resolve(self.protocol, self.model)
        tables = settings["modalities"] = identified(settings["modalities"])
        return with_code(settings, self.model, fitting(self.dataset.modalities, tables).values())

    @cached_property
    def evaluation(self) -> Evaluation:
        """How it is scored."""
        found = construct(Evaluation, self.settings["evaluation"], "evaluation")
        assert isinstance(found, Evaluation)  # for the type checker
        found.check(self.dataset)
        for given in found.subsets(self.dataset):
            list(found.wanted(given))  # an unknown metric is told before training
        return found

    @cached_property
    def _home(self) -> Path:
        return self.out / self.dataset.name / self.model.replace(":", ".")

    @cached_property
    def _key(self) -> str:
        return digest([self.settings, self.dataset.fingerprint()])[:8]

    @property
    def record_path(self) -> Path:
        """Where the record lies."""
        return self._home / f"{self.seed}-{self._key}.json"

    @cached_property
    def folder(self) -> Path:
        """Where weights and checkpoints lie."""
        return self._home / folder_name(self.seed, self.settings, self.dataset.fingerprint())

    @property
    def weights_path(self) -> Path:
        """Where the trained weights lie."""
        return self.folder / WEIGHTS

    def build(self) -> Model:
        """The untrained model, on the device.

        Raises:
            LookupError, ValueError: The protocol's settings do not fit the model.
        """
        from mmbench.architecture import architectures

        kind = find("models", self.model)
        if not (isinstance(kind, type) and issubclass(kind, Model)):
            raise ValueError(f"{self.model} is not a model: expected a mmbench.core.Model")
        if unwritten := sorted(kind.__abstractmethods__):
            raise ValueError(f"{self.model} does not define {' and '.join(unwritten)}, as a model "
                             "must")  # fmt: skip
        places = inspect.signature(kind).parameters.values()
        if sum(p.kind in (p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY) for p in places) < 2:
            raise ValueError(f"{self.model} is made of {inspect.signature(kind)}, expected "
                             "(modalities, parts) first")  # fmt: skip
        lacking = self.dataset.train.incomplete
        if lacking and not kind.takes_incomplete:
            raise ValueError(
                f"{self.model} cannot train on incomplete examples, and some training examples of "
                f"{self.dataset.name} lack {', '.join(lacking)}"
            )
        table = dict(self.settings["model"])
        if self.evaluation.sampler is not None:  # it is resolved for models that have one
            table["sampler"] = self.evaluation.sampler
        parts = architectures(self.dataset.modalities, self.settings["modalities"])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(self.seed, "initialisation"))
            model = construct(kind, table, f"models.{self.model}", self.dataset.modalities, parts)
        assert isinstance(model, Model)  # for the type checker
        return model.to(self.device)

    def execute(self, rescore: bool = False) -> Record:
        """Trains, generates, scores and writes the record, or goes on with what is there.

        Args:
            rescore: Generate and score again though there is a record.

        Raises:
            ValueError: The same run is in progress, or the settings do not fit.
            OSError: The results folder cannot be written to.
        """
        from mmbench.pretrained import locate, needed

        model = self.build()
        with self._alone():
            if self.record_path.exists():
                known = read(self.record_path)
                if not rescore:
                    done(known, self.record_path, self.weights, "--rescore", self.progress)
                    return known
                keep_measured(known, self.record_path, self.weights)
            kept = self.folder / f"evaluation-{self._key}"
            if rescore:
                forget(kept)
            for card in needed(self.evaluation.metrics):
                if locate(card, self.weights) is None:
                    self.progress.say(f"not to be computed: {card.absent}")
            seconds = self._train(model)
            context = Context(self.device, self.cache, self.progress, self.weights, model)
            draw = self._draw(model, context)
            subsets = self.evaluation.subsets(self.dataset)
            parts = list(evaluate(draw, subsets, self.dataset, self.evaluation, context, kept))
            for part in parts:
                for what, took in part.seconds.items():
                    seconds[what] = seconds.get(what, 0.0) + took
            scores = [s for part in parts for s in part.scores]
            if not scores:
                raise ValueError(f"no metric of the protocol ({', '.join(self.evaluation.metrics)}"
                                 f") concerns the modalities of {self.dataset.name}, expected "
                                 "one that does")  # fmt: skip
            picture = self.record_path.with_suffix(".png")
            shown = [part.shown for part in parts if part.shown.samples]
            sample_grid(picture, self.dataset, shown, SHOWN)
            rows = self.evaluation.rows(self.dataset.test)
            real = references(self.evaluation.scorers(), scores, self.dataset, rows, context)
            record = self._record(model, seconds, scores, real)
            write(record, self.record_path)
        not_computed(scores, self.progress)
        self.progress.say(f"wrote {self.record_path}")
        return record

    def trained(self) -> Model:
        """The trained model of a finished run."""
        model = self.build()
        self._train(model)
        return model

    def samples(self) -> Iterator[Generated]:
        """What a finished run scored: samples from every subset, drawn again."""
        model = self.trained()
        draw = self._draw(model, Context(self.device, self.cache, self.progress))
        yield from map(draw, self.evaluation.subsets(self.dataset))

    def _draw(self, model: Model, context: Context) -> Callable[[tuple[str, ...]], Generated]:
        """Modalities given -> samples drawn from them."""
        rows, kept = self.evaluation.rows(self.dataset.test), Kept()
        return lambda given: generate(model, self.dataset, given, rows, self.seed, context, kept)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ValueError(
                f"another process is running {self.model} on {self.dataset.name} with seed "
                f"{self.seed} and these settings (it holds {self.folder / 'lock'})"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def _train(self, model: Model) -> dict[str, float]:
        path = self.weights_path
        if path.exists():
            seconds: dict[str, float] = json.loads(load_weights(path, model)["seconds"])
        else:
            shared = self.out / self.dataset.name / SHARED
            if CODE in self.settings:  # what a stage's key does not tell
                shared /= digest(self.settings[CODE])[:8]
            trainer = Trainer(self.folder, self.seed, self.device, self.progress, shared=shared)
            model.fit(self.dataset.train.to(self.device), trainer)
            seconds = trainer.seconds
            save_weights(path, model, seconds=json.dumps(seconds))
            for stage in self.folder.glob("*.safetensors"):
                if stage != path:
                    stage.unlink()
        model.eval()
        return seconds

    def _record(
        self, model: Model, seconds: dict[str, float], scores: list[Score],
        real: tuple[Score, ...],
    ) -> Record:  # fmt: skip
        return Record(
            model=self.model,
            dataset=self.dataset.name,
            seed=self.seed,
            protocol=self.settings,
            protocol_hash=digest(self.settings),
            data=self.dataset.fingerprint(),
            versions=versions(self.evaluation.metrics, self.model),
            commit=commit(),
            device=in_words(self.device),
            parameters=sum(p.numel() for p in model.parameters()),
            evaluations=model.evaluations,
            seconds=seconds,
            scores=tuple(scores),
            references=real,
        )  # fmt: skip


def folder_name(seed: int, settings: Table, data: str) -> str:
    """The folder of weights and checkpoints: of a seed, a protocol's part, a fingerprint."""
    trained = {k: v for k, v in settings.items() if k not in ("evaluation", METRIC_CODE)}
    return f"{seed}-{digest([trained, data])[:8]}"
