"""The run that made a record, with its trained model, to draw from again."""

import re
from pathlib import Path

import torch

from mmbench.core.data import Dataset
from mmbench.errors import argument
from mmbench.progress import Progress
from mmbench.protocols.protocol import CODE, TRAINED_CODE, digest
from mmbench.records.paths import Place, folder_name, results_of
from mmbench.records.record import Record
from mmbench.records.store import read
from mmbench.registry import meant
from mmbench.runs.run import Run

_RUN = re.compile(r"\d+-[0-9a-f]{8}(\.json)?")
"""The name of a record, or of the folder of its weights."""
_EXPECTED = "expected results/<dataset>/<model>/<seed>-<key>.json"


def find(path: Path) -> tuple[Path, Record]:
    """The record of a trained model that a path means.

    Args:
        path: A record, the folder of its weights `results/<dataset>/<model>/<seed>-<key>`, or a
            folder with records of one trained model and sampler.

    Returns:
        Its file and the record.

    Raises:
        FileNotFoundError: There is no such file or folder, no record of it, or no weights.
        ValueError: The record is damaged or of samples, or several records fit.
    """
    file, record = _record(path)
    tables = map(record.protocol.get, ("modalities", "model", "evaluation"))
    if not all(isinstance(table, dict) for table in tables):
        raise ValueError(f"{file} has no trained model, expected a record of 'mmbench run'")
    _expect_weights(file, results_of(file) / Place.of(record).weights)
    return file, record


def _expect_weights(path: Path, weights: Path) -> None:
    if not weights.is_file():
        again = "the same 'mmbench run' trains it again"
        raise FileNotFoundError(f"{path} has no weights beside it, expected {weights}: {again}")


def _record(path: Path) -> tuple[Path, Record]:
    if not path.exists() and path.with_name(folder_name(path.name)).is_dir():
        path = path.with_name(folder_name(path.name))  # a model by the name that tables show
    if path.is_file() and path.suffix == ".json":
        return path, read(path)
    if path.is_file():
        raise ValueError(f"{path} is no record, {_EXPECTED}")
    if not path.is_dir():
        entries = path.parent.iterdir() if path.parent.is_dir() else ()
        beside = sorted(p.name for p in entries if p.is_dir() or _named(p))
        hint = meant(path.name, beside) or f", {_EXPECTED}"
        raise FileNotFoundError(f"there is no run {path}{hint}")
    known = _records(path)
    if not known:  # the records of the weights in a folder lie beside it
        name = path.resolve().name
        beside_it = _records(path.resolve().parent)
        known = [(p, r) for p, r in beside_it if Place.of(r).folder.name == name]
    if not known:
        raise FileNotFoundError(_unfinished(path))
    if len({_drawn_by(record) for _, record in known}) > 1:
        hint = f"name its file, e.g. {known[0][0]}"
        raise ValueError(f"{path} has {len(known)} records, expected one: {hint}")
    return known[0]


def _records(folder: Path) -> list[tuple[Path, Record]]:
    """The records that lie in a folder, sorted by their files."""
    return [(path, read(path)) for path in sorted(folder.glob("*.json")) if _named(path)]


def _named(path: Path) -> bool:
    """Whether a file or folder is called as a record or its weights are."""
    return _RUN.fullmatch(path.name) is not None


def _unfinished(path: Path) -> str:
    """What is said of a folder without a finished run."""
    place = path.resolve()
    begun = place if _named(place) else next(filter(_begun, place.glob("*")), None)
    if begun is None:
        return f"{path} is not the folder of a finished run, {_EXPECTED}"
    model, dataset = begun.parent.name, begun.parents[1].name
    which = f"--model {model} --dataset {dataset} --seed {begun.name.partition('-')[0]}"
    if (out := results_of(begun)) != Path("results").resolve():
        which += f" --out {out.relative_to(Path.cwd()) if out.is_relative_to(Path.cwd()) else out}"
    goes_on = f"'mmbench run {which}', with the options that it was begun with, goes on"
    return f"the run in {path} is not finished: {goes_on}"


def _begun(path: Path) -> bool:
    return path.is_dir() and _named(path)


def _drawn_by(record: Record) -> tuple[Path, str]:
    """What determines everything that a run draws: its weights and its sampler."""
    evaluation = record.protocol.get("evaluation")
    sampler = evaluation.get("sampler") if isinstance(evaluation, dict) else None
    return Place.of(record).folder, digest(sampler)


def reload(
    path: Path,
    record: Record,
    dataset: Dataset,
    device: torch.device,
    cache: Path,
    progress: Progress,
    keep_weights: bool = False,
) -> Run:
    """The run that made a record, its weights at hand: `path` and `record` as `find` returns them.

    With `keep_weights` it uses the current code of the model, whatever code trained it.

    Raises:
        ValueError: The record is of other data, or of other code.
    """
    if record.dataset != dataset.name:
        raise ValueError(f"{path} is a record of {record.dataset}, not of {dataset.name}")
    if record.data != dataset.fingerprint():
        hashes = f"sha256 {record.data[:8]}, here {dataset.fingerprint()[:8]}"
        raise ValueError(f"{path} was trained on other examples of {record.dataset}: {hashes}")
    settings = record.protocol
    whole = {**settings, "models": {record.model: settings["model"]}}
    out = results_of(path)
    code = settings.get(CODE)
    by = settings.get(TRAINED_CODE, code)
    run = Run(
        record.model, dataset, record.seed, whole, out, device, cache, progress, {}, False, by
    )
    if code != run.settings.get(CODE):
        changed = f"the code of {record.model} or its networks has changed since {path} was made"
        if not keep_weights:
            drawn = f"{argument('keep_weights', True)} uses its weights with the current code"
            raise ValueError(f"{changed}: {drawn}, {argument('retrain', True)} trains anew")
        progress.say(f"{changed}: its weights are used with the current code")
    _expect_weights(path, run.out / run.place.weights)  # of the model's version as it is now
    return run
