"""A run: (model, data set, seed) -> train -> generate from every subset -> score -> a record.

`mmbench.records.paths` says where its files lie.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from mmbench.architecture import Architecture, architectures, fitting, identified
from mmbench.core.data import Dataset
from mmbench.core.model import Model, model_class
from mmbench.core.score import Context, Generated
from mmbench.errors import argument
from mmbench.evaluation.evaluate import Kept, generate
from mmbench.evaluation.settings import Evaluation
from mmbench.evaluation.trial import tried
from mmbench.files.atomic import discard
from mmbench.files.locks import Busy, alone
from mmbench.files.sealed import Damaged
from mmbench.progress import Progress
from mmbench.protocols.arguments import construct
from mmbench.protocols.protocol import CODE, TRAINED_CODE, Table, digest, resolve, with_code
from mmbench.records.paths import SHARED, Place
from mmbench.records.record import Record
from mmbench.registry import find
from mmbench.runs import other_code
from mmbench.runs.scoring import Scoring
from mmbench.seeds import derive
from mmbench.training.history import Watch, unwatched
from mmbench.training.trainer import Trainer
from mmbench.training.weights import AGAIN, load_weights, save_weights, seconds_in


@dataclass(frozen=True)
class Run:
    """One model on one data set with one seed.

    Args:
        model: Registered name, or "module:class".
        dataset: The data set, already loaded.
        seed: Seeds initialisation, training and generation, but never the data.
        protocol: A whole protocol, with overrides applied.
        out: The results folder.
        device: Where to compute.
        cache: The folder of classifiers and features of real data.
        progress: Where to report.
        weights: Extractor name -> file of weights that the user named.
        retrain: Whether to train anew though there are weights that other code trained.
        trained_code: The code that trained the weights to use, module -> sha256, if it is not the
            code as it is (see `mmbench.runs.other_code`).
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
    retrain: bool = False
    trained_code: Table | None = None

    @cached_property
    def settings(self) -> Table:
        """The part of the protocol that this run uses, with which weights and whose code."""
        settings = resolve(self.protocol, self.model)
        tables = settings["modalities"] = identified(settings["modalities"])
        fit = fitting(self.dataset.modalities, tables).values()
        settings = with_code(settings, self.model, fit)
        if self.trained_code not in (None, settings.get(CODE)):
            settings[TRAINED_CODE] = self.trained_code
        return settings

    @cached_property
    def evaluation(self) -> Evaluation:
        """How it is scored."""
        found = construct(Evaluation, self.settings["evaluation"], "evaluation")
        assert isinstance(found, Evaluation)  # for the type checker
        found.check(self.dataset)
        return found

    def remarks(self) -> Iterator[str]:
        """What its evaluation leaves out or has less of than was asked for, a sentence each."""
        from mmbench.pretrained import locate, needed

        yield from self.evaluation.excess(self.dataset)
        for card in needed(self.evaluation.metrics, self.dataset.modalities):
            if locate(card, self.weights) is None:
                yield f"not to be computed: {card.absent}"

    @cached_property
    def place(self) -> Place:
        """Where its files lie in the results folder."""
        versions = getattr(find("models", self.model), "version", 1), self.dataset.version
        data = self.dataset.fingerprint()
        return Place(self.dataset.name, self.model, self.seed, self.settings, data, versions)

    @cached_property
    def folder(self) -> Path:
        """Where weights and checkpoints lie."""
        return self.out / self.place.folder

    @property
    def shared(self) -> Path:
        """Where the training stages lie that runs have in common."""
        folder = self.out / self.dataset.name / SHARED
        # code is not part of a stage's key
        return folder / digest(self.settings[CODE])[:8] if CODE in self.settings else folder

    @cached_property
    def parts(self) -> dict[str, Architecture]:
        """Networks and likelihoods of the modalities, each tried once.

        Raises:
            LookupError, ValueError: The protocol's do not fit the modalities.
        """
        found = architectures(self.dataset.modalities, self.settings["modalities"])
        for part in found.values():
            part.check()
        return found

    def build(self) -> Model:
        """The untrained model, on the device.

        Raises:
            LookupError, ValueError: The protocol's settings do not fit the model.
        """
        kind = model_class(self.model, find("models", self.model))
        lacking = self.dataset.train.incomplete
        if lacking and not kind.takes_incomplete:
            raise ValueError(
                f"{self.model} cannot train on incomplete examples, and some training examples of "
                f"{self.dataset.name} lack {', '.join(lacking)}"
            )
        table = dict(self.settings["model"])
        if self.evaluation.sampler is not None:  # it is resolved for models that have one
            table["sampler"] = self.evaluation.sampler
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(self.seed, "initialisation"))
            try:
                model = construct(
                    kind, table, f"models.{self.model}", self.dataset.modalities, self.parts
                )
            except AttributeError as error:
                if "__init__() call" not in str(error):  # what torch says
                    raise
                model = None
        if not hasattr(model, "training"):  # set by torch's own constructor
            first = "super().__init__(), which must come first"
            raise ValueError(f"the __init__ of {self.model} does not call {first}")
        assert isinstance(model, Model)  # for the type checker
        return model.to(self.device)

    def execute(self, rescore: bool = False, watch: Watch = unwatched) -> Record:
        """Trains, generates, scores and writes the record, or goes on with what is there.

        Args:
            rescore: Generate and score again though there is a record.
            watch: Called with each new point of the history of training.

        Raises:
            Busy: The same run is in progress.
            LookupError, ValueError: The settings do not fit.
            FloatingPointError: A loss is not finite.
            FileExistsError: Another process wrote a record of this run meanwhile.
            OSError: The results folder cannot be written to.
        """
        model = self.build()
        context = Context(self.device, self.cache, self.progress, self.weights, model)
        scoring = Scoring(self.place, self.out, self.dataset, self.evaluation, context)
        scoring.check()
        with alone(self.out / self.place.lock, self._refuse):
            for folder in (
                self.folder,
                self.folder / scoring.place.kept.name,
                scoring.path.parent,
                self.shared,
            ):
                discard(folder)
            known = scoring.finished(rescore)
            if known is not None:
                return known
            for remark in self.remarks():
                self.progress.say(remark)
            seconds = self._train(model, watch)
            return scoring.execute(
                self._draw(model, context),
                self.evaluation.subsets(self.dataset),
                seconds,
                sum(p.numel() for p in model.parameters()),
                model.evaluations,
            )

    def train(self) -> None:
        """Trains the model, unless its weights are there.

        Raises:
            LookupError, ValueError: The settings do not fit, or the same run is in progress.
            FloatingPointError: A loss is not finite.
            OSError: The results folder cannot be written to.
        """
        model = self.build()
        with alone(self.out / self.place.lock, self._refuse):
            discard(self.folder)
            discard(self.shared)
            self._train(model)

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

    def trainer(self, kind: type[Trainer] = Trainer, watch: Watch = unwatched) -> Trainer:
        """A new trainer of its model; it loads the stages that are finished."""
        return kind(
            self.folder,
            self.seed,
            self.device,
            self.progress,
            shared=self.shared,
            versions=self.place.versions,
            watch=watch,
        )

    def fit(self, model: Model, trainer: Trainer) -> None:
        """Trains a model by a trainer, after a trial of another like it.

        Raises:
            ValueError: What the model draws is not what was asked for, or a metric fails.
        """
        context = Context(self.device, self.cache, self.progress, self.weights)
        for doubt in model.doubts():
            self.progress.say(doubt)
        tried(self.build(), self.dataset, self.evaluation, context, self.seed)
        model.fit(self.dataset.train.to(self.device), trainer)

    def load(self, path: Path, model: Model) -> dict[str, float]:
        """Loads weights into a model; returns how long each stage of their training took.

        Raises:
            Damaged: The file does not match its seal, or the model.
            ValueError: Other code of the model trained them, and they do not fit it.
        """
        try:
            metadata = load_weights(path, model)
        except Damaged as error:
            if TRAINED_CODE not in self.settings:
                raise
            wrong = f"{path}, trained by other code of {self.model}, does not fit it as it is"
            why = str(error).removesuffix(f"; {AGAIN}")
            raise ValueError(f"{wrong} ({why}): {argument('retrain', True)} trains anew") from None
        seconds: dict[str, float] = seconds_in(metadata, dict, path)
        return seconds

    def _draw(self, model: Model, context: Context) -> Callable[[tuple[str, ...]], Generated]:
        """Modalities given -> samples drawn from them."""
        rows, kept = self.evaluation.rows(self.dataset.test), Kept()
        return lambda given: generate(model, self.dataset, given, rows, self.seed, context, kept)

    def _refuse(self, lock: Path) -> None:
        raise Busy(
            f"another process is running {self.model} on {self.dataset.name} with seed "
            f"{self.seed} and these settings (it holds {lock})"
        )

    def _train(self, model: Model, watch: Watch = unwatched) -> dict[str, float]:
        path = self.out / self.place.weights
        if path.exists():
            seconds = self.load(path, model)
        else:
            other_code.refuse_to_forget(self)
            trainer = self.trainer(watch=watch)
            self.fit(model, trainer)
            seconds = trainer.seconds
            told = other_code.metadata(self.place, self.out)
            save_weights(path, model, seconds=json.dumps(seconds), **told)
        for stage in self.folder.glob("*.safetensors"):  # some, if a process was killed here
            if stage != path:
                stage.unlink()
        model.eval()
        return seconds
