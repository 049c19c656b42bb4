"""The command `figure`. Heavy packages are imported where they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import click

from mmbench.cli.arguments import options, parsing
from mmbench.cli.arguments.options import decorated
from mmbench.cli.leaderboard import existing

if TYPE_CHECKING:
    from mmbench.leaderboard.figures.output import Drawn
    from mmbench.leaderboard.figures.training import Courses


class _Figures(parsing.Lazy):
    """The figures that are drawn from samples, beside those of records."""

    places: ClassVar[dict[str, str]] = {"grid": "mmbench.cli.grid:grid"}


@click.group(cls=_Figures)
def figure() -> None:
    """Draw a figure of results, .png or .svg; its numbers go to a .csv beside it."""


_DATASET = click.option(
    "--dataset", metavar="NAME", help="The data set.  [default: the only one with records]"
)
MODELS = options.several(
    "--model", "models", metavar="NAME", help="A model; may be repeated.  [default: all]"
)
WHERE = options.several(
    "--where",
    "settings",
    metavar="KEY=VALUE",
    help="Only records whose protocol has this value, e.g. model.d=0.3; may be repeated.",
)
_METRICS = options.several(
    "--metric", "metrics", metavar="NAME", help="A metric; may be repeated."
)
_EACH = click.option(
    "--each/--mean", default=None, help="A panel for each target, or the mean over targets."
)
_LOG = click.option(
    "--log", is_flag=True, help="Logarithmic axes for metrics that are better lower."
)
_PUBLISHED = click.option(
    "--published", is_flag=True, help="Add the papers' numbers, as open markers."
)


@figure.command()
@decorated(
    options.folders, _DATASET, MODELS, WHERE, _METRICS, _EACH, _LOG, _PUBLISHED, options.picture
)
@click.pass_context
def inputs(
    context: click.Context,
    folders: tuple[Path, ...],
    dataset: str | None,
    models: tuple[str, ...],
    settings: tuple[str, ...],
    metrics: tuple[str, ...],
    each: bool | None,
    log: bool,
    published: bool,
    out: Path,
) -> None:
    """Draw metrics against the number of given modalities.

    By default coherence and quality, as in figures 2 and 9 of the MLD paper; with --each, as in
    its figures 18 and 19.

    \b
    Examples:
      mmbench figure inputs --dataset polymnist-mini --out inputs.svg
      mmbench figure inputs --dataset polymnist --published --each --out figure18.png
    """
    from mmbench.leaderboard.figures import selection
    from mmbench.leaderboard.figures.inputs import inputs as draw
    from mmbench.leaderboard.papers.layouts import COHERENCE, QUALITY

    places = existing(context, folders) if published else folders
    found, left_out = selection.estimates(places, dataset, models, settings, published)
    usual = [found.usual(COHERENCE), found.usual(QUALITY)]
    wanted = selection.metrics(found, metrics) or [m for m in usual if m] or found.metrics()[:2]
    drawn = draw(found, wanted, selection.targets(found, wanted, each), log)
    _show(drawn, left_out + found.remarks, out)


@figure.command()
@decorated(options.folders, _DATASET, MODELS, WHERE)
@click.option(
    "--coherence", metavar="NAME", help="The vertical axis.  [default: coherence, CLIP-S or F1]"
)
@click.option("--quality", metavar="NAME", help="The horizontal axis.  [default: FID, FMD or FAD]")
@decorated(_EACH, _LOG, _PUBLISHED, options.picture)
@click.pass_context
def plane(
    context: click.Context,
    folders: tuple[Path, ...],
    dataset: str | None,
    models: tuple[str, ...],
    settings: tuple[str, ...],
    coherence: str | None,
    quality: str | None,
    each: bool | None,
    log: bool,
    published: bool,
    out: Path,
) -> None:
    """Draw coherence against quality: each model, joint and conditional.

    \b
    Example:
      mmbench figure plane --dataset polymnist-mini --out plane.svg
    """
    from mmbench.leaderboard.figures import selection
    from mmbench.leaderboard.figures.plane import plane as draw
    from mmbench.leaderboard.papers.layouts import COHERENCE, QUALITY

    places = existing(context, folders) if published else folders
    found, left_out = selection.estimates(places, dataset, models, settings, published)
    selection.metrics(found, [m for m in (coherence, quality) if m])
    known = ", ".join(found.metrics())
    if not known:
        raise LookupError(f"no record of {found.dataset} has a score")
    up, across = coherence or found.usual(COHERENCE), quality or found.usual(QUALITY)
    for option, metric in (("coherence", up), ("quality", across)):
        if metric is None:
            missing = f"no record of {found.dataset} has a usual metric of {option}"
            raise LookupError(f"{missing}; give --{option} one of {known}")
    assert up is not None and across is not None  # for the type checker
    if up == across:
        raise ValueError(f"--coherence and --quality are both {up!r}, expected two metrics")
    drawn = draw(found, up, across, selection.targets(found, [across], each), log)
    _show(drawn, left_out + found.remarks, out)


@figure.command()
@decorated(options.folders, _DATASET, MODELS, WHERE)
@click.option(
    "--parameter", required=True, metavar="KEY", help="The value of the protocol, e.g. model.d."
)
@decorated(_METRICS, _EACH, options.picture)
def ablation(
    folders: tuple[Path, ...],
    dataset: str | None,
    models: tuple[str, ...],
    settings: tuple[str, ...],
    parameter: str,
    metrics: tuple[str, ...],
    each: bool | None,
    out: Path,
) -> None:
    """Draw metrics against a value of the protocol, from records that differ in nothing else.

    With model.d, this is figure 11 of the MLD paper.

    \b
    Examples:
      mmbench figure ablation --dataset mnist-svhn-mini --model mld --parameter model.d --out d.svg
      mmbench figure ablation --parameter evaluation.sampler.steps --where model.d=0.3 --out s.png
    """
    from mmbench.leaderboard.figures import selection, sweeps

    name, records = selection.records(folders, dataset, models, settings)
    panels = selection.panels(name, records, metrics, each)
    drawn, remarks = sweeps.ablation(name, records, parameter, *panels)
    _show(drawn, remarks, out)


@figure.command()
@decorated(options.folders, _DATASET, MODELS, WHERE, _METRICS, _EACH, options.picture)
def cost(
    folders: tuple[Path, ...],
    dataset: str | None,
    models: tuple[str, ...],
    settings: tuple[str, ...],
    metrics: tuple[str, ...],
    each: bool | None,
    out: Path,
) -> None:
    """Draw one model's metrics against network evaluations a sample, over samplers.

    \b
    Example:
      mmbench figure cost --dataset mhd-mini --model mld --out samplers.svg
    """
    from mmbench.leaderboard.figures import selection, sweeps

    name, records = selection.records(folders, dataset, models, settings)
    panels = selection.panels(name, records, metrics, each)
    drawn, remarks = sweeps.cost(name, records, *panels)
    _show(drawn, remarks, out)


@figure.command()
@decorated(options.folders)
@click.option("--dataset", metavar="NAME", help="The data set.  [default: the only one with runs]")
@decorated(MODELS)
@options.number("--seed", "seeds", multiple=True, metavar="N", help="A seed; may be repeated.")
@decorated(options.picture)
def training(
    folders: tuple[Path, ...],
    dataset: str | None,
    models: tuple[str, ...],
    seeds: tuple[int, ...],
    out: Path,
) -> None:
    """Draw the loss of each training stage against its steps, also of runs still in training.

    \b
    Example:
      mmbench figure training --dataset mhd-mini --model mld --out training.svg
    """
    from mmbench.leaderboard.figures import training as figures

    _show(figures.training(*figures.courses(folders, dataset, models, seeds)), [], out)


def _show(drawn: Drawn | Courses, remarks: Sequence[str], out: Path) -> None:
    """Writes a figure and its numbers, and prints them."""
    from mmbench.text import plain

    drawn.save(out)
    click.echo(drawn.table())
    for remark in remarks:
        click.echo(plain(remark), err=True)
    click.echo(f"wrote {out} and {out.with_suffix('.csv').name}")
