"""Samples as functions of this room take them: tensors, arrays, folders, dictionaries of those."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmbench.api import asked
from mmbench.api.device import compute_device
from mmbench.api.places import cache_folder
from mmbench.core.data import Batch, Dataset
from mmbench.core.score import Context, Generated
from mmbench.datasets.formats import examples
from mmbench.errors import seen
from mmbench.media.image import photographs
from mmbench.progress import Progress
from mmbench.registry import find

Samples = asked.Array | str | os.PathLike[str]
"""Samples (N, ...), or a folder of files with one each."""

Drawn = Mapping[str, Samples]
"""Modality -> samples (N, *shape)."""

File = str | Path | None
"""A file of weights; None for the published one in $MMBENCH_WEIGHTS or torch's cache."""

Device = str | torch.device
"""Where to compute: "cpu", "cuda", "cuda:1", ...; "auto" is CUDA where there is one."""


def judged(name: str, generated: Samples | Drawn, data: Dataset, device: Device) -> float:
    """The value of a metric by the data set's own networks, the test examples being real.

    Raises:
        LookupError: There is no such modality.
        ValueError: Samples do not fit their modality, or there is no value.
    """
    expect(data)
    rows = torch.arange(len(data.test))
    return value(name, Generated((), drawn(generated, data), rows), data, context(device))


def expect(data: object) -> None:
    """Refuses what is no data set.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(data, Dataset):
        expected = "expected a mmbench.core.Dataset, such as load_dataset returns"
        raise ValueError(f"data is {seen(data)}, {expected}")


def value(name: str, generated: Generated, data: Dataset, context: Context) -> float:
    """The one value of a metric, of what was drawn given nothing.

    Raises:
        ValueError: There is none, or more than one.
    """
    found = list(find("metrics", name).compute(generated, data, context))
    if not found:
        names = ", ".join(generated.samples)
        raise ValueError(f"{name} does not apply to samples of {names} alone on {data.name}")
    if len(found) > 1:
        names = ", ".join(generated.samples)
        raise ValueError(f"{name} has a value for each of {names}: score one at a time")
    if found[0].value is None:
        raise ValueError(found[0].reason)
    return float(found[0].value)


def drawn(generated: Samples | Drawn, data: Dataset) -> Batch:
    """Samples by modality, (N, *shape), in the data set's order.

    Raises:
        LookupError: There is no such modality.
        FileNotFoundError: There is no such folder.
        ValueError: Samples have another shape or range than their modality, or are not finite.
    """
    if not isinstance(generated, Mapping) or not generated:
        expected = f"expected a dictionary of modality of {data.name} -> samples"
        raise ValueError(f"generated is {seen(generated)}, {expected}")
    return {m: _checked(generated[m], m, data) for m in data.subset(map(str, generated))}


def _checked(x: Samples, name: str, data: Dataset) -> Tensor:
    if isinstance(x, str | os.PathLike):
        return examples.several(Path(x), data.modality(name))
    title = f"the generated {name}"
    return examples.checked(asked.array(x, title), data.modality(name), title)


def side(x: Samples | Drawn, title: str) -> Tensor | Path:
    """Samples as floats, truth values or bytes; a folder as its path. `title` is for messages.

    Raises:
        ValueError: They are no numbers, or whole ones that no byte holds.
    """
    return Path(x) if isinstance(x, str | os.PathLike) else pixels(x, title)


def pixels(samples: asked.Array | Drawn, title: str) -> Tensor:
    """Samples (N, ...) as floats, truth values or bytes.

    Raises:
        ValueError: As `side`.
    """
    x = tensor(samples, title)
    if x.is_floating_point() or x.dtype in (torch.bool, torch.uint8) or not x.numel():
        return x
    if not 0 <= int(x.min()) <= int(x.max()) <= 255:
        reach = f"reach from {int(x.min())} to {int(x.max())}"
        expected = "expected whole numbers from 0 to 255, or floats in [0, 1]"
        raise ValueError(f"the {title} samples {reach}, {expected}")
    return x.to(torch.uint8)


def whole(samples: Samples | Drawn, title: str, bits: bool = False) -> Tensor:
    """Samples (N, ...) as floats or truth values; pictures of a folder are (N, 3, H, W).

    Bytes are steps of 1/255, or with `bits` zeros and ones where none is above 1.

    Raises:
        FileNotFoundError: There is no such folder, or it holds no pictures.
        ValueError: As `side`; or pictures differ in size.
    """
    x = side(samples, title)
    x = _stacked(x) if isinstance(x, Path) else x
    steps = x.dtype == torch.uint8 and not (bits and x.numel() and int(x.max()) <= 1)
    return x.float() / 255 if steps else x.float()


def _stacked(folder: Path) -> Tensor:
    """The pictures of a folder, (N, 3, H, W) uint8."""
    parts = list(photographs(folder))
    sizes = sorted({tuple(x.shape[2:]) for x in parts})
    if len(sizes) > 1:
        both = " and ".join(f"{w} x {h}" for h, w in sizes[:2])
        raise ValueError(f"{folder} has pictures of {both} pixels, expected one size")
    return torch.cat(parts)


def tensor(samples: object, title: str) -> Tensor:
    """The values of a tensor or an array.

    Raises:
        ValueError: They are no numbers.
    """
    if isinstance(samples, Tensor) and not samples.is_complex():
        return samples.detach()
    if isinstance(samples, Mapping):
        told = f"the {title} samples are a dictionary, expected an array"
        raise ValueError(f"{told}: only with a data set that judges may they be a dictionary")
    x = asked.array(samples, f"the {title} samples")
    if x.dtype.kind not in "buif":
        held = "texts" if x.dtype.kind == "U" else seen(samples) if x.ndim == 0 else str(x.dtype)
        raise ValueError(f"the {title} samples hold {held}, expected numbers")
    wide = x.astype(np.int64) if x.dtype.kind == "u" and x.itemsize > 1 else x
    return torch.from_numpy(np.ascontiguousarray(wide, wide.dtype.newbyteorder("=")))


def file(weights: File) -> Path | None:
    """A file of weights as a path.

    Raises:
        ValueError: It is no path.
    """
    if not isinstance(weights, str | os.PathLike | None):
        raise ValueError(f"weights is {seen(weights)}, expected the path of a file")
    return None if weights is None else Path(weights)


def context(device: Device) -> Context:
    """What a metric may use: the device, the cache, standard error for reports."""
    return Context(compute_device(device), cache_folder(), Progress(sys.stderr))
