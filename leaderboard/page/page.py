"""The leaderboard as one page: `index.html`, and beside it only the pictures of samples.

The charts are drawn by D3 (ISC, 0.28 MB, unchanged as published): SVG without eval, whose every
point a keyboard and a screen reader reach, a style sheet colours for light and dark, and beside
which its name finds room. Observable Plot (0.2 MB more) places no names, Chart.js and uPlot paint
on a canvas, Vega-Lite needs eval or an interpreter, and Plotly four times the space.

Nothing comes over the network. The page's policy (a Content-Security-Policy in the page itself)
admits no script, style or picture but its own, each script and style by its hash, so that a name
from an untrusted record could do nothing even if it were taken for HTML.
"""

import base64
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from mmbench.files.atomic import write_text
from mmbench.leaderboard.page import pictures as grids
from mmbench.leaderboard.page.data import page_data
from mmbench.leaderboard.submissions.collection import merged
from mmbench.records.paths import Place

SCRIPTS = (
    "dom.js",
    "choice.js",
    "models.js",
    "tables.js",
    "summary.js",
    "charts.js",
    "samples.js",
    "claims.js",
    "page.js",
)
"""Joined to one module, in this order."""

LIBRARIES = ("d3",)


def write_site(
    folders: Sequence[Path], out: Path, records_url: str | None = None
) -> tuple[Path, list[str]]:
    """Writes the page of some results folders.

    Args:
        folders: Their records are merged.
        out: Gets `index.html`, and `grids/*.png` where pictures lie beside records.
        records_url: Where the records will be found; by default where they lie, seen from `out`.

    Returns:
        The page, and a sentence for each picture that cannot be shown.

    Raises:
        FileNotFoundError: A folder is missing, or holds no record.
        ValueError: A record is damaged, two differ that are of one run, or `records_url` is no
            address.
        OSError: `out` cannot be written to.
    """
    records = merged(folders)
    known = {Place.of(r).record for r in records}
    # A record's names choose no file: only files that were found in the folders are looked up.
    found: dict[Path, list[Path]] = {}
    for folder in folders:
        for path in folder.glob("*/*/*.json"):
            if (where := path.relative_to(folder)) in known:
                found.setdefault(where, []).append(path)
    links = {where: _link(where, paths[0], out, records_url) for where, paths in found.items()}
    pictures, faults = {}, []
    for where, paths in sorted(found.items()):
        beside = (path.with_suffix(".png") for path in paths)
        if picture := next((path for path in beside if path.exists()), None):
            try:
                pictures[where] = grids.read(picture)
            except ValueError as error:
                faults.append(str(error))
    for grid in pictures.values():
        grids.write(grid, out / "grids")
    page = out / "index.html"
    write_text(page, html(page_data(records, links, pictures)))
    return page, faults


def html(data: Mapping[str, Any]) -> str:
    """The page of `mmbench.leaderboard.page.data.page_data`."""
    style = _template("page.css")
    scripts = [
        f"/*! {_template(f'vendor/{name}.LICENSE')}*/\n{_template(f'vendor/{name}.min.js')}"
        for name in LIBRARIES
    ]
    module = "\n".join(map(_template, SCRIPTS))
    policy = [
        "default-src 'none'",
        f"script-src {' '.join(map(_hash, [*scripts, module]))}",
        f"style-src {_hash(style)}",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    parts = {
        "policy": "; ".join(policy),
        "style": style,
        "data": embedded(data),
        "libraries": "\n".join(f"<script>{text}</script>" for text in scripts),
        "module": module,
    }
    before, *rest = _template("page.html").split("{{")
    filled = [before]
    for piece in rest:
        name, _, after = piece.partition("}}")
        filled += [parts[name], after]
    return "".join(filled)


def embedded(data: Mapping[str, Any]) -> str:
    """JSON that stands in a script element and cannot end it: in ASCII, without < > and &."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for c in "<>&":
        text = text.replace(c, f"\\u{ord(c):04x}")
    return text


def _template(name: str) -> str:
    return files(__package__).joinpath("templates", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a policy names the text of an element."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _link(where: Path, path: Path, out: Path, records_url: str | None) -> str:
    if records_url is None:
        return quote(os.fsencode(Path(os.path.relpath(path, out)).as_posix()))
    if urlsplit(records_url).scheme not in ("", "http", "https"):
        wrong = f"{records_url!r} is no place for records"
        raise ValueError(f"{wrong}, expected an http(s) address or a path")
    return f"{records_url.rstrip('/')}/{quote(os.fsencode(where))}"
