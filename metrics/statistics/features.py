"""Features of generated and real samples, computed once for all metrics that compare them."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import Context, Generated, Networks, Score, Unavailable, given_in_words
from mmbench.files.sealed import Damaged, read_tensors, recalled, write_tensors
from mmbench.metrics.statistics.frechet import require_equal, require_finite
from mmbench.metrics.statistics.samples import check
from mmbench.protocols.protocol import digest

KEEP = 2**30
"""Bytes of features that are kept in memory, the latest first."""


Report = Callable[[int], None]
"""Takes the number of samples done."""


@dataclass(frozen=True)
class Extractor:
    """A network that turns the samples of a modality into features.

    Attributes:
        identity: Its identity in records.
        features: (N, *shape) and where to report -> (N, d), float32 on the CPU.
        networks: As in `Score`.
    """

    identity: str
    features: Callable[[Tensor, Report], Tensor]
    networks: Networks = ()


Through = Callable[[Modality, Dataset, Context], Extractor | None]
"""The extractor of a modality, or None where there can be none; raises `Unavailable`."""


def rgb(modality: Modality) -> bool:
    """Whether the modality is colour images, which Inception takes."""
    return modality.kind == "image" and modality.shape[0] == 3


def anything(modality: Modality) -> bool:
    """True: for a metric that concerns every modality."""
    return True


def compare(
    metric: str,
    distance: Callable[[Tensor, Tensor], float],
    generated: Generated,
    dataset: Dataset,
    context: Context,
    *,
    through: Through,
    concerns: Callable[[Modality], bool] = rgb,
    least: int = 2,
) -> Iterator[Score]:
    """The scores of a metric that compares features: one for each target.

    The score of a target that was given is that of its reconstructions: the decoder's loss.

    Args:
        metric: Its name.
        distance: (features of the generated (N, d), of the real (N, d)) -> value, on a device
            that has float64.
        generated: The samples; their rows are the real examples.
        dataset: The data set whose test split is real.
        context: Where to compute, and what to keep.
        through: The extractors.
        concerns: Whether it scores a modality.
        least: With fewer samples, or fewer different real examples, there is a reason and no
            value.

    Raises:
        ValueError: Samples are not of their modality (see `mmbench.metrics.statistics.samples`).
    """
    given, origin = generated.given, given_in_words(generated.given)
    for m, samples in generated.samples.items():
        modality, n = dataset.modality(m), len(samples)
        if not concerns(modality):
            continue
        check(samples, modality)  # before minutes of work
        try:
            enough(metric, n, least)
            enough(metric, len(distinct(dataset, m, generated.rows)[0]), least, "different ")
            seen = through(modality, dataset, context)
        except Unavailable as missing:
            yield missing.score(metric, given, m, n)
            continue
        if seen is None:
            continue
        real = real_features(seen, modality, dataset, generated.rows, context)
        drawn = drawn_features(seen, samples, f"features of {m} given {origin}", context)
        device = precise(context.device)
        with context.progress.stage(f"{metric} of {m} given {origin}", 1, unit="value"):
            value = distance(drawn.to(device), real.to(device))
        yield Score(metric, given, m, value, n, seen.identity, networks=seen.networks)


def enough(metric: str, n: int, least: int, which: str = "") -> None:
    """Raises `Unavailable` where n samples, or `which` of them, are fewer than a metric needs."""
    if n < least:
        reason = f"{metric} needs at least {least:,} {which}samples, there are {n:,}"
        raise Unavailable(reason, "samples")


def distinct(dataset: Dataset, name: str, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The different ones among one modality of the test examples `rows` (N,).

    Returns:
        Their places in the split's tensors (K,), and for each row which of them it has (N,).
    """
    rows, index = rows.to(dataset.test.device), dataset.test.index
    return (index[name][rows] if name in index else rows).unique(return_inverse=True)


def real_features(
    through: Extractor, modality: Modality, dataset: Dataset, rows: Tensor, context: Context
) -> Tensor:
    """Features (N, d) of the test examples `rows` (N,).

    A picture that several share (CUB's ten captions) is looked at once.
    """
    m, split = modality.name, dataset.test
    pictures = Split({m: split.tensors[m]})
    different, place = distinct(dataset, m, rows)
    key = real_key(dataset, m, different, through.identity)

    def compute() -> Tensor:
        return drawn_features(
            through, pictures.batch(different)[m], f"features of real {m}", context
        )

    path = context.cache / "features" / f"{key}.safetensors"
    with context.for_all():
        seen = recall(path, len(different), compute, context.progress.say)
    return seen[place.to(seen.device)]


def real_key(dataset: Dataset, name: str, rows: Tensor, extractor: str) -> str:
    """The key of features of the test examples `rows` (N,).

    It is a hash of the data and its description (networks see a text's words and a sound's
    waveform), of the rows and of the network.
    """
    chosen = hashlib.sha256(rows.cpu().long().contiguous().numpy().tobytes()).hexdigest()
    how = [dataset.modality(name), dataset.sampling_rate]
    return digest([dataset.test.fingerprint([name]), how, chosen, extractor], 32)


def drawn_features(through: Extractor, samples: Tensor, title: str, context: Context) -> Tensor:
    """Features (N, d) of samples (N, *shape), computed once for the same ones if there is room."""
    digest = hashlib.sha256(f"{through.identity} {samples.dtype} {samples.shape}".encode())
    for part in samples.split(1024):
        digest.update(part.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    key = digest.digest()
    if key not in _KEPT:
        with context.progress.stage(title, len(samples), unit="sample") as bar:
            _KEPT[key] = through.features(samples, bar.update)
        while len(_KEPT) > 1 and sum(x.nbytes for x in _KEPT.values()) > KEEP:
            del _KEPT[next(iter(_KEPT))]
    return _KEPT[key]


_KEPT: dict[bytes, Tensor] = {}


def recall(
    path: Path, n: int, compute: Callable[[], Tensor], say: Callable[[str], None]
) -> Tensor:
    """The features of n samples, (n, d), from a file, or else computed and kept there."""

    def read(path: Path) -> Tensor:
        features = read_tensors(path)[0].get("features", torch.empty(0))
        if features.ndim != 2 or len(features) != n:
            raise Damaged(f"{path} does not hold features of {n} samples")
        return features

    def write(path: Path, features: Tensor) -> None:
        write_tensors(path, {"features": features.contiguous()}, {})

    return recalled(path, read, compute, write, say)


def precise(device: torch.device) -> torch.device:
    """The device if it has float64 (CUDA), otherwise the CPU."""
    return device if device.type == "cuda" else torch.device("cpu")


def require_least(generated: int, real: int, least: int = 2) -> None:
    """Refuses to compare sets of so many samples if one has fewer than `least`.

    Raises:
        ValueError: One has.
    """
    for title, n in (("generated", generated), ("real", real)):
        if n < least:
            raise ValueError(f"the number of {title} samples is {n}, expected at least {least}")


def paired(a: Tensor, b: Tensor, least: int = 2) -> tuple[Tensor, Tensor]:
    """Two sets of features (N, d) and (N', d), of any float type, as float64.

    Raises:
        ValueError: They are not features of the same kind, are not finite, or are fewer than
            `least`.
    """
    for title, x in (("generated", a), ("real", b)):
        if x.ndim != 2 or not x.shape[1]:
            raise ValueError(f"the {title} features have shape {tuple(x.shape)}, expected (N, d)")
    require_least(len(a), len(b), least)
    for title, x in (("generated", a), ("real", b)):
        require_finite(x, f"{title} samples")
    require_equal(a.shape[1], b.shape[1])
    return a.detach().double(), b.detach().double()
