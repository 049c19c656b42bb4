"""Trained runs: a model trained on a data set with a seed, to draw from."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from mmbench.api import asked, preparation
from mmbench.api import given as inputs
from mmbench.api.data import loaded
from mmbench.api.device import compute_device
from mmbench.api.places import cache_folder, named
from mmbench.core.data import Batch, Dataset
from mmbench.core.model import Model
from mmbench.progress import Progress
from mmbench.records.record import Record
from mmbench.records.store import read
from mmbench.runs.other_code import read_files
from mmbench.runs.requested import draw
from mmbench.runs.run import Run
from mmbench.runs.trained import find, reload


@dataclass(frozen=True, eq=False, repr=False)
class TrainedRun:
    """A model that was trained on a data set with a seed; `train` and `load_run` return one.

    Attributes:
        run: Model, data set, seed and protocol, and where the files lie.
        path: The file of its record, which it has once it is evaluated.
    """

    run: Run
    path: Path

    def __repr__(self) -> str:
        run = self.run
        return f"<{run.model} trained on {run.dataset.name}, seed {run.seed}, in {run.folder}>"

    @property
    def dataset(self) -> Dataset:
        """What it was trained on."""
        return self.run.dataset

    @property
    def record(self) -> Record | None:
        """What it scored and cost; None before it is evaluated."""
        return read(self.path) if self.path.is_file() else None

    @cached_property
    def model(self) -> Model:
        """The trained model, in evaluation mode, on the run's device."""
        return self.run.trained()

    def generate(
        self,
        given: Mapping[str, inputs.Example] | None = None,
        targets: Sequence[str] | None = None,
        n: int = 8,
        seed: int = 0,
    ) -> Batch:
        """Draws samples of some modalities from one example of others.

        Args:
            given: Modality -> the example: a tensor or an array, (*shape) or (1, *shape), floats
                in the modality's range or, but for tokens, attributes and vectors, whole numbers
                as 255 steps of [0, 1] (a mask of zeros and ones is one as it is); a file, as for
                `mmbench generate --given`; or "test:17" for test example 17. Nothing for joint
                samples.
            targets: The modalities to draw; by default all that are not given. One that is given
                is reconstructed.
            n: Number of samples.
            seed: The seed of the samples; equal seeds draw equal samples.

        Returns:
            target -> (n, *shape), on the CPU: floats in the data's range, tokens of texts.

        Raises:
            LookupError: There is no such modality.
            FileNotFoundError: There is no such file.
            ValueError: An example has another shape or range or is not finite, or n or the seed
                is not a whole number.
        """
        run = self.run
        condition = inputs.conditions({} if given is None else given, run.dataset, run.progress)
        wanted = inputs.targets(targets, condition, run.dataset)
        n, seed = asked.count("n", n, 1), asked.count("seed", seed, 0)
        return draw(self.model, run.dataset, condition, wanted, n, seed, run.device)


def train(
    model: str,
    data: Dataset | str | Path,
    seed: int = 0,
    protocol: str | Path | None = None,
    settings: asked.Settings = (),
    sampler: str | None = None,
    out: str | Path = "results",
    *,
    folder: str | Path | None = None,
    device: str | torch.device = "auto",
    keep_weights: bool = False,
    retrain: bool = False,
    quiet: bool = False,
) -> TrainedRun:
    """Trains a model on a data set, or finds the run that did.

    It draws and scores nothing: `evaluate` does. The same call goes on with an interrupted
    training, and `mmbench run` with the same settings does not train again.

    Args:
        model: A registered name (see `mmbench list models`), "module:class" or "file.py:class".
        data: The data set, or its name.
        seed: The seed of initialisation, training and generation.
        protocol: Use this one, not the data set's own: a paper's name, such as "diff-mvae" for
            CUB, or a TOML file.
        settings: Overrides of the protocol: {"models.mld.score.epochs": 10}, or texts
            "KEY=VALUE".
        sampler: One that the protocol names, or any with its own defaults.
        out: The results folder.
        folder: The folder of the data set's files, as for `load_dataset`.
        device: Where to compute: "cpu", "cuda", "cuda:1", ...; "auto" is CUDA where there is one.
        keep_weights: After a change of the model's code, use the weights that the other code
            trained.
        retrain: After a change of the model's code, train anew.
        quiet: Whether to report nothing on standard error.

    Returns:
        The trained run.

    Raises:
        LookupError: There is no such model, data set or protocol.
        FileNotFoundError: Files of the data set are missing.
        ValueError: The settings do not fit, another process trains this run, or the model's code
            has changed since it was trained and neither choice is made.
        FloatingPointError: A loss is not finite.
        OSError: The results folder cannot be written to.
    """
    (run,) = preparation.runs(
        asked.model(model),
        asked.dataset(data),
        [asked.count("seed", seed, 0)],
        named("out", out),
        device,
        Progress(None if quiet else sys.stderr),
        folder=folder,
        protocol=protocol if protocol is None else named("protocol", protocol),
        settings=asked.lines(settings),
        sampler=sampler,
        keep_weights=keep_weights,
        retrain=retrain,
    )
    run.train()
    return TrainedRun(run, run.out / run.place.record)


def load_run(
    path: str | Path,
    data: Dataset | str | Path | None = None,
    *,
    folder: str | Path | None = None,
    device: str | torch.device = "auto",
    model: str | None = None,
    keep_weights: bool = False,
    quiet: bool = False,
) -> TrainedRun:
    """Loads a run that `mmbench run` or `train` and `evaluate` made.

    Args:
        path: Its record, the folder of its weights `results/<dataset>/<model>/<seed>-<key>`, or
            the folder of a model with one trained run.
        data: The data set, or its name, where the record's is not registered or is at hand.
        folder: The folder of the data set's files, as for `load_dataset`.
        device: Where to compute: "cpu", "cuda", "cuda:1", ...; "auto" is CUDA where there is one.
        model: "DIR/file.py:class", where a model of a file of one's own has moved since it was
            trained.
        keep_weights: Whether to draw by the model's code as it is if that has changed since.
        quiet: Whether to report nothing on standard error.

    Returns:
        The run, whose model is read when it is first used.

    Raises:
        FileNotFoundError: The run, its weights, files of the data set, or the file that defines
            its model are missing.
        LookupError: The data set is not registered.
        ValueError: The record is damaged, of another model, of other data or of other code, or
            several records fit.
    """
    progress = Progress(None if quiet else sys.stderr)
    file, record = find(named("path", path))
    read_files(file, record, model)
    known = asked.dataset("" if data is None else data)
    if isinstance(known, str):
        known = loaded(known, folder, progress, record.dataset)
    where = compute_device(device)
    run = reload(file, record, known, where, cache_folder(), progress, keep_weights)
    return TrainedRun(run, file)
