"""The command `sweep`: the runs of a table. Heavy packages are imported when it is called."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from mmbench.cli.arguments import hosts, options, parsing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmbench.progress import Progress
    from mmbench.sweeps.plan import Sweep
    from mmbench.sweeps.planned import Planned

MOST = 1_000
"""Seeds that one sweep may have."""

FAILED, COMING = 1, 3
"""Exit codes where not all runs are recorded: some cannot be, or all others are on their way."""

SEEDS = re.compile(r"(?a:(\d{1,18})(?:-(\d{1,18}))?)")


def ranges(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> tuple[int, ...]:
    """Seeds, each once, from numbers and ranges such as "0-4"."""
    found: dict[int, None] = {}
    for text in texts:
        if not (form := SEEDS.fullmatch(text)):
            expected = "expected a whole number of up to 18 digits or a range such as 0-4"
            raise click.BadParameter(f"{text!r} is no seed, {expected}")
        first, last = int(form[1]), int(form[2] or form[1])
        if last < first:
            raise click.BadParameter(f"{text!r} is empty, expected the smaller seed first")
        several = range(first, last + 1)
        if len(several) <= MOST:
            found |= dict.fromkeys(several)
        if (count := max(len(several), len(found))) > MOST:
            raise click.BadParameter(f"{text!r} makes {count:,} seeds, expected at most {MOST:,}")
    return tuple(found)


def collected(sources: tuple[Path, ...], out: Path, plan: bool, as_json: bool) -> None:
    """Merges results folders into one, and prints a line for each run.

    Raises:
        click.UsageError: Options that choose or make runs were given, too.
    """
    from mmbench.progress import Progress
    from mmbench.records.strict import Faults, shown
    from mmbench.sweeps.collection import collect

    context, takes = click.get_current_context(), ("sources", "out", "plan", "as_json")
    for option in context.command.params:
        name = option.name or ""
        if name not in takes and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--collect makes no run: leave out {option.opts[0]}")
    try:
        found = collect(sources, out, Progress(sys.stderr), dry_run=plan)
    except Faults as faults:
        options.refuse(faults.sentences)
        raise
    for path, source, outcome in found:
        if as_json:
            event = {"event": outcome, "record": str(path), "from": str(source)}
            click.echo(json.dumps(event))
        else:
            would = "would be " if plan and outcome != "already there" else ""
            click.echo(f"{would}{outcome}: {shown(path)} from {shown(source)}")


@click.command(cls=parsing.Several)
@options.several(
    "--model",
    "models",
    default=["mld"],
    metavar="NAME ...",
    help="Models, or all for mmbench's own whose settings the data set's protocol holds.  "
    "[default: mld]",
)
@options.several(
    "--dataset",
    "datasets",
    default=["mhd-mini"],
    metavar="NAME ...",
    help="Data sets, as in 'mmbench run'.  [default: mhd-mini]",
)
@options.several(
    "--seed",
    "seeds",
    callback=ranges,
    default=["0"],
    metavar="N|N-M ...",
    help="Seeds, or ranges of them such as 0-4.  [default: 0]",
)
@options.data
@options.protocol
@options.settings
@click.option("--sampler", metavar="NAME", help="As in 'mmbench run', where a model has one.")
@options.device
@options.weights
@options.results
@options.keep_weights
@options.retrain
@options.track
@hosts.where
@options.folder(
    "--collect",
    "sources",
    multiple=True,
    metavar="FROM ...",
    help="Make no run: merge results folders of other machines into --out.",
)
@click.option("--plan", is_flag=True, help="Print the command of each run to make, then stop.")
@click.option(
    "--estimate",
    is_flag=True,
    help="With --plan: print, too, what each run will take, after timing a few steps of it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each event.")
def sweep(
    models: tuple[str, ...],
    datasets: tuple[str, ...],
    seeds: tuple[int, ...],
    data: Path | None,
    protocol: str | None,
    settings: tuple[str, ...],
    sampler: str | None,
    device: str,
    assignments: tuple[str, ...],
    out: Path,
    keep_weights: bool,
    retrain: bool,
    track: str | None,
    on: str,
    workers: int | None,
    per_gpu: int | None,
    address: str | None,
    partition: str | None,
    account: str | None,
    minutes: int,
    gpus: float,
    cpus: int,
    memory: int | None,
    wait: bool,
    sources: tuple[Path, ...],
    plan: bool,
    estimate: bool,
    as_json: bool,
) -> None:
    """Make the runs of a table that are missing: models x data sets x seeds.

    What is done is not made again, and what was interrupted goes on. A run that fails stops no
    other. The exit code is 0 if all runs are recorded, and 3 if what is missing is in a queue.

    \b
    Examples:
      mmbench sweep --model all --dataset mhd-mini --seed 0-2
      mmbench sweep --model mld mopoe --dataset mhd-mini polymnist-mini --seed 0-4 --workers 2
      mmbench sweep --model all --seed 0-4 --on slurm --partition gpu --gpus 1
      mmbench sweep --model all --seed 0-4 --on ray --address auto --gpus 0.25
      mmbench sweep --collect /mnt/a/results /mnt/b/results --out results
      mmbench sweep --model all --plan | tr '\\n' '\\0' | xargs -0 -r -n 1 -P 2 sh -c
    """
    if sources:
        collected(sources, out, plan, as_json)
        return

    from mmbench.progress import Progress
    from mmbench.sweeps.local import Local
    from mmbench.sweeps.plan import Sweep
    from mmbench.sweeps.view import View, overview

    if estimate and not plan:
        raise click.UsageError("--estimate says what the runs of a plan take: add --plan")
    context = click.get_current_context()
    host = hosts.chosen(context)
    common = (data, protocol, settings, sampler, device, assignments)
    whole = Sweep(out, *common, keep_weights, retrain, track)
    progress = Progress(sys.stderr)
    planned = host.states(whole.plan(models, datasets, seeds, progress))
    coming = sum(p.wanted or p.coming for p in planned)
    impossible = [p for p in planned if p.state == "impossible"]
    if plan:
        many = host.workers if isinstance(host, Local) else 1
        _print(planned, whole, many, estimate, as_json, progress)
    if plan or not as_json:
        click.echo("\n".join(overview(planned)), err=plan)
    if plan:
        return
    view = View(sys.stdout, coming, as_json)
    view.impossible(impossible)
    failed = []
    try:
        for outcome in host.execute(planned, view.running):
            view.ended(outcome)
            coming -= 1
            if outcome.fault:
                failed.append(outcome)
    finally:
        view.close()
    for outcome in failed:
        click.echo(f"failed: {outcome.fault}\n  {outcome.planned.command}", err=True)
    if coming and not as_json:
        runs = "1 run is" if coming == 1 else f"{coming} runs are"
        click.echo(f"{runs} on the way: the same command shows how far, or waits with --wait")
    context.exit(FAILED if failed or impossible else COMING if coming else 0)


def _print(
    planned: Sequence[Planned],
    whole: Sweep,
    many: int,
    estimate: bool,
    as_json: bool,
    progress: Progress,
) -> None:
    """Prints the command of each run to make, or every run as JSON, with what it takes."""
    from mmbench.sweeps.estimate import estimates, in_all
    from mmbench.sweeps.view import described

    found = estimates(whole, planned, progress, many) if estimate else ((p, None) for p in planned)
    costs = []
    for p, cost in found:
        if as_json:
            more = {"estimate": cost.described()} if cost else {}
            click.echo(json.dumps(described(p) | more))
        elif cost:
            click.echo("\n".join(cost.lines()), err=True)
        if p.wanted and not as_json:
            click.echo(p.command)
        costs += [cost] if cost and not cost.why else []
    if costs:
        click.echo(in_all(costs, many), err=True)
