"""Examples as files that people open: pictures, sentences, arrays.

An image or a mask is a PNG of its own pixels, a text or a list of attributes a TXT. Sounds and
trajectories are drawn as pictures too, which cannot be read back: their values are arrays.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from mmbench.core.data import Dataset, Modality
from mmbench.datasets.formats.arrays import ENDINGS as ARRAYS
from mmbench.datasets.formats.arrays import load
from mmbench.datasets.formats.captions import Vocabulary, tokenise
from mmbench.files.atomic import replacing, write_text
from mmbench.files.folder import files
from mmbench.files.regular import regular
from mmbench.files.text import read_text
from mmbench.media.image import ENDINGS as PICTURES
from mmbench.media.image import decoded, planes
from mmbench.media.pictures import attributes, draw, sentence
from mmbench.registry import nearest

COMPARED = 500
"""The most test examples that one of the user's is compared with."""

DRAWN = (256, 256)
"""Width and height of the picture of a sound or a trajectory."""

LIMITS = {"trajectory": (-1, 2), "attributes": (-1, 2), "vector": (-1e3, 1e3)}
"""Kind -> lowest and highest value, [0, 1] by default. Models clamp pictures and sounds to [0, 1];
an unbounded likelihood overshoots, but never as far as data of another scale."""


def read(path: Path, modality: Modality, resize: bool = True) -> Tensor:
    """One example of a modality, (1, *shape), as `checked` returns it.

    The file is a picture of an image or a mask, a .txt of a text or of the names of the attributes
    that are there, or a .npy or .npz array of any kind. A picture of another size is cut to the
    modality's proportions, about its middle, and resized; without `resize` it is refused.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or cannot be an example of the modality.
    """
    if not regular(path).is_file():
        raise FileNotFoundError(f"there is no file {path} to read {modality.name} from")
    ending, kind = path.suffix.lower(), modality.kind
    if ending not in endings(modality):
        wanted = f"of kind {kind}: expected {', '.join(endings(modality))}"
        raise ValueError(f"{path} cannot be read as {modality.name}, {wanted}")
    row: NDArray[Any]
    if ending in ARRAYS:

        def own(names: Collection[str]) -> list[str]:
            name = modality.name
            if name not in names and len(names) != 1:
                raise ValueError(f"{path} has no array {name!r}{nearest(name, names)}")
            return [name] if name in names else list(names)

        (row,) = load(path, own).values()
    elif ending in PICTURES:
        row = _picture(path, modality.shape, resize)
    else:
        reader = _tokens if kind == "text" else _named
        row = reader(read_text(path), modality, path)
    return one(row, modality, str(path))


def several(folder: Path, modality: Modality) -> Tensor:
    """The examples in the files of a folder, in the order of their names: (N, *shape), as `read`.

    Raises:
        FileNotFoundError: There is no such folder, or it is empty.
        ValueError: As `read`; or a picture has another size.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder, expected one of {modality.name}")
    if not (names := files(folder)):
        raise FileNotFoundError(
            f"{folder} is empty, expected files {', '.join(endings(modality))}"
        )
    return torch.cat([read(folder / name, modality, resize=False) for name in names])


def endings(modality: Modality) -> tuple[str, ...]:
    """The endings of the files that `read` reads."""
    if modality.kind in ("image", "mask"):
        return (*PICTURES, *ARRAYS)
    return (".txt", *ARRAYS) if modality.kind in ("text", "attributes") else ARRAYS


def one(x: NDArray[Any], modality: Modality, where: str) -> Tensor:
    """One example, (*shape) or (1, *shape), as `checked` returns it: (1, *shape).

    Raises:
        ValueError: As `checked`.
    """
    if x.shape not in (modality.shape, (1, *modality.shape)):
        wanted = f"one {modality.name} of shape {modality.shape}"
        raise ValueError(f"{where} has shape {x.shape}, expected {wanted}")
    return checked(x.reshape(1, *modality.shape), modality, where)


def usual(dataset: Dataset, name: str) -> Tensor:
    """Some test examples of a modality, (N, *shape), that one of the user's is compared with."""
    rows = torch.arange(min(COMPARED, len(dataset.test)))
    return dataset.test.batch(rows, [name])[name]


def checked(x: NDArray[Any], modality: Modality, where: str) -> Tensor:
    """Values (N, *shape) as the networks see them: float32, or int64 for tokens.

    uint8 holds [0, 1] in 255 steps, but for tokens, attributes, vectors and masks of zeros and
    ones; so do other whole numbers beyond 1. `where` names the values in messages.

    Raises:
        ValueError: They have another shape, are no numbers, not finite, or out of range.
    """
    if x.shape[1:] != modality.shape or not len(x):
        wanted = f"(N, {', '.join(map(str, modality.shape))})"
        raise ValueError(f"{where} has shape {x.shape}, expected {wanted}")
    kind = modality.kind
    if kind == "text":
        if x.dtype.kind not in "ui":
            raise ValueError(f"{where} holds {x.dtype}, expected tokens: whole numbers")
        if not 0 <= x.min() <= x.max() < len(modality.words):
            wanted = f"0 to {len(modality.words) - 1}"
            raise ValueError(f"{where} has tokens from {x.min()} to {x.max()}, expected {wanted}")
        return torch.from_numpy(x.astype(np.int64))
    if x.dtype.kind not in "buif":
        raise ValueError(f"{where} holds {x.dtype}, expected numbers")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        bad = int((~np.isfinite(x)).reshape(len(x), -1).any(1).argmax())
        raise ValueError(f"{where} is not finite, first in row {bad}")
    bits = kind in ("attributes", "vector") or (kind == "mask" and x.max() <= 1)
    steps = x.dtype == np.uint8 or (x.dtype.kind in "ui" and kind not in LIMITS and x.max() > 1)
    scale = 255 if steps and not bits else 1
    low, high = LIMITS.get(kind, (0, 1))
    if not low <= x.min() / scale <= x.max() / scale <= high:
        wrong = f"{where} has values from {x.min():g} to {x.max():g}"
        whole = "" if kind in LIMITS else ", or whole numbers in 255 steps"
        expected = f"[{low:g}, {high:g}]" if kind == "vector" else f"[0, 1]{whole}"
        raise ValueError(f"{wrong}, expected {expected}")
    values = torch.from_numpy(np.ascontiguousarray(x, np.float32))
    return values.div_(255) if scale == 255 else values


def write(folder: Path, stem: str, modality: Modality, x: Tensor) -> Path:
    """Writes one example (*shape) for people: `folder/stem.png` or `.txt`."""
    x, kind = x.detach().cpu(), modality.kind
    if kind in ("text", "attributes"):
        named = sentence if kind == "text" else attributes
        path = folder / f"{stem}.txt"
        write_text(path, f"{named(modality.words, x.tolist())}\n")
        return path
    pictures = kind in ("image", "mask")
    picture = _pixels(x.float().numpy()) if pictures else draw(modality, x[None], DRAWN)[0]
    path = folder / f"{stem}.png"
    with replacing(path) as part:
        picture.save(part, format="PNG")
    return path


def write_waveform(path: Path, wave: Tensor, rate: int) -> None:
    """Writes a sound (samples,) as a 16-bit WAV, its loudest moment at 0.9 of what that holds."""
    peak = float(wave.abs().max()) or 1.0
    with replacing(path) as part, part.open("wb") as file:
        scipy.io.wavfile.write(file, rate, (wave / peak * 0.9 * 32767).round().short().numpy())


def save(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes tensors as a .npz file, whole or not at all."""
    arrays: dict[str, Any] = {m: x.detach().cpu().numpy() for m, x in tensors.items()}
    with replacing(path) as part, part.open("wb") as file:
        np.savez(file, **arrays)


def _pixels(x: NDArray[np.float32]) -> Image.Image:
    """(C, H, W) in [0, 1]: three channels in colour, others as their mean."""
    pixels = np.rint(255 * np.nan_to_num(x).clip(0, 1)).astype(np.uint8)
    if len(pixels) == 3:
        return Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.mean(0).astype(np.uint8))


def _picture(path: Path, shape: tuple[int, ...], resize: bool) -> NDArray[np.uint8]:
    """(C, H, W) from a picture of any size."""
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise ValueError(f"{path} is a picture, expected an array of shape {shape}")
    channels, height, width = shape
    image = decoded(path, upright=True)
    image = image.convert("RGB" if channels == 3 else "L")
    if image.size != (width, height):
        if not resize:
            size = f"{image.width} x {image.height} pixels"
            raise ValueError(f"{path} has {size}, expected {width} x {height}")
        image = ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
    return planes(image)


def _tokens(text: str, modality: Modality, path: Path) -> NDArray[np.int16]:
    """(length,): the words of a text, those that are not known as the vocabulary's <exc>."""
    vocabulary = Vocabulary(modality.words)
    vocabulary.expect_specials(path, modality.name)
    words = tokenise(text)
    unknown = [word for word in dict.fromkeys(words) if word not in modality.words]
    if len(unknown) == len(set(words)):
        near = nearest(unknown[0], modality.words) if unknown else ""
        raise ValueError(f"{path} has no word that {modality.name} knows{near}")
    return vocabulary.tokens([words], modality.shape[0])[0].numpy()


def _named(text: str, modality: Modality, path: Path) -> NDArray[np.bool_]:
    """(K,): which attributes a text names, separated by commas or line breaks."""
    there = np.zeros(modality.shape, bool)
    for name in filter(None, (part.strip() for part in re.split(r"[,\n]", text))):
        if name not in modality.words:
            near = nearest(name, modality.words)
            raise ValueError(f"{path} has {name!r}, which is none of {modality.name}{near}")
        there.reshape(-1)[modality.words.index(name)] = True
    return there


def unknown_words(path: Path, modality: Modality) -> Sequence[str]:
    """The words of a text that the modality does not know."""
    words = tokenise(read_text(path)) if path.suffix.lower() == ".txt" else []
    return [word for word in dict.fromkeys(words) if word not in modality.words]
