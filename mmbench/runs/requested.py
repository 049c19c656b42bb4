"""Samples of one condition that a user asked for, written as files that people can open."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from mmbench.core.data import Batch, Dataset, Modality
from mmbench.core.model import Model
from mmbench.core.score import JOINT
from mmbench.datasets.formats import examples
from mmbench.evaluation import evaluate
from mmbench.files.atomic import naming
from mmbench.media.sound import waveforms
from mmbench.seeds import stream

ALL = "samples.npz"
"""What `mmbench generate` drew, as arrays."""


def draw(
    model: Model,
    dataset: Dataset,
    given: Batch,
    targets: Sequence[str],
    n: int,
    seed: int,
    device: torch.device,
) -> Batch:
    """Draws n samples, given name -> (1, *shape), from a trained model on the device.

    Returns:
        target -> (n, *shape), on the CPU.

    Raises:
        ValueError: The model draws something else.
    """
    drawn: dict[str, list[Tensor]] = {m: [] for m in targets}
    for i, start in enumerate(range(0, n, evaluate.BLOCK)):
        size = min(evaluate.BLOCK, n - start)
        x = {m: v.to(device).expand(size, *v.shape[1:]) for m, v in given.items()}
        noise = stream(seed, "draw", *sorted(given), "block", i, device=device)
        for m, v in evaluate.drawn(model, x, targets, size, noise, dataset).items():
            drawn[m].append(v.cpu())
    return {m: torch.cat(v) for m, v in drawn.items()}


def write(folder: Path, dataset: Dataset, given: Batch, drawn: Batch) -> str | None:
    """Writes samples of one condition: files of each for people, and all arrays as one NPZ.

    Args:
        folder: Gets `<target>-<i>.png` or `.txt`, `given-<modality>.png` or `.txt`, a `.wav` of
            each sound beside its picture, and `samples.npz` with arrays `<target>` (n, *shape)
            and `given-<modality>` (1, *shape).
        dataset: The data set that has these modalities.
        given: name -> (1, *shape).
        drawn: target -> (n, *shape), on the CPU.

    Returns:
        Why sounds have no waveform, where they have none.
    """
    missing = None
    parts = [(m, [f"given-{m}"], x.cpu()) for m, x in given.items()]
    for m, x in drawn.items():
        parts.append((m, stems(m, len(x)), x))
    for m, named, x in parts:
        modality = dataset.modality(m)
        for stem, sample in zip(named, x, strict=True):
            examples.write(folder, stem, modality, sample)
        if modality.kind == "sound":
            waves = _waveforms(x, modality, dataset.sampling_rate)
            if isinstance(waves, str):
                missing = waves
                continue
            for stem, wave in zip(named, waves, strict=True):
                examples.write_waveform(folder / f"{stem}.wav", wave, dataset.sampling_rate or 0)
    examples.save(folder / ALL, {**drawn, **{f"given-{m}": x.cpu() for m, x in given.items()}})
    return missing


def stems(name: str, n: int) -> list[str]:
    """The names, without their endings, of the files of a target's n samples."""
    digits = len(str(n - 1))
    return [f"{name}-{i:0{digits}}" for i in range(n)]


def _waveforms(x: Tensor, modality: Modality, rate: int | None) -> Tensor | str:
    """The waveforms (N, samples) of spectrograms (N, *shape), or why there are none."""
    if modality.spectrogram is None or rate is None:
        return f"{modality.name} has no waveforms: how its pictures were made is not declared"
    try:
        return waveforms(x, modality.spectrogram, rate)
    except ImportError as error:
        return str(error)


@contextmanager
def renewing(folder: Path, dataset: Dataset) -> Iterator[Path]:
    """Yields a folder beside `folder` to write samples to; it takes its place if all goes well.

    Raises:
        FileExistsError: `folder` holds anything but samples.
    """
    folder = folder.resolve()
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file, expected a folder for samples")
    known = "|".join(re.escape(m.name) for m in dataset.modalities)
    flat = rf"(?:(?:{known})-\d+|given-(?:{known}))\.(?:png|txt|wav)|{re.escape(ALL)}"
    ours = re.compile(rf"{flat}|(?:{JOINT}|(?:{known})(?:\+(?:{known}))*)/(?:{known})\.npz")
    for path in sorted(folder.rglob("*")) if folder.exists() else ():
        name = path.relative_to(folder).as_posix()
        if not path.is_dir() and not ours.fullmatch(name):
            found = f"{folder} holds {name}, which is not a sample of {dataset.name}"
            raise FileExistsError(f"{found}: give a folder that is new or empty")
    with naming(folder, folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent)
    with made as place:
        new, old = Path(place) / "new", Path(place) / "old"
        with naming(folder, new):
            new.mkdir()
            yield new
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
