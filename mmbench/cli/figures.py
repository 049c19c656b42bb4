"""The command `figure`. Heavy packages are imported where they are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from click.core import ParameterSource

from mmbench.cli import options

if TYPE_CHECKING:
    from mmbench.leaderboard.figures.output import Drawn

Command = TypeVar("Command", bound=Callable[..., None])


@click.group()
def figure() -> None:
    """Draws a figure of results, .png or .svg; its numbers lie beside it as .csv."""


dataset_ = click.option("--dataset", metavar="NAME",
                        help="The data set.  [default: the only one with records]")  # fmt: skip
models_ = click.option("--model", "models", multiple=True, metavar="NAME",
                       help="Only this model; may be repeated.")  # fmt: skip
where_ = click.option(
    "--where", "settings", multiple=True, metavar="KEY=VALUE",
    help="Only records whose protocol has this value, e.g. evaluation.sampler.steps=25; may be "
    "repeated.",
)  # fmt: skip
metrics_ = click.option("--metric", "metrics", multiple=True, metavar="NAME",
                        help="What to draw; may be repeated.")  # fmt: skip
each_ = click.option(
    "--each/--mean", "each", default=None,
    help="A panel for each target, or the mean over targets.  [default: as in tables, a panel for "
    "each of up to three modalities]",
)  # fmt: skip
log_ = click.option("--log", is_flag=True,
                    help="A logarithmic axis for metrics of which less is better.")  # fmt: skip
published_ = click.option(
    "--published", is_flag=True,
    help="Add what the papers print, as open markers; only of their own data sets, beside records "
    "under the shipped protocol.",
)  # fmt: skip
out_ = click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True,
                    metavar="FILE", help="The figure, .png or .svg.")  # fmt: skip


def decorated(*several: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Some options as one decorator, in their order."""

    def add(command: Command) -> Command:
        for option in reversed(several):
            command = option(command)
        return command

    return add


@figure.command()
@decorated(options.folders, dataset_, models_, where_, metrics_, each_, log_, published_, out_)
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
    """Metrics against the number of given modalities.

    By default coherence and quality: figures 2 and 9 of the MLD paper; with --each its figures 18
    and 19.

    \b
    Examples:
      mmbench figure inputs --dataset polymnist-mini --out inputs.svg
      mmbench figure inputs --dataset polymnist --published --each --out figure18.png
    """  # noqa: D301  (click's mark for "do not wrap" is the control character)
    from mmbench.leaderboard.figures import selection
    from mmbench.leaderboard.figures.estimates import COHERENCE, QUALITY
    from mmbench.leaderboard.figures.inputs import inputs as draw
    from mmbench.leaderboard.figures.style import check_format

    check_format(out)
    found, left_out = selection.estimates(
        _folders(context, folders, published), dataset, models, settings, published
    )
    usual = [found.usual(COHERENCE), found.usual(QUALITY)]
    wanted = selection.metrics(found, metrics) or [m for m in usual if m] or found.metrics()[:2]
    drawn = draw(found, wanted, selection.targets(found, wanted, each), log)
    _show(drawn, out, left_out + found.remarks)


@figure.command()
@decorated(options.folders, dataset_, models_, where_)
@click.option("--coherence", metavar="NAME", help="The metric upwards.  [default: coherence, "
              "CLIP-S or F1]")  # fmt: skip
@click.option("--quality", metavar="NAME", help="The metric to the right.  [default: FID, FMD or "
              "FAD]")  # fmt: skip
@decorated(each_, log_, published_, out_)
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
    """The plane of quality and coherence: each model jointly and conditionally.

    \b
    Example:
      mmbench figure plane --dataset polymnist-mini --out plane.svg
    """  # noqa: D301  (click's mark for "do not wrap" is the control character)
    from mmbench.leaderboard.figures import selection
    from mmbench.leaderboard.figures.estimates import COHERENCE, QUALITY
    from mmbench.leaderboard.figures.plane import plane as draw
    from mmbench.leaderboard.figures.style import check_format

    check_format(out)
    found, left_out = selection.estimates(
        _folders(context, folders, published), dataset, models, settings, published
    )
    selection.metrics(found, [m for m in (coherence, quality) if m])
    up, across = coherence or found.usual(COHERENCE), quality or found.usual(QUALITY)
    for name, metric in (("coherence", up), ("quality", across)):
        if metric is None and not found.metrics():
            raise LookupError(f"no record of {found.dataset} has a score")
        if metric is None:
            raise LookupError(f"no record of {found.dataset} has a usual metric of {name}; give "
                              f"--{name} one of {', '.join(found.metrics())}")  # fmt: skip
    assert up is not None and across is not None  # for the type checker
    if up == across:
        raise ValueError(f"--coherence and --quality are both {up!r}, expected two metrics")
    drawn = draw(found, up, across, selection.targets(found, [across], each), log)
    _show(drawn, out, left_out + found.remarks)


@figure.command()
@decorated(options.folders, dataset_, models_, where_)
@click.option("--parameter", required=True, metavar="KEY",
              help="A value of the resolved protocol that differs between records, e.g. model.d, "
              "evaluation.sampler.steps.")  # fmt: skip
@decorated(metrics_, each_, out_)
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
    """Metrics against a value of the protocol, from records that are equal but for it.

    With model.d, figure 11 of the MLD paper.

    \b
    Examples:
      mmbench figure ablation --dataset mnist-svhn-mini --model mld --parameter model.d --out d.svg
      mmbench figure ablation --parameter evaluation.sampler.steps --where model.d=0.3 --out s.png
    """  # noqa: D301  (click's mark for "do not wrap" is the control character)
    from mmbench.leaderboard.figures import selection
    from mmbench.leaderboard.figures.estimates import Estimates
    from mmbench.leaderboard.figures.style import check_format
    from mmbench.leaderboard.figures.sweeps import ablation as draw

    check_format(out)
    name, records = selection.records(folders, dataset, models, settings)
    found = Estimates(name, records)
    wanted = selection.metrics(found, metrics) or found.metrics()
    drawn, remarks = draw(name, records, parameter, wanted, selection.targets(found, wanted, each))
    _show(drawn, out, remarks)


@figure.command()
@decorated(options.folders, dataset_, models_, where_, metrics_, each_, out_)
def cost(
    folders: tuple[Path, ...],
    dataset: str | None,
    models: tuple[str, ...],
    settings: tuple[str, ...],
    metrics: tuple[str, ...],
    each: bool | None,
    out: Path,
) -> None:
    """Metrics of one model against the network evaluations of a sample, over samplers.

    \b
    Example:
      mmbench figure cost --dataset mhd-mini --model mld --out samplers.svg
    """  # noqa: D301  (click's mark for "do not wrap" is the control character)
    from mmbench.leaderboard.figures import selection
    from mmbench.leaderboard.figures.estimates import Estimates
    from mmbench.leaderboard.figures.style import check_format
    from mmbench.leaderboard.figures.sweeps import cost as draw

    check_format(out)
    name, records = selection.records(folders, dataset, models, settings)
    found = Estimates(name, records)
    wanted = selection.metrics(found, metrics) or found.metrics()
    drawn, remarks = draw(name, records, wanted, selection.targets(found, wanted, each))
    _show(drawn, out, remarks)


def _folders(
    context: click.Context, folders: tuple[Path, ...], published: bool
) -> tuple[Path, ...]:
    """The results folders; none where the default one is missing and that does no harm."""
    named = context.get_parameter_source("folders") is not ParameterSource.DEFAULT
    missing = not any(folder.is_dir() for folder in folders)
    return () if published and not named and missing else folders


def _show(drawn: Drawn, out: Path, remarks: Sequence[str]) -> None:
    """Writes a figure and its numbers, and prints them."""
    from mmbench.text import plain

    drawn.save(out)
    click.echo(drawn.table())
    for remark in remarks:
        click.echo(plain(remark), err=True)
    click.echo(f"wrote {out} and {out.with_suffix('.csv').name}")
