"""Examples of each kind as pictures, and those that have words in words."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps
from torch import Tensor

from mmbench.core.data import Modality
from mmbench.media.lettering import SCALE, cut, font, wrap
from mmbench.text import plain

PAPER, INK = "#ffffff", "#16191d"
RULE = "#c9ced6"
BARS = 16  # values of a vector that are drawn as bars
SUPERSAMPLING = 4  # of strokes
END, PAD = "<eos>", "<pad>"  # words of a text that are not shown


def draw(modality: Modality, values: Tensor, size: tuple[int, int]) -> list[Image.Image]:
    """Examples (B, *modality.shape) as pictures of a certain size (width, height)."""
    values = values.detach().cpu()
    xs: NDArray[Any] = (values.float() if values.is_floating_point() else values).numpy()
    xs = np.nan_to_num(xs)
    match modality.kind:
        case "image" | "mask":
            return [_image(x, size) for x in xs]
        case "sound":
            return [_sound(x, size) for x in xs]
        case "trajectory":
            return [_trajectory(x, size) for x in xs]
        case "vector":
            span = min(0.0, float(xs.min())), max(0.0, float(xs.max()))  # one scale for all
            return [_vector(x, span, size) for x in xs]
        case "text":
            lines = [sentence(modality.words, x) for x in xs.astype(int).tolist()]
            return _texts(lines, size)
        case "attributes":
            lines = [attributes(modality.words, x.tolist()) or "none" for x in xs]
            return _texts([line.replace("_", " ") for line in lines], size)


def _sound(x: NDArray[Any], size: tuple[int, int]) -> Image.Image:
    """(1, time, mel) in [0, 1], time to the right, low frequencies at the bottom."""
    spectrogram = x.mean(0).T[::-1]
    colours = matplotlib.colormaps["magma"](spectrogram.clip(0, 1))[..., :3]
    return _pixels(colours).resize(size, Image.Resampling.BICUBIC)


def _trajectory(x: NDArray[Any], size: tuple[int, int]) -> Image.Image:
    """(2n,): n times x, then n times y, in [0, 1]; the colour runs with time, from a dot."""
    wide, high = (SUPERSAMPLING * pixels for pixels in size)
    sheet = Image.new("RGB", (wide, high), PAPER)
    pen = ImageDraw.Draw(sheet)
    across, up = x.reshape(2, -1).clip(0, 1)
    edge = 0.1
    inside = 1 - 2 * edge
    places = np.stack([(edge + inside * across) * wide, (1 - edge - inside * up) * high], -1)
    colours = matplotlib.colormaps["plasma"](np.linspace(0, 0.8, len(places)), bytes=True)
    thick = 0.022 * wide
    for a, b, colour in zip(places, places[1:], colours, strict=False):
        pen.line((*a, *b), tuple(colour), round(2 * thick))
        pen.ellipse((*(b - thick), *(b + thick)), tuple(colour))  # rounds the joints
    for place in places[:1]:
        pen.ellipse((*(place - 2 * thick), *(place + 2 * thick)), tuple(colours[0]))
    return sheet.resize(size, Image.Resampling.BOX)


def _vector(x: NDArray[Any], span: tuple[float, float], size: tuple[int, int]) -> Image.Image:
    """(..., n): bars of up to BARS values, else a line for each row, about a line at 0."""
    wide, high = (SUPERSAMPLING * pixels for pixels in size)
    sheet = Image.new("RGB", (wide, high), PAPER)
    pen = ImageDraw.Draw(sheet)
    rows = x.reshape(-1, x.shape[-1])
    scale = 0.9 * high / ((span[1] - span[0]) or 1.0)
    levels = 0.05 * high + (span[1] - rows) * scale
    zero = 0.05 * high + span[1] * scale
    pen.line((0, zero, wide, zero), RULE, SUPERSAMPLING)
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.8, len(rows)), bytes=True)
    for row, colour in zip(levels, colours, strict=True):
        if len(rows) == 1 and len(row) <= BARS:
            step = wide / len(row)
            for i, level in enumerate(row):
                top, bottom = sorted((level, zero))
                pen.rectangle(((i + 0.15) * step, top, (i + 0.85) * step, bottom), tuple(colour))
        else:
            across = np.linspace(0.05, 0.95, len(row)) * wide
            pen.line([*zip(across, row, strict=True)], tuple(colour), round(0.012 * wide), "curve")
    return sheet.resize(size, Image.Resampling.BOX)


def _texts(texts: Sequence[str], size: tuple[int, int]) -> list[Image.Image]:
    """Wrapped, all in the largest type that fits; what does not fit the smallest is cut."""
    edge = 2 * SCALE
    for height in (8, 7, 6, 5):
        face, step = font(height), round(1.2 * height * SCALE)
        wrapped = [wrap(plain(text), face, size[0] - 2 * edge) for text in texts]
        room = (size[1] - 2 * edge) // step
        if all(len(lines) <= room for lines in wrapped):
            break
    sheets = [Image.new("RGB", size, PAPER) for _ in texts]
    for lines, sheet in zip(wrapped, sheets, strict=True):
        if len(lines) > room:
            lines[room - 1 :] = [cut(f"{lines[room - 1]} …", face, size[0] - 2 * edge)]
        for i, line in enumerate(lines):
            ImageDraw.Draw(sheet).text((edge, edge + i * step), line, INK, face)
    return sheets


def _image(x: NDArray[Any], size: tuple[int, int]) -> Image.Image:
    """(1 or 3, H, W) in [0, 1], as large as it fits, with sharp edges, in the middle."""
    rgb = x if x.shape[0] == 3 else x.mean(0, keepdims=True).repeat(3, 0)
    picture = _pixels(rgb.transpose(1, 2, 0))
    factor = min(size[0] / picture.width, size[1] / picture.height)
    width, height = (max(1, round(side * factor)) for side in picture.size)
    if factor > 1:  # whole pixels first, then down: edges stay even at factors like 3.5
        picture = ImageOps.scale(picture, int(np.ceil(factor)), Image.Resampling.NEAREST)
    picture = picture.resize((width, height), Image.Resampling.BOX)
    sheet = Image.new("RGB", size, PAPER)
    sheet.paste(picture, ((size[0] - width) // 2, (size[1] - height) // 2))
    return sheet


def _pixels(colours: NDArray[Any]) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(np.rint(255 * colours.clip(0, 1)), np.uint8))


def _word(words: Sequence[str], i: int) -> str:
    return words[i] if 0 <= i < len(words) else str(i)


def attributes(words: Sequence[str], present: Sequence[float]) -> str:
    """The names of the attributes that are present, at least 1/2."""
    flat = np.ravel(present)
    return ", ".join(_word(words, i) for i in np.flatnonzero(flat >= 0.5).tolist())


def sentence(words: Sequence[str], tokens: Sequence[int]) -> str:
    """The words up to the end of the text, without padding."""
    text = [_word(words, i) for i in tokens]
    end = text.index(END) if END in text else len(text)
    return " ".join(word for word in text[:end] if word != PAD)
