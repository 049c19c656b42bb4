"""The scoring and recording that runs and submissions of samples share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmbench.core.data import Dataset
from mmbench.core.score import Context, Generated, Score
from mmbench.errors import argument
from mmbench.evaluation.checkpoint import start_over, unmark
from mmbench.evaluation.evaluate import SHOWN, evaluate
from mmbench.evaluation.references import references
from mmbench.evaluation.settings import Evaluation
from mmbench.evaluation.stale import done, keep_measured, not_computed
from mmbench.media.grid import sample_grid
from mmbench.protocols.protocol import digest
from mmbench.records import schema1
from mmbench.records.paths import FORM, Place, well_formed
from mmbench.records.provenance import commit, in_words, versions
from mmbench.records.record import Declared, Record
from mmbench.records.store import content, read, write, writing
from mmbench.registry import names


@dataclass(frozen=True)
class Scoring:
    """How samples of one model with one seed are scored, and where the record of it lies.

    Attributes:
        place: Where the files lie in the results folder.
        out: The results folder.
        dataset: The data set whose test examples are conditioned on and compared with.
        evaluation: What is drawn and measured.
        context: What the metrics may use.
    """

    place: Place
    out: Path
    dataset: Dataset
    evaluation: Evaluation
    context: Context

    @property
    def path(self) -> Path:
        """Where the record lies."""
        return self.out / self.place.record

    def finished(self, again: bool) -> Record | None:
        """The record that is there, or None where it is missing or is to be measured again.

        Raises:
            ValueError: It is damaged or another run's, or other weights than its own were named
                or are absent.
        """
        with writing(self.out):  # which also removes the lock of a process that was killed
            known = read(self.path) if self.path.exists() else None
        if known is not None and Place.of(known).record != self.place.record:
            other = f"{self.path} is a record of another run, {Place.of(known).record}"
            raise ValueError(f"{other}: move it there, or delete it to run it again")
        if known is not None and not again:
            done(known, self.path, self.context.weights, self.context.progress)
            return known
        if known is None and schema1.among(self.path.parent):
            hint = f"'mmbench records migrate {self.out}' lets runs find them"
            self.context.progress.say(f"{self.path.parent} has records of an old version: {hint}")
        if known is not None:
            keep_measured(known, self.path, self.context.weights)
            start_over(self.path, self.out / self.place.kept)
        return None

    def execute(
        self,
        draw: Callable[[tuple[str, ...]], Generated],
        subsets: Sequence[tuple[str, ...]],
        seconds: dict[str, float],
        parameters: int = 0,
        evaluations: int = 0,
    ) -> Record:
        """Scores what is drawn from every subset, and writes the record and the grid of samples.

        `draw` maps modalities given to samples; `seconds` is the duration of each stage before.
        Parameters and network evaluations a sample are those of the record.

        Raises:
            ValueError: No metric concerns the samples.
            FileExistsError: Another process wrote a record of this run meanwhile.
            OSError: The results folder cannot be written to.
        """
        kept, context = self.out / self.place.kept, self.context
        before = content(self.path)
        parts = list(evaluate(draw, subsets, self.dataset, self.evaluation, context, kept))
        for part in parts:
            for what, took in part.seconds.items():
                seconds[what] = seconds.get(what, 0.0) + took
        scores = tuple(s for part in parts for s in part.scores)
        if not scores:
            metrics = ", ".join(self.evaluation.metrics)
            raise ValueError(
                f"no metric of the protocol ({metrics}) applies to the samples of "
                f"{self.dataset.name}, expected one that does"
            )
        rows = self.evaluation.rows(self.dataset.test)
        real: list[Score] = []
        for metric in self.evaluation.scorers():
            its = rows[self.evaluation.chosen(metric.name, len(rows))]
            real += references(metric, scores, self.dataset, its, context)
        record = self._record(seconds, parameters, evaluations, scores, tuple(real))
        with writing(self.out):
            if content(self.path) != before:
                by = f"another process has written {self.path} in the meantime, and it is kept"
                raise FileExistsError(f"{by}; {argument('again', True)} replaces it")
            shown = [part.shown for part in parts if part.shown.samples]
            sample_grid(self.out / self.place.picture, self.dataset, shown, SHOWN)
            write(record, self.path)
        unmark(kept)
        not_computed(scores, context.progress)
        context.progress.say(f"wrote {self.path}")
        return record

    def check(self) -> None:
        """Refuses before any work what a record cannot hold, such as an infinite setting.

        Raises:
            ValueError: There is such a value, or the name of the model or the data set cannot be
                shared.
        """
        for title, name in (("model", self.place.model), ("data set", self.place.dataset)):
            if not well_formed(name):
                raise ValueError(f"{name!r} cannot name a {title}: expected at most 80 {FORM}")
        self._record({}, 0, 0, (), ())

    def _record(
        self,
        seconds: dict[str, float],
        parameters: int,
        evaluations: int,
        scores: tuple[Score, ...],
        real: tuple[Score, ...],
    ) -> Record:
        ours = {m for m, e in names("metrics").items() if e.module.startswith("mmbench.")}
        place = self.place
        return Record(
            model=place.model,
            model_version=place.versions[0],
            dataset=place.dataset,
            dataset_version=place.versions[1],
            seed=place.seed,
            protocol=place.protocol,
            protocol_hash=digest(place.protocol),
            data=place.data,
            versions=versions(self.evaluation.metrics, place.model),
            commit=commit(),
            device=in_words(self.context.device),
            parameters=parameters,
            evaluations=evaluations,
            seconds=seconds,
            metrics={
                m.name: Declared(m.version)
                if m.name in ours
                else Declared(m.version, m.title, m.better, m.unit)
                for m in self.evaluation.scorers()
            },
            scores=scores,
            references=real,
            samples=place.samples,
        )
