"""The commands that look into a model: what a setting does, what its latents carry."""

import sys
from pathlib import Path

import click

from mmbench.cli.arguments import options, parsing


@click.command()
@options.trained_run
@options.count("--steps", default=20, help="Number of equal steps of the diffusion time.")
@options.beside_run
@options.picture
def robustness(
    run_path: Path,
    model: str | None,
    steps: int,
    dataset: str | None,
    data: Path | None,
    device: str,
    keep_weights: bool,
    out: Path,
) -> None:
    """Plot how much of each modality's latent survives the diffusion of an MLD.

    Latents of test examples are diffused to a time, decoded, and judged by the classifiers: figure
    5 of the MLD paper. The numbers go to a .csv beside the figure.
    """
    from mmbench.api.trained import load_run
    from mmbench.core.score import Context
    from mmbench.files.atomic import write_text
    from mmbench.models.latent_diffusion import LatentDiffusion
    from mmbench.models.robustness import plot
    from mmbench.models.robustness import robustness as measure

    trained = load_run(
        run_path, dataset, folder=data, device=device, model=model, keep_weights=keep_weights
    )
    run, diffusion = trained.run, trained.model
    if not isinstance(diffusion, LatentDiffusion):
        raise ValueError(f"{trained.path} is of {run.model}, expected an MLD: it has no diffusion")
    rows = run.evaluation.rows(run.dataset.test)
    times = [diffusion.sde.T * i / steps for i in range(steps + 1)]
    context = Context(run.device, run.cache, run.progress)
    curves = measure(diffusion, run.dataset, rows, context, times, run.seed)
    plot(curves, out, f"{run.model} on {run.dataset.name}, seed {run.seed}, N = {len(rows):,}")
    write_text(out.with_suffix(".csv"), curves.to_csv(index=False))
    wide = curves.pivot(index="t", columns="modality", values="coherence")[diffusion.names]
    click.echo(wide.round(1).to_string())
    click.echo(f"wrote {out} and {out.with_suffix('.csv').name}")


@click.command(cls=parsing.Several)
@click.argument("name", metavar="NAME")
@click.option("--values", metavar="LIST", help="Values to try instead, e.g. '[0.2, 0.5]'.")
@options.model
@options.dataset
@options.seeds
@options.data
@options.settings
@options.device
@options.folder("--out", default="ablations", show_default=True, help="The results folder.")
@options.keep_weights
@options.retrain
def ablate(
    name: str,
    values: str | None,
    model: str,
    dataset: str,
    seeds: tuple[int, ...],
    data: Path | None,
    settings: tuple[str, ...],
    device: str,
    out: Path,
    keep_weights: bool,
    retrain: bool,
) -> None:
    """Run a model with several values of one setting, and draw its effect.

    NAME is d, sampler, steps, statistics or masks, or, with --values, a setting of the protocol
    such as model.score.epochs. Finished runs are not repeated.

    \b
    Examples:
      mmbench ablate d --dataset mnist-svhn-mini --seed 0 1 2
      mmbench ablate sampler --dataset mhd-mini --set evaluation.examples=500
      mmbench ablate model.width --values '[128, 256, 512]'
    """
    import tomllib

    from mmbench.api.data import loaded as load
    from mmbench.api.device import compute_device
    from mmbench.api.places import cache_folder
    from mmbench.api.preparation import protocol_of
    from mmbench.files.toml import plain
    from mmbench.leaderboard.figures import sweeps
    from mmbench.progress import Progress
    from mmbench.records.paths import folder_name
    from mmbench.registry import called
    from mmbench.runs import ablations
    from mmbench.runs.other_code import expect_one, keeping, refuse_to_forget
    from mmbench.runs.run import Run

    try:
        own = None if values is None else tomllib.loads(f"x = {values}")["x"]
    except (ValueError, RecursionError) as error:
        raise ValueError(f"--values {values} is not a list ({error})") from None
    if not isinstance(own, list | None) or own == []:
        raise ValueError(f"--values {values} is not a list of values, expected e.g. '[0.2, 0.5]'")
    plain(own, "--values")
    expect_one(keep_weights, retrain)
    ablation = ablations.find(name, own or ())
    model = called(model)
    whole = protocol_of(dataset, None, settings, model)
    protocols = ablation.protocols(whole, model)
    progress, cache = Progress(sys.stderr), cache_folder()
    loaded = load(dataset, data, progress)
    where = compute_device(device)
    click.echo(f"{ablation.name}: {ablation.about}")
    runs = [
        (value, Run(model, loaded, seed, changed, out, where, cache, progress, {}, retrain))
        for value, changed in zip(ablation.values, protocols, strict=True)
        for seed in dict.fromkeys(seeds)
    ]
    for run in {str(value): run for value, run in runs}.values():
        run.build()  # which refuses what does not fit, before any of them is trained
    runs = [(value, keeping(run) if keep_weights else run) for value, run in runs]
    for _, run in runs:
        refuse_to_forget(run)
    records = []
    for value, run in runs:
        progress.say(f"{ablation.key} = {value}, seed {run.seed}")
        records.append(run.execute())
    if len(ablation.values) < 2:
        options.show(records, out)
        return
    if ablation.key == ablations.SAMPLER:
        drawn, remarks = sweeps.cost(loaded.name, records)
    else:
        drawn, remarks = sweeps.ablation(loaded.name, records, ablation.key)
    picture = out / f"{loaded.name}-{folder_name(model)}-{ablation.name}.svg"
    drawn.save(picture)
    click.echo(drawn.table())
    for remark in remarks:
        progress.say(remark)
    click.echo(f"wrote {picture} and {picture.with_suffix('.csv').name}")
