"""The runs of a table, and how far each of them is."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from mmbench.api.data import loaded
from mmbench.api.preparation import protocol_of, runs, shipped_name
from mmbench.core.data import Dataset
from mmbench.datasets.load import source
from mmbench.errors import first_line, in_own_code, sentence
from mmbench.extras import command, installed
from mmbench.progress import Progress
from mmbench.protocols.protocol import (
    CODE,
    METRIC_CODE,
    TRAINED_CODE,
    Table,
    concerning,
    digest,
    has_sampler,
)
from mmbench.records.paths import records
from mmbench.records.record import Record
from mmbench.records.store import read
from mmbench.records.versions import stale
from mmbench.registry import called, find, names
from mmbench.runs.other_code import expect_one
from mmbench.runs.run import Run
from mmbench.sweeps.planned import Planned, State
from mmbench.sweeps.shared import first_stage

ALL = "all"
"""Stands for every model of mmbench's own whose settings the protocol of a data set holds."""


@dataclass(frozen=True)
class Sweep:
    """What all runs of a sweep have in common, as options of `mmbench run`.

    Attributes:
        out: The results folder.
        folder: The folder of the data sets' files.
        protocol: A protocol's name or file.
        settings: Overrides of the protocol, "KEY=VALUE".
        sampler: A sampler's name, for the models that have one.
        device: Where to compute.
        weights: "NAME=FILE" of evaluation networks.
        keep_weights: Whether to draw from the weights that other code of a model trained.
        retrain: Whether to train anew where other code of a model trained.
        track: A tracker's name.
    """

    out: Path
    folder: Path | None = None
    protocol: str | None = None
    settings: Sequence[str] = ()
    sampler: str | None = None
    device: str = "auto"
    weights: Sequence[str] = ()
    keep_weights: bool = False
    retrain: bool = False
    track: str | None = None

    def plan(
        self,
        models: Iterable[str],
        datasets: Iterable[str],
        seeds: Iterable[int],
        progress: Progress,
    ) -> list[Planned]:
        """The runs of each model on each data set with each seed, and how far they are.

        Runs of one model stand together, so that two models that share a training stage are
        seldom made at the same time.

        Raises:
            LookupError: There is no such model or data set.
            FileNotFoundError: There is no such file of a model or a data set, or no such protocol
                to find all models in.
            ValueError: A description of a data set, or the protocol to find all models in, is
                wrong; a setting is of none of the models; or weights are to be kept and trained
                anew.
        """
        expect_one(self.keep_weights, self.retrain)
        models = list({called(name): name for name in models}.values())
        datasets, seeds = list(dict.fromkeys(datasets)), list(dict.fromkeys(seeds))
        for name in datasets:
            source(name)
        for model in models:
            if model != ALL:
                find("models", model)
        found: list[Planned] = []
        unused = dict.fromkeys(self.settings)
        for name in datasets:
            try:
                data: Dataset | str = loaded(name, self.folder, progress)
            except Exception as error:
                data = why_impossible(error)
            took = _durations(self.out, name if isinstance(data, str) else data.name)
            for model in self._models(models, name):
                used = self.settings_of(model, name)
                unused = {s: None for s in unused if s not in used}
                found += self._of(model, name, data, seeds, took, progress)
        for setting in unused:
            raise ValueError(f"the setting {setting} is of none of the models that are run")
        return found

    def settings_of(self, model: str, data: Dataset | str) -> list[str]:
        """The settings without those of other models, which a run of one model refuses."""
        if not any(setting.strip().startswith("models.") for setting in self.settings):
            return list(self.settings)
        try:
            return concerning(shipped_name(data), self.protocol, self.settings, called(model))
        except (FileNotFoundError, ValueError):  # each run says what is wrong with the protocol
            return list(self.settings)

    def options(self, model: str, data: Dataset | str) -> tuple[str, ...]:
        """The options of `mmbench run` for one model on a data set."""
        pairs: list[tuple[str, object | None]] = [
            ("--data", self.folder),
            ("--protocol", self.protocol),
            *(("--set", setting) for setting in self.settings_of(model, data)),
            ("--sampler", self.sampler if has_sampler(model) else None),
            ("--device", None if self.device == "auto" else self.device),
            *(("--weights", assignment) for assignment in self.weights),
            ("--track", self.track),
            ("--out", self.out),
        ]
        flags = {"--keep-weights": self.keep_weights, "--retrain": self.retrain}
        return (
            *(str(part) for pair in pairs if pair[1] is not None for part in pair),
            *(flag for flag, given in flags.items() if given),
        )

    def _models(self, asked: Sequence[str], dataset: str) -> list[str]:
        """The models asked for, "all" replaced by those of the data set's protocol."""
        if ALL not in asked:
            return list(asked)
        settings = protocol_of(dataset, self.protocol, self.settings)["models"]
        every = [m for m in names("models") if m in settings and ":" not in m]
        return list(dict.fromkeys([*every, *(m for m in asked if m != ALL)]))

    def _of(
        self,
        model: str,
        name: str,
        data: Dataset | str,
        seeds: Sequence[int],
        took: dict[str, list[float]],
        progress: Progress,
    ) -> Iterator[Planned]:
        """One model on one data set, or on none: then `data` says why."""
        options = self.options(model, name)
        several, shares = list[Run](), ""
        impossible = data if isinstance(data, str) else _lacking(model)
        if not impossible and isinstance(data, Dataset):
            try:
                several = self.runs(model, data, seeds, progress)
                shares = first_stage(several[0])
            except Exception as error:
                impossible = why_impossible(error)
        for seed in seeds if impossible else ():
            yield Planned(model, name, seed, "impossible", impossible, None, options)
        for run in several:
            times = took.get(run.model)
            seconds = median(times) if times else None
            state, why = _state(run)
            record = run.place.record
            yield Planned(model, name, run.seed, state, why, seconds, options, shares, record)

    def runs(
        self,
        model: str,
        data: Dataset,
        seeds: Sequence[int],
        progress: Progress,
        device: str = "cpu",
    ) -> list[Run]:
        """The runs of one model.

        They lie on the processor wherever the sweep computes: a process that has used a GPU holds
        memory of it to its end.
        """
        return runs(
            model,
            data,
            seeds,
            self.out,
            device,
            progress,
            protocol=self.protocol,
            settings=self.settings_of(model, data),
            sampler=self.sampler if has_sampler(model) else None,
            weights=self.weights,
            keep_weights=self.keep_weights,
            retrain=self.retrain,
        )


def why_impossible(error: Exception) -> str:
    """Why an error makes a run impossible, with the place in the user's own code if it is there.

    Raises:
        Exception: The error itself, if it is a mistake of ours.
    """
    if place := in_own_code(error):
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        return f"{kind}{first_line(error)} ({place})"
    if words := sentence(error):
        return words
    raise error


def _lacking(model: str) -> str:
    """The sentence about an extra that a model needs and that is not installed; "" if none."""
    entry = names("models").get(model)
    for extra in entry.extras if entry else ():
        if not installed(extra):
            return f"{model} needs the extra [{extra}]: {command(extra)}"
    return ""


def _state(run: Run) -> tuple[State, str]:
    """How far a run is, and why it is stale or impossible."""
    path = run.out / run.place.record
    if path.exists():
        try:
            read(path)
        except ValueError as error:
            return "impossible", str(error)
        return "done", ""
    if run.folder.is_dir() and any(p.name != "lock" for p in run.folder.iterdir()):
        return "begun", ""
    for older in sorted(path.parent.glob(f"{run.seed}-*.json")):
        try:
            record = read(older)
        except ValueError:  # it is not this run's
            continue
        if (why := stale(record)) and _set(record.protocol) == _set(run.place.protocol):
            return "stale", why
    return "missing", ""


def _set(protocol: Table) -> str:
    """A hash of what a protocol sets, whatever code it names."""
    return digest(
        {k: v for k, v in protocol.items() if k not in (CODE, METRIC_CODE, TRAINED_CODE)}
    )


def _durations(out: Path, dataset: str) -> dict[str, list[float]]:
    """Model -> seconds of its runs on a data set, by the records of a results folder."""
    took: dict[str, list[float]] = {}
    for path in records(out):
        if path.parent.parent.name != dataset:
            continue
        try:
            record: Record = read(path)
        except ValueError:
            continue
        if record.samples is None:
            took.setdefault(record.model, []).append(sum(record.seconds.values()))
    return took
