"""FAD, the Fréchet audio distance of sounds.

Kilgour, Zuluaga, Roblek and Sharifi, "Fréchet audio distance: a reference-free metric for
evaluating music enhancement algorithms", 2019, https://arxiv.org/abs/1812.08466. As its authors'
https://github.com/google-research/google-research/tree/master/frechet_audio_distance: sounds are
divided by their highest sample, then windows of a second, half a second apart, are embedded by
VGGish (see `mmbench.metrics.extractors.vggish`), and the covariances are unbiased and in float64.
Shorter sounds get silence on both sides.

What a data set keeps as spectrograms is made audible first, the real sounds as well as the
generated (see `mmbench.media.sound`); so do Bounoua, Franzese and Michiardi, "Multi-modal latent
diffusion", 2024, https://doi.org/10.3390/e26040320, for MHD.

The value depends on the number of samples, so only values of equal n may be compared.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmbench.core.data import Dataset, Modality
from mmbench.core.score import Context, Generated, Metric, Score, Unavailable
from mmbench.datasets.formats import recordings
from mmbench.media.sound import library, waveforms
from mmbench.metrics.extractors.vggish import RATE, VGGISH
from mmbench.metrics.statistics.features import Extractor, Report, compare
from mmbench.metrics.statistics.frechet import Statistics, frechet_distance
from mmbench.metrics.statistics.samples import batches, check
from mmbench.pretrained import Weights, opened, published

WINDOW, STEP = RATE, RATE // 2
QUIETEST = 0.1 / 32767
"""The least that sounds are divided by, so that silence is not amplified; the original's 0.1 is in
units of WAV files, whose samples reach 32,767."""
BATCH = 64
"""Sounds at a time."""


def frechet_audio_distance(
    generated: Tensor | Path,
    real: Tensor | Path,
    weights: Path | None = None,
    device: torch.device | str = "cpu",
) -> float:
    """The FAD of two sets of sounds.

    Args:
        generated: (N, T) at 16 kHz, of any scale; or a folder of recordings.
        real: Likewise.
        weights: A file of VGGish's weights; by default the published one from the folder that
            $MMBENCH_WEIGHTS names, or from torch's hub cache.
        device: Where to compute.

    Raises:
        ImportError: torchvggish is not installed; or, for a folder, soundfile, or librosa where a
            file has another rate.
        FileNotFoundError: There are no weights, or a folder holds no sounds.
        ValueError: The sounds are not finite, or too few, or a file is damaged or holds
            something else.
    """
    sides = [_sounds(x) for x in (generated, real)]
    network = published(VGGISH, weights, torch.device(device))
    heard = ((_embedded(w, network).reshape(-1, VGGISH.dims) for w in x) for x in sides)
    return frechet_distance(*map(Statistics.gather, heard))


def _sounds(x: Tensor | Path) -> Iterable[Tensor]:
    """Sounds in sets (B, T)."""
    if isinstance(x, Path):
        return recordings.several(x, RATE)
    if x.ndim != 2 or not x.shape[1]:
        raise ValueError(f"sounds have shape {tuple(x.shape)}, expected (N, samples)")
    check(x, Modality("sounds", "trajectory", tuple(x.shape[1:])))  # of any scale
    if len(x) == 1 and x.shape[1] < WINDOW + STEP:
        raise ValueError("there is one sound of a single window, expected more or a longer one")
    return x.split(BATCH)


def windows(waves: Tensor) -> Tensor:
    """What is embedded of sounds: (N, T) -> (N, windows, 16,000), in [−1, 1] at the top."""
    short = max(0, WINDOW - waves.shape[1])
    waves = F.pad(waves, (short // 2, short - short // 2))
    highest = waves.amax(1, keepdim=True).clamp(min=QUIETEST)
    return (waves / highest).unfold(1, WINDOW, STEP)


@torch.inference_mode()
def _embedded(waves: Tensor, network: nn.Module) -> Tensor:
    """(N, T) -> (N, windows · d), float32 on the CPU."""
    heard = windows(waves)
    embeddings: Tensor = network(heard.flatten(0, 1))
    return embeddings.float().cpu().reshape(len(waves), -1)


def _distance(dims: int, drawn: Tensor, real: Tensor) -> float:
    """The Fréchet distance of features (N, windows · dims)."""
    return frechet_distance(*(Statistics.of(x.reshape(-1, dims)) for x in (drawn, real)))


def _heard(weights: Weights, modality: Modality, dataset: Dataset, context: Context) -> Extractor:
    how, rate = modality.spectrogram, dataset.sampling_rate
    if how is None:
        reason = f"the waveforms of {modality.name} are not known: its Modality has no spectrogram"
        raise Unavailable(reason, "judge")
    if rate != RATE:
        hears = f"{weights.title} hears {RATE:,} samples a second"
        reason = f"{hears}, {dataset.name} has {rate or 'an unknown number'}"
        raise Unavailable(reason, "judge")
    network, identity, networks = opened(weights, context)
    try:
        version = library().__version__
    except ImportError as error:
        raise Unavailable.package(error) from None

    def features(samples: Tensor, report: Report) -> Tensor:
        done, parts = 0, []
        for x in batches(samples, modality, BATCH, torch.device("cpu")):
            parts.append(_embedded(waveforms(x, how, RATE), network))
            done += len(x)
            report(done)
        return torch.cat(parts)

    return Extractor(f"{identity}, librosa {version} Griffin-Lim", features, networks)


def audio_distance(
    name: str, weights: Weights, generated: Generated, dataset: Dataset, context: Context
) -> Iterator[Score]:
    """The Fréchet distance of sounds as a network hears them, as the metric of that name.

    The network takes sounds (B, 16,000) at 16 kHz, on the CPU, to features (B, dims).
    """
    return compare(
        name,
        partial(_distance, weights.dims),
        generated,
        dataset,
        context,
        concerns=lambda modality: modality.kind == "sound",
        through=partial(_heard, weights),
    )


fad = Metric(
    name="fad",
    title="FAD",
    better="lower",
    unit="",
    paper="Kilgour, Zuluaga, Roblek and Sharifi, Fréchet audio distance: a reference-free metric "
    "for evaluating music enhancement algorithms, 2019, https://arxiv.org/abs/1812.08466",
    low=0.0,
    judge="vggish",
    least=2,
    compute=partial(audio_distance, "fad", VGGISH),
)
