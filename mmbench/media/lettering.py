"""Words in pictures: the typeface, and how texts are made to fit."""

from bisect import bisect_right
from functools import lru_cache
from pathlib import Path

import matplotlib
from PIL import ImageFont

from mmbench.text import plain

SCALE = 2
"""Pixels for each unit of length, so that print is sharp."""


def wrap(text: str, face: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """The text in lines of at most that width in pixels; a longer word is cut."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if not lines[-1] or face.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return [cut(line, face, width) for line in lines]


def cut(text: str, face: ImageFont.FreeTypeFont, width: float) -> str:
    """The text, or as much of its beginning as fits that width in pixels."""
    text = plain(text)[:500]
    if face.getlength(text) <= width:
        return text
    sizes = range(len(text) + 1)
    fits = bisect_right(sizes, width, key=lambda n: face.getlength(f"{text[:n]}…"))
    return f"{text[: max(fits - 1, 0)]}…"


@lru_cache
def font(height: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Matplotlib's own typeface, the same on every machine; its height is in SCALE pixels."""
    file = f"DejaVuSans{'-Bold' if bold else ''}.ttf"
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / file
    return ImageFont.truetype(str(path), height * SCALE, layout_engine=ImageFont.Layout.BASIC)
