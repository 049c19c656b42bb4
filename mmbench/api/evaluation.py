"""The scores of trained runs, of models, and of samples from anywhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray

from mmbench.api import asked, preparation
from mmbench.api.device import compute_device
from mmbench.api.places import cache_folder, named
from mmbench.api.trained import TrainedRun
from mmbench.core.data import Dataset
from mmbench.core.model import Model
from mmbench.core.score import Context, Generated
from mmbench.errors import seen
from mmbench.evaluation.evaluate import Kept, generate, scored
from mmbench.evaluation.settings import Evaluation
from mmbench.progress import Progress
from mmbench.protocols.arguments import construct
from mmbench.protocols.protocol import Table, overridden
from mmbench.records.store import frame, frame_of
from mmbench.registry import names
from mmbench.runs.run import Run
from mmbench.runs.samples import folder_of

if TYPE_CHECKING:
    from pandas import DataFrame

Source = TrainedRun | Model | str | os.PathLike[str] | Mapping[Any, Any]
"""A run, a model, a folder of samples, or a dictionary of samples."""

UNRECORDED = "samples"
"""What samples are called that have no name, and so no record."""


def evaluate(
    samples: Source,
    data: Dataset | str | Path | None = None,
    metrics: asked.Metrics | None = None,
    *,
    name: str | None = None,
    seed: int = 0,
    protocol: str | Path | None = None,
    settings: asked.Settings = (),
    weights: asked.Weights | None = None,
    download_weights: bool = False,
    folder: str | Path | None = None,
    out: str | Path = "results",
    device: str | torch.device = "auto",
    again: bool = False,
    quiet: bool = False,
) -> DataFrame:
    """Scores a run, a model or samples, by the metrics of the data set's protocol.

    A run's scores are recorded beside its weights, as by `mmbench run`; those of samples with a
    name in `out`, as by `mmbench evaluate`. What has a record is not measured twice. Other scores
    are returned and not kept.

    Args:
        samples: What `train` or `load_run` returns; a `mmbench.core.Model` that is trained, which
            is moved to the device and put in evaluation mode; a folder of samples as in
            docs/samples.md; or a dictionary like such a folder,
            {"joint": {"image": x}, "image+sound": {"text": y}}: modalities given -> modality drawn
            -> (N, *shape), a tensor, an array, or a .npz file or a folder as there, one for each
            test example that is scored, in their order.
        data: The data set, or its name; a run brings its own, and refuses another.
        metrics: Names, or {name: numbers of given modalities, or "all"}; by default the
            protocol's.
        name: What the model of the samples is called in tables. A run has a name of its own, as it
            has a protocol, a seed, a device and a results folder.
        seed: The seed of a model that is drawn from, or of the model that drew the samples.
        protocol: For a model or samples: a paper's name or a file, as for `train`.
        settings: Overrides of the protocol's `evaluation`, as for `train`.
        weights: Extractor -> file of its weights, e.g. {"inception": "pt_inception.pth"}; by
            default the published one in $MMBENCH_WEIGHTS or torch's cache.
        download_weights: Whether to download the weights that metrics need, where missing.
        folder: The folder of the data set's files, as for `load_dataset`.
        out: The results folder, of samples with a name.
        device: Where to compute, for a model or samples.
        again: Whether to measure again what has a record.
        quiet: Whether to report nothing on standard error.

    Returns:
        One row for each score: metric, given (modalities joined by commas, "" for joint samples),
        target, value (NaN where it could not be computed; `reason` says why), n (number of
        samples), low and high (95 % interval over samples). Before these a recorded score has the
        columns of its run, as `results` returns them.

    Raises:
        LookupError: There is no such data set, metric, modality or extractor.
        FileNotFoundError: There is no such folder or file.
        ValueError: Samples have another shape, range or number than the test examples that are
            scored, or are not finite; settings do not fit; or a file is damaged.
        FileExistsError: There is a record of other samples of that name and seed.
    """
    changes, files = asked.lines(settings, metrics), asked.assignments(weights)
    seed, progress = asked.count("seed", seed, 0), Progress(None if quiet else sys.stderr)
    protocol = protocol if protocol is None else named("protocol", protocol)
    if isinstance(samples, TrainedRun):
        own = {"name": name is not None, "protocol": protocol is not None, "seed": seed != 0}
        own |= {"device": device != "auto", "out": out != "results"}
        if words := " and ".join(k for k, given in own.items() if given):
            raise ValueError(
                f"{words} cannot be set for a run, which has its own: leave out {words}"
            )
        _expect(samples.dataset, data, folder, progress)
        run = _changed(samples.run, changes, progress)
        found = preparation.weights_of(run.protocol, files, download_weights, run.device, progress)
        return frame([replace(run, weights=found).execute(again)])
    if isinstance(samples, str | os.PathLike) and _of_run(Path(samples)):
        loads = f"mmbench.evaluate(mmbench.load_run({os.fspath(samples)!r}))"
        raise ValueError(
            f"{os.fspath(samples)} belongs to a run and is no folder of samples: give {loads}"
        )
    if data is None:
        raise ValueError("data is None, expected the data set that the samples are of")
    if isinstance(samples, Model):
        if name is not None:
            raise ValueError(f"name is {name!r}, but a model without a run is not recorded")
        whole = preparation.protocol_of(asked.dataset(data), protocol, changes)
        where = compute_device(device)
        found = preparation.weights_of(whole, files, download_weights, where, progress)
        dataset = preparation.loaded_of(asked.dataset(data), folder, progress)
        context = Context(where, cache_folder(), progress, found, samples.to(where).eval())
        return _of_model(samples, dataset, seed, whole, context)
    one = preparation.submission(
        _source(samples),
        UNRECORDED if name is None else name,
        asked.dataset(data),
        seed,
        named("out", out),
        device,
        progress,
        folder=folder,
        protocol=protocol,
        settings=changes,
        weights=files,
        download_weights=download_weights,
    )
    if name is not None:
        return frame([one.execute(again)])
    context = Context(one.device, one.cache, progress, one.weights)
    draw = lambda given: one.samples.read(given, one.rows)
    return _scores(draw, one.samples.found, one.dataset, one.evaluation, context)


def _of_run(path: Path) -> bool:
    """Whether a path is a record, or the folder of a model that was run."""
    return path.suffix == ".json" or next(path.glob("*.json"), None) is not None


def _expect(
    dataset: Dataset,
    data: Dataset | str | Path | None,
    folder: str | Path | None,
    progress: Progress,
) -> None:
    """Refuses a data set that is not the one a run was trained on."""
    other = dataset if data is None else asked.dataset(data)
    if isinstance(other, str) and other not in names("datasets"):
        other = preparation.loaded_of(other, folder, progress)
    name = other if isinstance(other, str) else other.name
    if name != dataset.name:
        raise ValueError(f"the run was trained on {dataset.name}, not on {name}")
    if isinstance(other, Dataset) and other.fingerprint() != dataset.fingerprint():
        raise ValueError(f"the run was trained on other examples of {name}")


def _changed(run: Run, changes: list[str], progress: Progress) -> Run:
    """A run with overrides of its protocol, the same as far as training goes."""
    protocol = overridden(run.protocol, changes, run.model)
    changed = replace(run, protocol=protocol, progress=progress)
    if changed.place.folder != run.place.folder:
        raise ValueError("the settings change what was trained: train another run with them")
    return changed


def _of_model(
    model: Model, dataset: Dataset, seed: int, protocol: Table, context: Context
) -> DataFrame:
    """What a model scores that no run trained."""
    table = {k: v for k, v in protocol["evaluation"].items() if k != "sampler"}
    evaluation: Evaluation = construct(Evaluation, table, "evaluation")
    evaluation.check(dataset)
    rows, kept = evaluation.rows(dataset.test), Kept()
    draw = lambda given: generate(model, dataset, given, rows, seed, context, kept)
    return _scores(draw, evaluation.subsets(dataset), dataset, evaluation, context)


def _scores(
    draw: Callable[[tuple[str, ...]], Generated],
    subsets: Iterable[tuple[str, ...]],
    dataset: Dataset,
    evaluation: Evaluation,
    context: Context,
) -> DataFrame:
    """What is drawn from each subset scores, without a record."""
    return frame_of(s for g in subsets for s in scored(draw(g), dataset, evaluation, context))


def _source(samples: object) -> Path | dict[str, Any]:
    """A folder of samples, or a dictionary like one whose values are paths and arrays."""
    if isinstance(samples, str | os.PathLike):
        return Path(samples)
    if not isinstance(samples, Mapping):
        expected = "expected a run, a model, a folder of samples or a dictionary"
        raise ValueError(f"samples is {seen(samples)}, {expected}")
    return {
        folder_of(key) if isinstance(key, tuple) else key: {m: _value(x) for m, x in drawn.items()}
        if isinstance(drawn, Mapping)
        else drawn
        for key, drawn in samples.items()
    }


def _value(x: object) -> Path | NDArray[Any]:
    return Path(x) if isinstance(x, str | os.PathLike) else asked.array(x, "an array of samples")
