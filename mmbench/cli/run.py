"""The command `run`: a model is trained, generates, is scored and recorded."""

import sys
from pathlib import Path

import click

from mmbench.cli.arguments import options, parsing


@click.command(cls=parsing.Several)
@options.model
@options.dataset
@options.seeds
@options.data
@options.protocol
@options.settings
@click.option(
    "--sampler",
    metavar="NAME",
    help="Use a sampler that the protocol names, such as fast for mhd, or any sampler with its "
    "own defaults; set its options by --set evaluation.sampler.KEY=VALUE.",
)
@options.device
@options.weights
@click.option(
    "--download-weights",
    is_flag=True,
    help="Download the weights that the metrics need to torch's cache, where missing.",
)
@options.results
@click.option("--rescore", is_flag=True, help="Generate and score again, with trained weights.")
@options.keep_weights
@options.retrain
@options.track
@click.option(
    "--estimate",
    is_flag=True,
    help="Print how long it will take, how much memory and disk, then stop; keeps nothing.",
)
@click.option(
    "--only-shared",
    is_flag=True,
    help="Make only what other runs need as well, evaluation networks and shared training stages.",
)
@click.option(
    "-n",
    "--dry-run",
    is_flag=True,
    help="Print the protocol as a file for --protocol, also without data, then stop.",
)
def run(
    model: str,
    dataset: str,
    seeds: tuple[int, ...],
    data: Path | None,
    protocol: str | None,
    settings: tuple[str, ...],
    sampler: str | None,
    device: str,
    assignments: tuple[str, ...],
    download_weights: bool,
    out: Path,
    rescore: bool,
    keep_weights: bool,
    retrain: bool,
    estimate: bool,
    only_shared: bool,
    track: str | None,
    dry_run: bool,
) -> None:
    """Train a model, generate every modality from every subset, score and record.

    The same command resumes an interrupted run.

    \b
    Examples:
      mmbench run
      mmbench run --model mld --dataset polymnist --data DIR --seed 0 1 2
      mmbench run --set models.mld.score.epochs=10 --sampler ancestral
      mmbench run --estimate --model mld --dataset polymnist-mini
      mmbench run --dry-run > mine.toml; mmbench run --protocol mine.toml
    """
    from mmbench.protocols import protocol as protocols

    modes = {
        "--estimate times a run": estimate,
        "--dry-run prints it": dry_run,
        "--only-shared makes what it shares": only_shared,
        "--rescore draws and scores anew": rescore,
    }
    if len(asked := [what for what, given in modes.items() if given]) > 1:
        raise click.UsageError(f"{', '.join(asked)}: give one of them")
    protocols.expect(dataset, protocol, settings, model)  # before libraries are imported

    from mmbench.api import preparation
    from mmbench.files.toml import to_toml
    from mmbench.progress import Progress
    from mmbench.sweeps.estimate import session
    from mmbench.sweeps.shared import make_shared
    from mmbench.tracking.tracking import execute

    try:
        runs = preparation.runs(
            model,
            dataset,
            seeds,
            out,
            device,
            Progress(sys.stderr),
            folder=data,
            protocol=protocol,
            settings=settings,
            sampler=sampler,
            weights=assignments,
            download_weights=download_weights,
            keep_weights=keep_weights,
            retrain=retrain,
        )
    except FileNotFoundError:
        if dry_run:
            shown = preparation.preview(model, dataset, protocol, settings, sampler)
            click.echo(to_toml(shown), nl=False)
        raise
    if estimate:
        impossible = False
        with session(runs[0].cache, runs[0].progress) as estimates:
            for one in runs:
                found = estimates.estimate(one)
                click.echo("\n".join(found.lines()))
                impossible |= found.impossible
        click.get_current_context().exit(int(impossible))
    records = []
    for one in runs:
        if dry_run:
            _ = one.evaluation  # refuses what does not fit
            untrained = one.build()
            parameters = sum(p.numel() for p in untrained.parameters())
            would = f"would write {out / one.place.record}"
            click.echo(f"# seed {one.seed}: {parameters:,} parameters on {one.device}; {would}")
        elif only_shared:
            make_shared(one)
        else:
            records.append(execute(one, track, rescore))
    if dry_run:
        for remark in (*untrained.doubts(), *one.remarks()):  # which no seed changes
            click.echo(f"# {remark}")
        click.echo(to_toml(protocols.part(runs[0].protocol, runs[0].model)), nl=False)
    elif records:
        options.show(records, out)
