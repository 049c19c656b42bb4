"""The command `run`: a model is trained, generates, is scored and recorded."""

import json
import sys
from pathlib import Path

import click

from mmbench.cli import options


@click.command(cls=options.Several)
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
@click.option(
    "-n",
    "--dry-run",
    is_flag=True,
    help="Show the resolved protocol, also without data, then stop.",
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
    dry_run: bool,
) -> None:
    """Train a model, generate every modality from every subset, score and record.

    The same command resumes an interrupted run.

    \b
    Examples:
      mmbench run
      mmbench run --model mld --dataset polymnist --data DIR --seed 0 1 2
      mmbench run --set models.mld.score.epochs=10 --sampler ancestral
    """
    from mmbench.api import preparation
    from mmbench.progress import Progress

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
        )
    except FileNotFoundError:
        if dry_run:
            shown = preparation.preview(model, dataset, protocol, settings, sampler)
            click.echo(json.dumps(shown, indent=2))
        raise
    records = []
    for one in runs:
        if dry_run:
            _ = one.evaluation  # refuses what does not fit
            click.echo(json.dumps(one.settings, indent=2))
            parameters = sum(p.numel() for p in one.build().parameters())
            path = out / one.place.record
            click.echo(f"{parameters:,} parameters on {one.device}; would write {path}")
        else:
            records.append(one.execute(rescore))
    if records:
        options.show(records, out)
