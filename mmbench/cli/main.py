"""The command line. Heavy packages are imported by the commands that need them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmbench import __version__
from mmbench.cli import options
from mmbench.cli.analysis import ablate, robustness
from mmbench.cli.check import check
from mmbench.cli.claims import claims
from mmbench.cli.data import data, data_folder
from mmbench.cli.figures import figure
from mmbench.cli.grid import grid
from mmbench.cli.leaderboard import leaderboard
from mmbench.cli.page import page
from mmbench.cli.samples import evaluate, generate
from mmbench.cli.table import table
from mmbench.errors import first_line, in_own_code

if TYPE_CHECKING:
    import torch

    from mmbench.records.store import Record


class Sentences(click.Group):
    """A group whose commands show what a user caused as one sentence, without a traceback.

    With MMBENCH_DEBUG set, the traceback shows.
    """

    def invoke(self, ctx: click.Context) -> Any:  # noqa: D102
        try:
            return super().invoke(ctx)
        except (KeyError, IndexError):
            raise  # a mistake of ours, not of the user's
        except (ValueError, LookupError, ImportError, FloatingPointError) as error:
            _debug()
            place = in_own_code(error)
            more = f" ({place}; with MMBENCH_DEBUG=1 the traceback shows)" if place else ""
            raise click.ClickException(f"{error}{more}") from None
        except (MemoryError, RuntimeError) as error:  # torch has no class of its own on CPUs
            short = any(words in str(error) for words in _NO_MEMORY)
            if not short and not isinstance(error, MemoryError):
                raise
            _debug()
            raise click.ClickException(
                f"there is not enough memory ({first_line(error)}): expected a smaller network, "
                "batch or data set"
            ) from None
        except OSError as error:
            _debug()
            where = f": {error.filename}" if error.filename and error.strerror else ""
            raise click.ClickException(f"{error.strerror or error}{where}") from None


_NO_MEMORY = ("out of memory", "not enough memory", "allocate memory")


def _debug() -> None:
    if os.environ.get("MMBENCH_DEBUG"):
        raise


@click.group(cls=Sentences, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mmbench")
def main() -> None:
    """Benchmark multi-modal generative models: any subset of modalities from any other."""


@main.command(cls=options.Numbers)
@click.option(
    "--model",
    default="mld",
    show_default=True,
    metavar="NAME",
    help="A model's name (see 'mmbench list models'), or module:class.",
)
@click.option(
    "--dataset",
    default="mhd-mini",
    show_default=True,
    metavar="NAME",
    help="A data set's name (see 'mmbench list datasets'), module:object, or a TOML file that "
    "describes your own.",
)
@options.seeds
@options.data
@click.option(
    "--protocol",
    "protocol_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Replaces the data set's protocol.",
)
@options.settings
@click.option(
    "--sampler",
    metavar="NAME",
    help="Replaces the protocol's sampler, with that sampler's own defaults and what "
    "--set evaluation.sampler.KEY=VALUE says; for models that have one.",
)
@options.device
@click.option(
    "--weights",
    "assignments",
    multiple=True,
    metavar="NAME=FILE",
    help="Weights of a pretrained network (see 'mmbench list extractors') that are not in the "
    "folder MMBENCH_WEIGHTS or torch's cache, or not the published ones.",
)
@click.option(
    "--download-weights",
    is_flag=True,
    help="Fetch the weights that the evaluation's metrics need into torch's cache, if they are "
    "not there.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="results",
    show_default=True,
    metavar="DIR",
    help="The results folder.",
)
@click.option(
    "--rescore",
    is_flag=True,
    help="Generate and score again; trained weights are used as they are.",
)
@click.option("-n", "--dry-run", is_flag=True,
              help="Show the resolved protocol and what would be written, then stop.")  # fmt: skip
def run(
    model: str,
    dataset: str,
    seeds: tuple[int, ...],
    data: Path | None,
    protocol_file: Path | None,
    settings: tuple[str, ...],
    sampler: str | None,
    device: str,
    assignments: tuple[str, ...],
    download_weights: bool,
    out: Path,
    rescore: bool,
    dry_run: bool,
) -> None:
    """Trains a model, generates every modality from every subset, scores and records.

    An interrupted run goes on when the same command is given again.

    \b
    Examples:
      mmbench run
      mmbench run --model mld --dataset polymnist --data DIR --seed 0 1 2
      mmbench run --set models.mld.score.epochs=10 --sampler ancestral
    """  # noqa: D301  (click's mark for "do not wrap" is the control character)
    from mmbench.datasets.load import load_dataset, source
    from mmbench.pretrained import fetch_needed, locate, named, needed
    from mmbench.progress import Progress
    from mmbench.protocols import protocol as protocols
    from mmbench.registry import find
    from mmbench.runs.run import Run

    find("models", model)  # a misspelt name is told before anything is loaded
    source(dataset)
    if sampler is not None:
        if not protocols.has_sampler(model):
            raise ValueError(f"{model} has no sampler that --sampler {sampler} could replace: "
                             "leave it out")  # fmt: skip
        name = f"evaluation.sampler={{name = {json.dumps(sampler)}}}"
        own = [s for s in settings if s.strip().startswith("evaluation.sampler.")]
        settings = (*(s for s in settings if s not in own), name, *own)
    whole = protocols.load(dataset, protocol_file, settings, model)
    where = compute_device(device)
    weights = named(assignments, where)
    progress = Progress(sys.stderr)
    metrics = whole["evaluation"].get("metrics")
    metrics = metrics if isinstance(metrics, dict) else {}  # the run tells what is wrong with it
    if download_weights:
        fetch_needed(metrics, weights, progress)
    for card in needed(metrics):
        locate(card, weights)  # a damaged file is told before anything is trained
    loaded = load_dataset(dataset, data or downloads(), cache_folder(), progress)
    records = []
    for seed in dict.fromkeys(seeds):
        one = Run(model, loaded, seed, whole, out, where, cache_folder(), progress, weights)
        if dry_run:
            parameters = sum(p.numel() for p in one.build().parameters())
            _ = one.evaluation  # refuses what does not fit
            click.echo(json.dumps(one.settings, indent=2))
            click.echo(f"{parameters:,} parameters on {where}; would write {one.record_path}")
        else:
            records.append(one.execute(rescore))
    if records:
        show(records)


@main.command("list")
@click.argument("group", type=click.Choice(["models", "datasets", "metrics", "extractors"]))
def list_(group: str) -> None:
    """Lists what is registered: models, datasets, metrics or extractors."""
    from mmbench.declarations import declared
    from mmbench.registry import names

    for name, entry in names(group).items():  # type: ignore[arg-type]
        try:
            found = entry.load()
        except Exception as error:  # another package's mistakes hide nothing of the others
            click.echo(f"{name:<19} cannot be imported: {first_line(error)}")
            continue
        if not (isinstance(getattr(found, "title", None), str) and hasattr(found, "paper")):
            click.echo(f"{name:<19} is no {group[:-1]}: {entry.value}")
            continue
        judge = declared("extractors", str(getattr(found, "judge", None)))
        url = getattr(found, "url", None) or judge.get("url")
        needs = [f"needs {url}" if url else "nothing to download", *map(_extra, entry.extras)]
        what = found.title
        if group == "metrics":
            what += f": {found.better} is better" + (f", in {found.unit}" if found.unit else "")
        for title, line in zip((name, "", ""), (what, found.paper, "; ".join(needs)), strict=True):
            click.echo(f"{title:<19} {line}")


main.add_command(data)
main.add_command(generate)
main.add_command(evaluate)
main.add_command(robustness)
main.add_command(ablate)
main.add_command(table)
main.add_command(figure)
figure.add_command(grid)
main.add_command(claims)
main.add_command(check)
main.add_command(leaderboard)
main.add_command(page)


def cache_folder() -> Path:
    """Where classifiers, downloaded and decoded data and features of real data are kept."""
    from platformdirs import user_cache_path

    named = os.environ.get("MMBENCH_CACHE")
    return Path(named) if named else user_cache_path("mmbench", appauthor=False)


def downloads() -> Path | None:
    """Where downloaded data sets lie, if there are any."""
    folder = data_folder()
    return folder if folder.is_dir() else None


def compute_device(name: str) -> torch.device:
    """The device of that name; "auto" is CUDA where there is one."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"there is no device {name!r}; expected cpu, cuda, cuda:1, ... or "
                         "auto") from None  # fmt: skip
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ImportError) as error:
        raise ValueError(f"the device {name!r} cannot be used: {first_line(error)}") from None
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # asked for by the above
    return device


def show(records: list[Record]) -> None:
    """Prints the tables of some records."""
    from mmbench.leaderboard.tables.render import render
    from mmbench.leaderboard.tables.table import tables

    click.echo(render(tables(records), "terminal"))


def _extra(name: str) -> str:
    """Whether the packages of an optional extra are here, in words."""
    from mmbench.extras import command, installed

    return f"extra [{name}] is installed" if installed(name) else f"needs {command(name)}"
