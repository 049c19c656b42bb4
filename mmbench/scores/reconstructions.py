"""Metrics of samples that should equal real examples, row by row."""

from mmbench.metrics.f1 import f1_score
from mmbench.metrics.reconstruction import mean_squared_error, structural_similarity
from mmbench.scores.inputs import Samples, whole


def f1(generated: Samples, real: Samples) -> float:
    """F1 of attributes or masks against those of real examples (`mmbench.metrics.f1`).

    Args:
        generated: (N, ...), probabilities, truth values or zeros and ones; or a folder of masks.
        real: Likewise, of the same shape, row by row or file by file.

    Returns:
        The mean over samples, from 0 to 1.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: The shapes differ, there are no samples, or a value is outside [0, 1].
    """
    return f1_score(whole(generated, "generated", bits=True), whole(real, "real", bits=True))


def mse(generated: Samples, real: Samples) -> float:
    """The mean squared error of reconstructed images (`mmbench.metrics.reconstruction`).

    Args:
        generated: (N, C, H, W), or a folder of pictures of one size.
        real: Likewise, of the same shape, row by row or file by file.

    Returns:
        The mean over images, of pixels in [0, 1].

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: The shapes differ, there are no images, or a value is outside [0, 1].
    """
    return float(mean_squared_error(whole(generated, "generated"), whole(real, "real")).mean())


def ssim(generated: Samples, real: Samples) -> float:
    """The structural similarity of reconstructed images (`mmbench.metrics.reconstruction`).

    Args:
        generated: (N, C, H, W) with H and W at least 11, or a folder of pictures of one size.
        real: Likewise, of the same shape, row by row or file by file.

    Returns:
        The mean over images, from −1 to 1.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: The shapes differ, there are no images, an image is smaller than the window,
            or a value is outside [0, 1].
    """
    return float(structural_similarity(whole(generated, "generated"), whole(real, "real")).mean())
