"""How figures look: a colour and a marker for each model, panels, labels, files.

The same model has the same look in every figure. Colours are those of M. Okabe and K. Ito, "Color
Universal Design", 2008, https://jfly.uni-koeln.de/color/, and of P. Tol, "Colour schemes", 2021,
https://personal.sron.nl/~pault/, which the colour-blind tell apart; markers tell models apart in
black and white.
"""

from __future__ import annotations

import hashlib
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mmbench.files.atomic import replacing
from mmbench.leaderboard import facts
from mmbench.leaderboard.figures.estimates import Estimate
from mmbench.leaderboard.rows import Mean, Row
from mmbench.leaderboard.tables.columns import MEAN
from mmbench.leaderboard.tables.notes import by_row, numbers, scales
from mmbench.leaderboard.tables.table import runs_of, seeds
from mmbench.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg")

LOOKS = {
    "mld": ("#0072B2", "o"),
    "mld-inpaint": ("#000000", "<"),
    "mld-uni": ("#882255", ">"),
    "mld-star": ("#332288", "*"),
    "mvae": ("#E69F00", "s"),
    "mmvae": ("#117733", "^"),
    "mmvae-elbo": ("#009E73", "^"),
    "mmvae-plus": ("#56B4E9", "X"),
    "mopoe": ("#CC79A7", "D"),
    "mopoe-star": ("#AA4499", "D"),
    "nexus": ("#999933", "v"),
    "mvtcae": ("#D55E00", "P"),
    "diff-mvae": ("#44AA99", "h"),
    "diff-mvae-star": ("#661100", "H"),
    "sbm-vae": ("#888888", "d"),
    "sbm-vae-c": ("#555555", "p"),
    "supervised": ("#BBBBBB", "8"),
}
"""Model -> colour, marker."""

COLOURS = (
    "#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9 #332288 #882255 #999933 #000000"
).split()
MARKERS = "osD^vP<>Xh"
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
FILLS: tuple[Literal["full", "left", "top", "right"], ...] = ("full", "left", "top", "right")
"""Lines and markers of several rows of one model, in their order."""
PRINTED = (0, (3, 2.5))
"""The line of published values."""

STYLE: dict[str, Any] = {
    "text.parse_math": False,  # in names, which may be untrusted, "$" and "_" are letters
    "svg.hashsalt": "mmbench",
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e6ea",
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.5,
    "lines.markersize": 5,
    "errorbar.capsize": 2,
    "savefig.facecolor": "white",
}
VERSIONS = {"version": "model_version", "data version": "dataset_version"}
"""What tells rows of one label apart -> where records have it."""
FAINT = "#5a6472"
ACROSS = 3
"""Panels in a row, where nothing says which belong in one."""
LONGEST = 36
"""Characters of a name that are shown."""


@contextmanager
def style() -> Iterator[None]:
    """Within it, figures look alike whatever the user's settings are."""
    import matplotlib.style

    with matplotlib.style.context(["default", STYLE]):
        yield


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG or SVG, whole or not at all.

    Raises:
        ValueError: The path ends in something else.
        OSError: The file cannot be written.
    """
    check_format(path)
    metadata = {"Date": None, "Creator": None} if path.suffix == ".svg" else {"Software": None}
    with replacing(path) as part, style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # drawn as a box
        figure.savefig(part, format=path.suffix[1:], dpi=200, metadata=metadata)


def check_format(path: Path) -> None:
    """Raises ValueError for a path that does not end in .png or .svg."""
    if path.suffix not in FORMATS:
        raise ValueError(f"--out {path} ends in {path.suffix!r}, expected {' or '.join(FORMATS)}")


def looks(models: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The colour and the marker of each of some models.

    Those of `LOOKS` look the same in every figure. Others do on every machine; where one
    would look like another model, it has the next colour and the next marker that are free.
    """
    models = set(models)
    found = {m: LOOKS[m] for m in models & LOOKS.keys()}
    for model in sorted(models - LOOKS.keys()):
        number = int(hashlib.sha256(model.encode("utf-8", "replace")).hexdigest()[:8], 16)
        own = {m: of for m, of in found.items() if m not in LOOKS}
        found[model] = (
            _free(COLOURS, number, [{c for c, _ in of.values()} for of in (found, own)]),
            _free(
                MARKERS,
                number // len(COLOURS),
                [{m for _, m in of.values()} for of in (found, own)],
            ),
        )
    return found


def _free(among: Sequence[str], start: int, used: Iterable[set[str]]) -> str:
    """The first from a place on that is not used: if all are, not by the next set of users."""
    turned = [among[(start + i) % len(among)] for i in range(len(among))]
    left = ([x for x in turned if x not in by] for by in used)
    return next(filter(None, left), turned)[0]


def turns(estimates: Iterable[Estimate]) -> dict[Row, int]:
    """Which row of its model each measured row is, from 0: they share a colour."""
    seen: dict[str, int] = {}
    found: dict[Row, int] = {}
    for e in estimates:
        if e.row not in found and not e.published:
            found[e.row] = seen.get(e.row.model, 0)
            seen[e.row.model] = found[e.row] + 1
    return found


def versions(among: Iterable[Row]) -> dict[Row, str]:
    """What is appended to each row's label: "", or the versions in which rows of it differ."""
    rows = list(dict.fromkeys(among))
    found = {}
    for row in rows:
        alike = runs_of(other for other in rows if other.label == row.label)
        told = [
            f"{what} {getattr(r, of)}"
            for r in row.records[:1]
            for what, of in VERSIONS.items()
            if len({getattr(other, of) for other in alike}) > 1
        ]
        found[row] = f" ({', '.join(told)})" if told else ""
    return found


def label(metric: str, shown: Iterable[Estimate]) -> str:
    """What an axis says of a metric: its title, unit and better direction.

    What is shown, by the records behind it, tells them of a metric that is not registered.
    """
    runs = runs_of(e.row for e in shown)
    in_unit = f" ({short(unit)})" if (unit := facts.unit(metric, runs)) else ""
    return short(facts.title(metric, runs)) + in_unit + facts.arrow(metric, runs)


def logarithmic(axes: Axes, which: Literal["x", "y"]) -> None:
    """Makes an axis logarithmic, with plain numbers on it."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 30 * low else (1, 3)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.6g}"))


def short(name: str) -> str:
    """A name as figures show it: no control characters, not longer than there is room."""
    name = plain(name)
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def panels(
    metrics: Sequence[str], targets: Sequence[str], filled: Iterable[tuple[str, str]]
) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """A figure with a panel for each metric and target, named where there are several.

    With one target, the metrics stand beside each other, three in a row; with several, each metric
    has a row and each target a column. The place of a pair that is not `filled` stays empty.
    """
    from matplotlib.figure import Figure as Canvas

    filled = set(filled)
    if len(targets) == 1:
        places = [(m, targets[0]) for m in metrics if (m, targets[0]) in filled]
        columns = 2 if len(places) == 4 else min(len(places), ACROSS)
    else:
        metrics = [m for m in metrics if any((m, t) in filled for t in targets)]
        targets = [t for t in targets if any((m, t) in filled for m in metrics)]
        places = [(m, t) for m in metrics for t in targets]
        columns = len(targets)
    rows = -(-len(places) // columns)
    figure = Canvas(figsize=(max(3.2 * columns, 4.6), 2.6 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flat
    found = {}
    for axes, place in zip_longest(grid, places):
        if place not in filled:
            axes.set_axis_off()
            continue
        found[place] = axes
        if place[1] != MEAN:
            axes.set_title(short(place[1]))
    return figure, found


def level(found: Mapping[tuple[str, str], Axes], shown: Iterable[Estimate]) -> None:
    """Gives panels of one metric the same scale upwards, where that is a percentage."""
    runs = runs_of(e.row for e in shown)
    for metric in dict.fromkeys(m for m, _ in found):
        same = [axes for (m, _), axes in found.items() if m == metric]
        if facts.unit(metric, runs) == "%":
            low = min(axes.get_ylim()[0] for axes in same)
            high = max(axes.get_ylim()[1] for axes in same)
            room = 0.03 * (high - low)  # for markers at an end
            for axes in same:
                axes.set_ylim(low - room, high + room)


def finish(figure: Figure, title: str, entries: Iterable[tuple[Any, str]], note: str) -> None:
    """Adds a title and, below the panels, a legend and a note.

    Args:
        figure: The panels.
        title: What the figure shows.
        entries: (artist, meaning) for the legend; the same meaning counts once.
        note: How the numbers came about.
    """
    found: dict[str, Any] = {}
    for artist, text in entries:
        found.setdefault(text, artist)
    width, height = figure.get_size_inches()
    widest = 0.62 + 0.068 * max((len(short(text)) for text in found), default=0)  # inches
    rows = -(-len(found) // max(1, min(len(found), int(width / widest))))
    lines = textwrap.wrap(note, int(19 * width), max_lines=6, placeholder=" …")
    foot = 0.06 + 0.115 * len(lines)
    below = foot + 0.08 + 0.19 * rows
    total = height + below
    figure.set_size_inches(width, total)
    rect = (0, below / total, 1, 1 - below / total)
    figure.set_layout_engine("constrained", rect=rect, wspace=0.04)
    figure.suptitle(title, fontsize=10, fontweight="bold")
    letters: dict[str, Any] = {"fontsize": 6.5, "color": FAINT, "linespacing": 1.2}
    figure.text(0.5, 0.04 / total, "\n".join(lines), ha="center", va="bottom", **letters)
    # A text that begins with "_" would be left out: the texts come afterwards.
    legend = figure.legend(
        list(found.values()),
        ["x"] * len(found),
        loc="lower center",
        ncols=-(-len(found) // rows),
        bbox_to_anchor=(0.5, foot / total),
        handlelength=3.4,
        columnspacing=1.4,
        borderpad=0.2,
    )
    legend.set_in_layout(False)
    for entry, words in zip(legend.get_texts(), found, strict=True):
        entry.set_text(short(words))


def note(shown: Sequence[Estimate], spread: str) -> str:
    """How estimates came about, in a few words; `spread` shows the deviation, e.g. "Bands"."""
    measured = [e for e in shown if not e.published]
    parts = []
    if any(e.std is not None for e in shown):
        parts.append(f"{spread}: ± sample standard deviation over seeds")
    each = lambda of: " and ".join(map(seeds, sorted({m.seeds for m in of})))
    parts.append(_told(measured, each))
    if samples := _told(measured, lambda of: numbers(n for m in of for n in m.n)):
        parts.append(f"N = {samples}")
    if any(e.scores > 1 for e in shown):
        mean = any(e.target == MEAN and e.scores > 1 for e in shown)
        parts.append(f"means over {'targets and ' if mean else ''}given subsets")
    for metric in dict.fromkeys(e.metric for e in shown):
        parts += scales(metric, (e.terms for e in shown if e.metric == metric))
    tables: dict[str, set[int]] = {}  # paper -> the numbers of its tables
    for p in (p for e in shown for p in e.printed):
        tables.setdefault(p.source.removesuffix(f", table {p.table}"), set()).add(p.table)
    for paper, of in sorted(tables.items()):
        which = ", ".join(map(str, sorted(of)))
        parts.append(f"open markers: published, {paper}, table{'s'[: len(of) - 1]} {which}")
    return plain("; ".join(filter(None, parts))) + "."


def _told(measured: Sequence[Estimate], words: Callable[[list[Mean]], str]) -> str:
    """What is said of means: by metric, or by row where rows of one metric differ."""
    means: dict[tuple[Row, str], list[Mean]] = {}
    for e in measured:
        means.setdefault((e.row, e.metric), []).append(e.mean)
    said = {place: words(of) for place, of in means.items()}
    of_row: dict[Row, set[str]] = {}
    for (row, _), text in said.items():
        of_row.setdefault(row, set()).add(text)
    alike = len({(m, text) for (_, m), text in said.items()}) == len({m for _, m in said})
    runs, apart = runs_of(of_row), versions(of_row)

    def name(row: Row, metric: str) -> str:
        title, called = short(facts.title(metric, runs)), short(row.label + apart[row])
        if alike:
            return title
        return called if len(of_row[row]) == 1 else f"{title} of {called}"

    return by_row(dict.fromkeys((name(*place), text) for place, text in said.items()))
