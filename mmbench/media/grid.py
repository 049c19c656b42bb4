"""Pictures of samples: for each subset of given modalities, what was given and what was drawn."""

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from mmbench.core.data import Dataset, Modality
from mmbench.core.score import JOINT, Generated
from mmbench.files.atomic import replacing
from mmbench.media import PANELS
from mmbench.media.lettering import SCALE, cut, font
from mmbench.media.pictures import INK, PAPER, draw
from mmbench.text import plain

# Lengths are in units of SCALE pixels.
TILE, SMALL_TILE = 56, 36  # side of a sample; the smaller from FEW panels on
FEW = 9
GAP, MARGIN = 3, 14  # between samples; around panels
TITLE, LABEL = 11, 9  # heights of type
TALL = 1.6  # height of a text over its width
BAND, FRAME, FAINT = "#e9eef5", "#c9ced6", "#5a6472"


def sample_grid(
    path: Path, dataset: Dataset, shown: Sequence[Generated], examples: int = 8
) -> None:
    """Writes one PNG with a panel for each subset of given modalities.

    The PNG's text chunk "mmbench:panels" says where the panels lie: a JSON list of
    {"given": [modality, ...], "box": [left, top, width, height]}, in pixels.

    A panel has a column for each of the first `examples` samples. The given modalities of the test
    examples are shown at the top, on a tinted ground, and below them what was generated from them.
    A target that was itself given is a reconstruction.

    Raises:
        ValueError: There is nothing to show, or the data set lacks one of the modalities.
        OSError: The file cannot be written.
    """
    if not shown or examples < 1:
        raise ValueError(f"there is nothing to draw: {len(shown)} subsets, {examples} examples")
    names = [m.name for m in dataset.modalities]
    for one in shown:
        for wrong in {*one.given, *one.samples} - set(names):
            raise ValueError(f"{dataset.name} has no modality {wrong!r}, only {', '.join(names)}")
    tile = (TILE if len(shown) < FEW else SMALL_TILE) * SCALE
    panels = []
    for one in shown:
        heading = f"given: {', '.join(one.given)}" if one.given else JOINT
        panels.append(_panel(dataset, one, examples, tile, heading))
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
        heading = f"{dataset.name}, test: {', '.join(map(str, rows.tolist()))}"
        real = Generated((), dataset.test.batch(rows), rows)
        panels.append(_panel(dataset, real, columns, TILE * SCALE, heading))
    write(path, panels, 1)


def spread(n: int, count: int) -> Tensor:
    """`count` numbers from 0 to n - 1, one of each of as many stretches of equal length.

    Neighbouring examples may share a picture, and classes may follow one another in turn, so the
    number that is taken moves on by one from stretch to stretch.
    """
    which, count = torch.arange(min(count, n)), max(min(count, n), 1)
    return which * n // count + which % (n // count or 1)


def write(
    path: Path, panels: Sequence[Image.Image], across: int, given: Sequence[tuple[str, ...]] = ()
) -> None:
    """Writes panels, `across` of them in a row, as one PNG, or as SVG if the path ends in .svg.

    Args:
        path: The file to write.
        panels: At least one.
        across: Number of panels in a row.
        given: The modalities given in each panel; a PNG then says where the panels lie, as in
            `sample_grid`.

    Raises:
        OSError: The file cannot be written.
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
    """A row of samples."""

    modality: Modality  # the modality that they are samples of
    label: str  # the text in front of them
    values: Tensor  # (N, *modality.shape)
    given: bool = False  # whether they were given rather than drawn
    apart: bool = False  # whether it is set apart from the row above


def _panel(
    dataset: Dataset, one: Generated, examples: int, tile: int, heading: str
) -> Image.Image:
    """A title, then a row of samples for each modality given and each one generated."""
    kinds = {m.name: m for m in dataset.modalities}
    given = dataset.test.batch(one.rows[:examples], [m for m in kinds if m in one.given])
    fresh = [m for m in kinds if m in one.samples and m not in one.given]
    again = [m for m in kinds if m in one.samples and m in one.given]
    strips = [
        *(Strip(kinds[m], m, x, given=True) for m, x in given.items()),
        *(Strip(kinds[m], m, one.samples[m]) for m in fresh),
        *(Strip(kinds[m], f"{m} (rec.)", one.samples[m]) for m in again),
    ]
    # All panels of a page have equally wide labels, whatever they show.
    longest = max(width(f"{m[:99]} (rec.)") for m in kinds)
    return panel(strips, examples, tile, heading, min(longest, 2 * TILE * SCALE))


def panel(
    strips: Sequence[Strip], examples: int, tile: int, heading: str, room: int
) -> Image.Image:
    """Rows of samples below a title; those that were given come first, on a tinted ground.

    Args:
        strips: The rows.
        examples: Number of columns.
        tile: Width of a sample, in pixels.
        heading: The title.
        room: Width of the labels and of the gap between them and the samples, in pixels.

    Raises:
        ValueError: A sample does not have the shape that its modality declares.
    """
    gap, title, face = GAP * SCALE, font(TITLE, bold=True), font(LABEL)
    tall = ("text", "attributes")
    heights = [round(tile * (TALL if s.modality.kind in tall else 1)) for s in strips]
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
    """Pixels that a label and the gap between it and the samples take."""
    return round(font(LABEL).getlength(plain(label))) + 4 * GAP * SCALE
