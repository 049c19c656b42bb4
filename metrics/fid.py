"""FID, the Fréchet Inception distance of RGB images.

Heusel, Ramsauer, Unterthiner, Nessler and Hochreiter, "GANs trained by a two time-scale update
rule converge to a local Nash equilibrium", 2017, https://arxiv.org/abs/1706.08500. Features are
pytorch-fid's, or torch-fidelity's where asked for (see `mmbench.metrics.extractors.inception`),
covariances unbiased and in float64.

The value depends on the number of samples (at 2,048 or fewer the covariances are singular), so
only values of equal n may be compared; n is part of every score.

    from mmbench.metrics.fid import frechet_inception_distance
    frechet_inception_distance(drawn, real)                      # tensors (N, 3, H, W) in [0, 1]
    frechet_inception_distance(Path("drawn"), Path("photos"))    # folders of pictures
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from mmbench.core.score import Metric
from mmbench.media.image import photographs
from mmbench.metrics.extractors.inception import INCEPTION, Resize, expect, inception, streamed
from mmbench.metrics.statistics.features import compare
from mmbench.metrics.statistics.frechet import Statistics, feature_distance, frechet_distance
from mmbench.pretrained import published


def frechet_inception_distance(
    generated: Tensor | Path,
    real: Tensor | Path,
    weights: Path | None = None,
    device: torch.device | str = "cpu",
    resize: Resize = "torch",
) -> float:
    """The FID of two sets of images, in memory that does not grow with their features.

    Args:
        generated: (N, 3, H, W), uint8, or floats that are clamped to [0, 1]; or a folder of
            pictures, which may differ in size.
        real: The same, of real images.
        weights: A file of FID Inception's weights; by default the published one from the folder
            that $MMBENCH_WEIGHTS names, or from torch's hub cache.
        device: Where to compute.
        resize: "torch" equals pytorch-fid, "tensorflow" equals torch-fidelity.

    Raises:
        ImportError: pytorch-fid is not installed.
        FileNotFoundError: There are no weights, or a folder holds no pictures.
        ValueError: The images are not finite or not RGB or fewer than 2, or a file holds
            something else than it should.
    """
    expect(resize)
    sides = [photographs(x) if isinstance(x, Path) else [x] for x in (generated, real)]
    network = published(INCEPTION, weights, torch.device(device))
    return frechet_distance(*(Statistics.gather(streamed(x, network, resize)) for x in sides))


_PAPER = (
    "Heusel, Ramsauer, Unterthiner, Nessler and Hochreiter, GANs trained by a two time-scale "
    "update rule converge to a local Nash equilibrium, 2017, https://arxiv.org/abs/1706.08500"
)

fid = Metric(
    name="fid",
    title="FID",
    better="lower",
    unit="",
    paper=_PAPER,
    low=0.0,
    judge="inception",
    least=2,
    full_rank=2049,
    compute=partial(compare, "fid", feature_distance, through=inception),
)
fid_tensorflow = replace(
    fid,
    name="fid-tensorflow",
    title="FID (TensorFlow's resize)",
    compute=partial(
        compare,
        "fid-tensorflow",
        feature_distance,
        through=partial(inception, resize="tensorflow"),
    ),
)
"""By torch-fidelity's conventions."""
