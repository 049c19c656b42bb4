"""Pictures of samples: for each subset of given modalities, what was given and what was drawn."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from mmbench.core.data import Dataset, Modality
from mmbench.core.score import JOINT, Generated
from mmbench.files.atomic import replacing
from mmbench.media.lettering import SCALE, cut, font, plain, wrap

# Lengths are in units of SCALE pixels.
TILE, SMALL_TILE = 56, 36  # side of a sample; the smaller from FEW panels on
FEW = 9
GAP, MARGIN = 3, 14  # between samples; around panels
TITLE, LABEL = 11, 9  # heights of type
TALL = 1.6  # height of a text over its width
SUPERSAMPLING = 4  # of strokes
END, PAD = "<eos>", "<pad>"  # words of a text that are not shown
PANELS = "mmbench:panels"  # the keyword of a PNG's text that says where its panels lie
PAPER, BAND, FRAME, INK, FAINT = "#ffffff", "#e9eef5", "#c9ced6", "#16191d", "#5a6472"


def sample_grid(
    path: Path,
    dataset: Dataset,
    shown: Sequence[Generated],
    examples: int = 8,
) -> None:
    """Writes one PNG with a panel for each subset of given modalities.

    Its text "mmbench:panels" says where they lie: a JSON list of
    {"given": [modality, ...], "box": [left, top, width, height]}, in pixels.

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
    headings = [f"given: {', '.join(one.given)}" if one.given else JOINT for one in shown]
    panels = [
        _panel(dataset, one, examples, tile, heading)
        for one, heading in zip(shown, headings, strict=True)
    ]
    across = 1 if len(panels) == 1 else 2 if len(panels) < FEW else 4
    write(path, panels, across, [one.given for one in shown])


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
    write(path, panels, 1)


def spread(n: int, count: int) -> Tensor:
    """So many of the numbers 0 to n - 1, evenly spaced: neighbours may share a picture."""
    return torch.arange(min(count, n)) * n // max(min(count, n), 1)


def write(
    path: Path,
    panels: Sequence[Image.Image],
    across: int,
    given: Sequence[tuple[str, ...]] = (),
) -> None:
    """Writes panels, so many beside each other, as one PNG; as SVG if the path ends in that.

    With what was `given` in each panel, a PNG says where they lie.
    """
    lines = [panels[i : i + across] for i in range(0, len(panels), across)]
    margin = MARGIN * SCALE
    width = max(p.width for p in panels)
    height = sum(max(p.height for p in line) + margin for line in lines) + margin
    page = Image.new("RGB", (min(across, len(panels)) * (width + margin) + margin, height), PAPER)
    y, boxes = margin, []
    for line in lines:
        for i, panel in enumerate(line):
            x = margin + i * (width + margin)
            page.paste(panel, (x, y))
            boxes.append((x, y, *panel.size))
        y += max(p.height for p in line) + margin
    text = PngInfo()
    if given:
        named = [{"given": g, "box": box} for g, box in zip(given, boxes, strict=True)]
        text.add_text(PANELS, json.dumps(named))
    with replacing(path) as part:
        if path.suffix == ".svg":
            part.write_text(_svg(page), encoding="utf-8")
        else:
            page.save(part, format="PNG", pnginfo=text)


def _svg(page: Image.Image) -> str:
    """An SVG that is nothing but a picture."""
    file = io.BytesIO()
    page.save(file, format="PNG")
    data = base64.b64encode(file.getvalue()).decode()
    size = f'width="{page.width}" height="{page.height}"'
    image = f'<image {size} href="data:image/png;base64,{data}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{image}</svg>\n'


@dataclass(frozen=True)
class Strip:
    """A row of samples.

    Attributes:
        modality: What they are of.
        label: What stands before them.
        values: (N, *modality.shape).
        given: Whether they were given rather than drawn.
        apart: Whether it is set apart from the row above.
    """

    modality: Modality
    label: str
    values: Tensor
    given: bool = False
    apart: bool = False


def _panel(
    dataset: Dataset, one: Generated, examples: int, tile: int, heading: str
) -> Image.Image:
    """A title, then a row of samples for each modality given and each one generated."""
    order = [m.name for m in dataset.modalities]
    kinds = {m.name: m for m in dataset.modalities}
    given = dataset.test.batch(one.rows[:examples], [m for m in order if m in one.given])
    fresh = [m for m in order if m in one.samples and m not in one.given]
    again = [m for m in order if m in one.samples and m in one.given]
    strips = [
        *(Strip(kinds[m], m, x, given=True) for m, x in given.items()),
        *(Strip(kinds[m], m, one.samples[m]) for m in fresh),
        *(Strip(kinds[m], f"{m} (rec.)", one.samples[m]) for m in again),
    ]
    # All panels of a page have equally wide labels, whatever they show.
    longest = max(width(f"{m[:99]} (rec.)") for m in order)
    return panel(strips, examples, tile, heading, min(longest, 2 * TILE * SCALE))


def panel(
    strips: Sequence[Strip], examples: int, tile: int, heading: str, room: int
) -> Image.Image:
    """Rows of samples below a title; those given come first, on a tinted ground.

    Args:
        strips: The rows.
        examples: Samples in each.
        tile: Their width in pixels.
        heading: The title.
        room: Pixels for the labels and what parts them from the samples.
    """
    gap, title, face = GAP * SCALE, font(TITLE, bold=True), font(LABEL)
    tall = [s.modality.kind in ("text", "attributes") for s in strips]
    heights = [round(tile * (TALL if worded else 1)) for worded in tall]
    top = round(1.7 * TITLE) * SCALE
    apart = gap * (2 + sum(s.apart for s in strips))
    high = top + sum(h + gap for h in heights) + apart
    sheet = Image.new("RGB", (room + examples * (tile + gap) + gap, high), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((gap, 0), cut(heading, title, sheet.width - 2 * gap), INK, title)
    y = top
    given = sum(s.given for s in strips)
    banded = sum(h + gap for h in heights[:given])
    if banded:
        pen.rectangle((0, y, sheet.width - 1, y + banded + gap - 1), BAND)
    for i, (strip, height) in enumerate(zip(strips, heights, strict=True)):
        if strip.apart or (banded and i == given):  # also what is generated from what was given
            y += gap
        y += gap
        label, colour = cut(strip.label, face, room - 3 * gap), FAINT if strip.given else INK
        pen.text((room - 2 * gap, y + height // 2), label, colour, face, anchor="rm")
        for column, x in enumerate(draw(strip.modality, strip.values[:examples], (tile, height))):
            left = room + column * (tile + gap)
            sheet.paste(x, (left, y))
            pen.rectangle((left, y, left + tile - 1, y + height - 1), outline=FRAME)
        y += height
    return sheet


def width(label: str) -> int:
    """Pixels that a label and what parts it from the samples take."""
    return round(font(LABEL).getlength(plain(label))) + 4 * GAP * SCALE


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
            lines = [attributes(modality.words, x.tolist()) or "none" for x in xs]
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
        face, step = font(height), round(1.2 * height * SCALE)
        wrapped = [wrap(plain(text), face, size[0] - 2 * edge) for text in texts]
        room = (size[1] - 2 * edge) // step
        if all(len(lines) <= room for lines in wrapped):
            break
    sheets = []
    for lines in wrapped:
        if len(lines) > room:
            last = cut(f"{lines[room - 1]} …", face, size[0] - 2 * edge)
            lines = [*lines[: room - 1], last]
        sheet = Image.new("RGB", size, PAPER)
        pen = ImageDraw.Draw(sheet)
        for i, line in enumerate(lines):
            pen.text((edge, edge + i * step), line, INK, face)
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


def attributes(words: Sequence[str], present: Sequence[float]) -> str:
    """The names of the attributes that are present, at least 1/2."""
    flat = np.ravel(present)
    return ", ".join(_word(words, i) for i in np.flatnonzero(flat >= 0.5).tolist())


def sentence(words: Sequence[str], tokens: Sequence[int]) -> str:
    """The words up to the end of the text, without padding."""
    text = [_word(words, i) for i in tokens]
    end = text.index(END) if END in text else len(text)
    return " ".join(word for word in text[:end] if word != PAD)
