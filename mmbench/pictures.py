"""Pictures of samples: for each subset of given modalities, what was given and what was drawn."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from mmbench.atomic import replacing
from mmbench.core import JOINT, Dataset, Generated, Modality

SCALE = 2  # pixels for each unit of length below, so that print is sharp
TILE, SMALL_TILE = 56, 36  # side of a sample; the smaller from FEW panels on
FEW = 9
GAP, MARGIN = 3, 14  # between samples; around panels
TITLE, LABEL = 11, 9  # heights of type
TALL = 1.6  # height of a text over its width
SUPERSAMPLING = 4  # of strokes
END, PAD = "<eos>", "<pad>"  # words of a text that are not shown
PAPER, BAND, FRAME, INK, FAINT = "#ffffff", "#e9eef5", "#c9ced6", "#16191d", "#5a6472"


def sample_grid(
    path: Path,
    dataset: Dataset,
    shown: Sequence[Generated],
    examples: int = 8,
) -> None:
    """Writes one PNG with a panel for each subset of given modalities.

    A panel has a column for each example. The given modalities stand above, on a tinted ground,
    what was generated from them below; a modality that was given too is a reconstruction.

    Args:
        path: The file to write.
        dataset: Whose test examples were given.
        shown: What was drawn from each subset; panels come in this order.
        examples: Columns of a panel: the first so many samples.

    Raises:
        ValueError: There is nothing to show, or a modality that the data set does not have.
    """
    if not shown or examples < 1:
        raise ValueError(f"there is nothing to draw: {len(shown)} subsets, {examples} examples")
    names = [m.name for m in dataset.modalities]
    for one in shown:
        for wrong in {*one.given, *one.samples} - set(names):
            raise ValueError(f"{dataset.name} has no modality {wrong!r}, only {', '.join(names)}")
    tile = (TILE if len(shown) < FEW else SMALL_TILE) * SCALE
    panels = [
        _panel(
            dataset, one, examples, tile, f"given: {', '.join(one.given)}" if one.given else JOINT
        )
        for one in shown
    ]
    _write(path, panels, 1 if len(panels) == 1 else 2 if len(panels) < FEW else 4)


def example_page(path: Path, dataset: Dataset, lines: int = 3, columns: int = 10) -> None:
    """Writes one PNG of examples from all over the test split, in `lines` panels of `columns`.

    Raises:
        ValueError: There is nothing to show.
    """
    count = min(lines * columns, len(dataset.test))
    if lines < 1 or columns < 1 or count == 0:
        raise ValueError(f"there is nothing to draw: {lines} lines of {columns} examples")
    panels = []
    for rows in spread(len(dataset.test), count).split(columns):
        heading = f"{dataset.name}, test examples {rows[0]} to {rows[-1]}"
        real = Generated((), dataset.test.batch(rows), rows)
        panels.append(_panel(dataset, real, columns, TILE * SCALE, heading))
    _write(path, panels, 1)


def spread(n: int, count: int) -> Tensor:
    """So many of the numbers 0 to n - 1, evenly spaced: neighbours may share a picture."""
    return torch.arange(min(count, n)) * n // max(min(count, n), 1)


def _write(path: Path, panels: Sequence[Image.Image], across: int) -> None:
    """Writes panels as one PNG, so many beside each other."""
    lines = [panels[i : i + across] for i in range(0, len(panels), across)]
    margin = MARGIN * SCALE
    width = max(p.width for p in panels)
    page = Image.new("RGB", (min(across, len(panels)) * (width + margin) + margin,
                             sum(max(p.height for p in line) + margin for line in lines) + margin),
                     PAPER)  # fmt: skip
    y = margin
    for line in lines:
        for i, panel in enumerate(line):
            page.paste(panel, (margin + i * (width + margin), y))
        y += max(p.height for p in line) + margin
    with replacing(path) as part:
        page.save(part, format="PNG")


def _panel(
    dataset: Dataset, one: Generated, examples: int, tile: int, heading: str
) -> Image.Image:
    """A title, then a row of samples for each modality given and each one generated."""
    order = [m.name for m in dataset.modalities]
    given = dataset.test.batch(one.rows[:examples], [m for m in order if m in one.given])
    fresh = [m for m in order if m in one.samples and m not in one.given]
    again = [m for m in order if m in one.samples and m in one.given]
    rows = [
        *((True, m, m, x) for m, x in given.items()),
        *((False, m, m, one.samples[m]) for m in fresh),
        *((False, m, f"{m} (rec.)", one.samples[m]) for m in again),
    ]
    gap, title = GAP * SCALE, _font(TITLE, bold=True)
    # All panels of a page have equally wide labels, whatever they show.
    longest = max(round(_font(LABEL).getlength(f"{_plain(m[:99])} (rec.)")) for m in order)
    left = min(longest + 4 * gap, 2 * TILE * SCALE)
    heights = [round(tile * (TALL if dataset.modality(m).kind in ("text", "attributes") else 1))
               for _, m, _, _ in rows]  # fmt: skip
    top = round(1.7 * TITLE) * SCALE
    panel = Image.new("RGB", (left + examples * (tile + gap) + gap,
                              top + sum(h + gap for h in heights) + gap * 2), PAPER)  # fmt: skip
    pen = ImageDraw.Draw(panel)
    pen.text((gap, 0), _cut(heading, title, panel.width - 2 * gap), INK, title)
    y = top
    banded = sum(h + gap for h, row in zip(heights, rows, strict=True) if row[0])
    if banded:
        pen.rectangle((0, y, panel.width - 1, y + banded + gap - 1), BAND)
    for i, ((is_given, name, label, values), height) in enumerate(zip(rows, heights, strict=True)):
        if banded and i == len(given):
            y += gap  # sets what is generated apart
        y += gap
        pen.text((left - 2 * gap, y + height // 2), _cut(label, _font(LABEL), left - 3 * gap),
                 FAINT if is_given else INK, _font(LABEL), anchor="rm")  # fmt: skip
        samples = draw(dataset.modality(name), values[:examples], (tile, height))
        for column, sample in enumerate(samples):
            x = left + column * (tile + gap)
            panel.paste(sample, (x, y))
            pen.rectangle((x, y, x + tile - 1, y + height - 1), outline=FRAME)
        y += height
    return panel


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
        case "text":
            lines = [sentence(modality.words, x) for x in xs.astype(int).tolist()]
            return _texts(lines, size)
        case "attributes":
            present = [np.flatnonzero(x.reshape(-1) >= 0.5).tolist() for x in xs]
            lines = [", ".join(_word(modality.words, i) for i in x) or "none" for x in present]
            return _texts([line.replace("_", " ") for line in lines], size)


def _image(x: NDArray[Any], size: tuple[int, int]) -> Image.Image:
    """(1 or 3, H, W) in [0, 1]."""
    rgb = x if x.shape[0] == 3 else x.mean(0, keepdims=True).repeat(3, 0)
    return _fit(rgb.transpose(1, 2, 0), size)


def _sound(x: NDArray[Any], size: tuple[int, int]) -> Image.Image:
    """(1, time, mel) in [0, 1], time to the right, low frequencies at the bottom."""
    spectrogram = x.mean(0).T[::-1]
    colours = matplotlib.colormaps["magma"](spectrogram.clip(0, 1))[..., :3]
    return _pixels(colours).resize(size, Image.Resampling.BICUBIC)


def _trajectory(x: NDArray[Any], size: tuple[int, int]) -> Image.Image:
    """(2n,): n times x, then n times y, in [0, 1]; the colour runs with time, from a dot."""
    large = (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING)
    sheet = Image.new("RGB", large, PAPER)
    pen = ImageDraw.Draw(sheet)
    across, up = x.reshape(2, -1).clip(0, 1)
    edge = 0.1
    places = np.stack(
        [(edge + (1 - 2 * edge) * across) * large[0], (1 - edge - (1 - 2 * edge) * up) * large[1]],
        axis=-1,
    )
    colours = matplotlib.colormaps["plasma"](np.linspace(0, 0.8, len(places)), bytes=True)
    thick = 0.022 * large[0]
    for a, b, colour in zip(places, places[1:], colours, strict=False):
        pen.line((*a, *b), tuple(colour), round(2 * thick))
        pen.ellipse((*(b - thick), *(b + thick)), tuple(colour))  # rounds the joints
    for place in places[:1]:
        pen.ellipse((*(place - 2 * thick), *(place + 2 * thick)), tuple(colours[0]))
    return sheet.resize(size, Image.Resampling.BOX)


def _texts(texts: Sequence[str], size: tuple[int, int]) -> list[Image.Image]:
    """Wrapped, all in the largest type that fits; what does not fit the smallest is cut."""
    edge = 2 * SCALE
    for height in (8, 7, 6, 5):
        font, step = _font(height), round(1.2 * height * SCALE)
        wrapped = [_wrap(_plain(text), font, size[0] - 2 * edge) for text in texts]
        room = (size[1] - 2 * edge) // step
        if all(len(lines) <= room for lines in wrapped):
            break
    sheets = []
    for lines in wrapped:
        if len(lines) > room:
            last = _cut(f"{lines[room - 1]} …", font, size[0] - 2 * edge)
            lines = [*lines[: room - 1], last]
        sheet = Image.new("RGB", size, PAPER)
        pen = ImageDraw.Draw(sheet)
        for i, line in enumerate(lines):
            pen.text((edge, edge + i * step), line, INK, font)
        sheets.append(sheet)
    return sheets


def _fit(colours: NDArray[Any], size: tuple[int, int]) -> Image.Image:
    """Pixels (H, W, 3) as large as they fit, with sharp edges, in the middle."""
    picture = _pixels(colours)
    factor = min(size[0] / picture.width, size[1] / picture.height)
    wanted = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    if factor > 1:  # whole pixels first, then down: edges stay even at factors like 3.5
        whole = int(np.ceil(factor))
        larger = (picture.width * whole, picture.height * whole)
        picture = picture.resize(larger, Image.Resampling.NEAREST)
    picture = picture.resize(wanted, Image.Resampling.BOX)
    sheet = Image.new("RGB", size, PAPER)
    sheet.paste(picture, ((size[0] - wanted[0]) // 2, (size[1] - wanted[1]) // 2))
    return sheet


def _pixels(colours: NDArray[Any]) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(np.rint(255 * colours.clip(0, 1)), np.uint8))


def _word(words: Sequence[str], i: int) -> str:
    return words[i] if 0 <= i < len(words) else str(i)


def sentence(words: Sequence[str], tokens: Sequence[int]) -> str:
    """The words up to the end of the text, without padding."""
    text = [_word(words, i) for i in tokens]
    end = text.index(END) if END in text else len(text)
    return " ".join(word for word in text[:end] if word != PAD)


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if not lines[-1] or font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return [_cut(line, font, width) for line in lines]


def _cut(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """The text, or as much of its beginning as there is room for."""
    text = _plain(text)[:500]
    if font.getlength(text) <= width:
        return text
    sizes = range(len(text) + 1)
    fits = bisect_right(sizes, width, key=lambda n: font.getlength(f"{text[:n]}…"))
    return f"{text[: max(fits - 1, 0)]}…"


def _plain(text: str) -> str:
    """Without control characters."""
    return "".join(" " if unicodedata.category(c)[0] == "C" else c for c in text)


@lru_cache
def _font(height: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The typeface that comes with matplotlib: the same on every machine."""
    file = f"DejaVuSans{'-Bold' if bold else ''}.ttf"
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / file
    return ImageFont.truetype(str(path), height * SCALE, layout_engine=ImageFont.Layout.BASIC)
