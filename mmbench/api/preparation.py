"""Runs and submissions, prepared: what can be checked at little cost is, before any work."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from mmbench.api.data import loaded
from mmbench.api.device import compute_device
from mmbench.api.places import cache_folder
from mmbench.core.data import Dataset
from mmbench.datasets.load import source
from mmbench.errors import argument
from mmbench.models.diffusion.samplers import SAMPLERS
from mmbench.models.parts.diffused_latents import DiffusedLatents
from mmbench.pretrained import fetch_needed, locate, named, needed
from mmbench.progress import Progress
from mmbench.protocols import protocol as protocols
from mmbench.protocols import shipped
from mmbench.registry import called, find, names
from mmbench.runs.other_code import expect_one, keeping, refuse_to_forget
from mmbench.runs.run import Run
from mmbench.runs.samples import Samples
from mmbench.runs.submission import Submission


def runs(
    model: str,
    data: Dataset | str,
    seeds: Iterable[int],
    out: Path,
    device: str | torch.device,
    progress: Progress,
    *,
    folder: str | Path | None = None,
    protocol: str | Path | None = None,
    settings: Sequence[str] = (),
    sampler: str | None = None,
    weights: Iterable[str] = (),
    download_weights: bool = False,
    keep_weights: bool = False,
    retrain: bool = False,
) -> list[Run]:
    """A run for each seed, as `mmbench run` describes them; of a data set by name or as it is.

    Raises:
        LookupError: There is no such model, data set, protocol or metric.
        FileNotFoundError: Files of the data set, the protocol or the weights are missing.
        ValueError: The settings do not fit, there is no such device, or the model's code has
            changed since weights were trained and the user does not say which it shall be.
    """
    expect_one(keep_weights, retrain)
    model = called(model)
    find("models", model)  # a misspelt name is refused before anything is loaded
    whole = protocol_of(data, protocol, settings, model, sampler)
    where = compute_device(device)
    files = weights_of(whole, weights, download_weights, where, progress)
    dataset = loaded_of(data, folder, progress)
    cache = cache_folder()
    prepared = [
        Run(model, dataset, seed, whole, out, where, cache, progress, files, retrain)
        for seed in dict.fromkeys(seeds)
    ]
    prepared = [keeping(run) if keep_weights else run for run in prepared]
    for run in prepared:
        refuse_to_forget(run)
    return prepared


def preview(
    model: str,
    data: str,
    protocol: str | Path | None = None,
    settings: Sequence[str] = (),
    sampler: str | None = None,
) -> protocols.Table:
    """The protocol that a run would use, known without the data set's files.

    Raises:
        LookupError, FileNotFoundError, ValueError: As `runs`.
    """
    model = called(model)
    return protocols.part(protocol_of(data, protocol, settings, model, sampler), model)


def submission(
    samples: Path | Mapping[str, Mapping[str, Any]],
    name: str,
    data: Dataset | str,
    seed: int,
    out: Path,
    device: str | torch.device,
    progress: Progress,
    *,
    folder: str | Path | None = None,
    protocol: str | Path | None = None,
    settings: Sequence[str] = (),
    weights: Iterable[str] = (),
    download_weights: bool = False,
) -> Submission:
    """The samples of one seed, as `mmbench evaluate` describes them, in a folder or in memory.

    Raises:
        LookupError, FileNotFoundError, ValueError: As `runs`; or a folder of samples is missing,
            or holds anything else.
    """
    if isinstance(samples, Path) and not samples.is_dir():
        raise FileNotFoundError(f"there is no folder {samples} of samples")
    whole = protocol_of(data, protocol, settings)
    where = compute_device(device)
    files = weights_of(whole, weights, download_weights, where, progress)
    dataset = loaded_of(data, folder, progress)
    if isinstance(samples, Path):
        found = Samples.find(samples, dataset)
    else:
        found = Samples.of(samples, dataset)
    return Submission(name, found, seed, whole, out, where, cache_folder(), progress, files)


def protocol_of(
    data: Dataset | str,
    which: str | Path | None,
    settings: Sequence[str],
    model: str = "",
    sampler: str | None = None,
) -> protocols.Table:
    """The protocol of a data set, by name or as it is, as `mmbench.protocols.protocol.load`.

    What is shipped for a name is the protocol of the data set registered under it alone: one of
    the user's own that is called like it has the default protocol.

    Raises:
        LookupError, FileNotFoundError, ValueError: As `load`; or there is no such data set, or
            the model has no sampler.
    """
    if isinstance(data, str):
        source(data)  # a misspelt name is refused before anything is loaded
    if sampler is not None and not protocols.has_sampler(model):
        raise ValueError(f"{model} has no sampler: leave out {argument('sampler', sampler)}")
    name = shipped_name(data)
    return protocols.load(name, which, settings, model, sampler, kinds_of(model))


def shipped_name(data: Dataset | str) -> str:
    """The name for which the protocols of a data set are shipped; "" for the default one."""
    if isinstance(data, str):
        return data if data in names("datasets") else ""
    return data.name if data.registered else ""


def kinds_of(model: str) -> Collection[str]:
    """The names of samplers that a model knows; none where it has none, or any may be one."""
    kind = find("models", model) if model else None
    return SAMPLERS if isinstance(kind, type) and issubclass(kind, DiffusedLatents) else ()


def samplers(model: str, data: Dataset) -> dict[str, protocols.Table]:
    """Name -> settings of what `mmbench run --sampler` accepts for a model that has samplers."""
    name = shipped_name(data)
    presets = [shipped.samplers(name, which) for which in ("", *shipped.named(name))]
    kinds = {kind: {"name": kind} for kind in kinds_of(model)}
    return kinds | {k: v for found in presets for k, v in found.items() if k}


def loaded_of(data: Dataset | str, folder: str | Path | None, progress: Progress) -> Dataset:
    """A data set by name or as it is.

    Raises:
        LookupError, FileNotFoundError, ValueError: As `mmbench.api.data.loaded`.
    """
    return loaded(data, folder, progress) if isinstance(data, str) else data


def weights_of(
    protocol: Mapping[str, Any],
    assignments: Iterable[str],
    download: bool,
    device: torch.device,
    progress: Progress,
) -> dict[str, Path]:
    """Extractor -> the file that the user named; those that the metrics need are verified.

    Raises:
        LookupError: There is no such metric or extractor.
        FileNotFoundError: There is no such file.
        ValueError: A file holds something else.
    """
    files = named(assignments, device)
    metrics = protocol["evaluation"].get("metrics")
    metrics = metrics if isinstance(metrics, dict) else {}  # the run says what is wrong with it
    if download:
        fetch_needed(metrics, files, progress)
    for card in needed(metrics):
        locate(card, files)  # a damaged file is refused before anything is trained
    return files
