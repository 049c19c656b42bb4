"""The commands `generate` and `evaluate`. Heavy packages are imported when they are called."""

import sys
from pathlib import Path

import click

from mmbench.cli.arguments import options, parsing


@click.command(cls=parsing.Several)
@options.trained_run
@options.several(
    "--given",
    metavar="MODALITY=FILE ...",
    help="A given modality, from a picture of any size (images, masks), a recording (sounds: WAV, "
    "FLAC, OGG, MP3), a TXT (texts, names of attributes), a NPY or NPZ array, or test:17 for test "
    "example 17.  [default: none, for joint "
    "samples]",
)
@options.several(
    "--targets", metavar="MODALITY ...", help="A modality to generate.  [default: all not given]"
)
@options.count("-n", "count", help="Number of samples.  [default: 8]")
@options.number("--seed", help="The seed of the samples.  [default: 0]")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Write all samples that the run scored instead, by its own seed, as 'mmbench evaluate' "
    "reads them.",
)
@options.beside_run
@options.path(
    "--out",
    required=True,
    metavar="DIR",
    help="A new folder; one that holds nothing but samples is replaced.",
)
def generate(
    run_path: Path,
    model: str | None,
    given: tuple[str, ...],
    targets: tuple[str, ...],
    count: int | None,
    seed: int | None,
    everything: bool,
    keep_weights: bool,
    dataset: str | None,
    data: Path | None,
    device: str,
    out: Path,
) -> None:
    """Draw samples from a trained model and write pictures, texts and arrays.

    \b
    Examples:
      mmbench generate --run results/mhd-mini/mld/0-1a2b3c4d.json --out drawn
      mmbench generate --run RUN --given image=7.png --targets sound -n 16 --out drawn
      mmbench generate --run RUN --given image=test:17 sound=test:17 --out drawn
      mmbench generate --run RUN --all --out samples
    """
    from mmbench.api import given as inputs
    from mmbench.api.trained import load_run
    from mmbench.runs import requested, samples

    if everything and (given or targets or count is not None or seed is not None):
        others = "--given, --targets, -n and --seed"
        raise ValueError(f"--all writes what the run scored, by its own seed: leave out {others}")
    trained = load_run(
        run_path, dataset, folder=data, device=device, model=model, keep_weights=keep_weights
    )
    loaded = trained.dataset
    if everything:
        with requested.renewing(out, loaded) as folder:
            for one in trained.run.samples():
                samples.write(folder, one)
    else:
        condition = inputs.conditions(_assigned(given), loaded, trained.run.progress)
        inputs.targets(targets, condition, loaded)
        with requested.renewing(out, loaded) as folder:
            made = trained.generate(condition, targets, count or 8, seed or 0)
            missing = requested.write(folder, loaded, condition, made)
        if missing:
            click.echo(missing, err=True)
    click.echo(f"wrote {out}")


@click.command()
@click.option(
    "--dataset",
    required=True,
    callback=options.registered("datasets"),
    metavar="NAME",
    help="The data set whose test examples were given: its name, module:object, or a TOML file.",
)
@options.path(
    "--samples",
    "folder",
    required=True,
    metavar="DIR",
    help="The samples: DIR/<given>+<given>/<target>.npz, DIR/joint/<target>.npz.",
)
@click.option("--name", required=True, metavar="NAME", help="The model's name in tables.")
@options.number(
    "--seed", default=0, show_default=True, help="The seed of the model that drew the samples."
)
@options.data
@options.protocol
@options.settings
@options.device
@options.weights
@options.results
@click.option("--replace", is_flag=True, help="Replace the scores of other samples, too.")
def evaluate(
    dataset: str,
    folder: Path,
    name: str,
    seed: int,
    data: Path | None,
    protocol: str | None,
    settings: tuple[str, ...],
    device: str,
    assignments: tuple[str, ...],
    out: Path,
    replace: bool,
) -> None:
    """Score samples that any program wrote, by the metrics of the data set's protocol.

    \b
    Examples:
      mmbench evaluate --dataset mhd-mini --samples DIR --name mine
      mmbench evaluate --dataset cub --samples DIR --name mine --seed 1 --set evaluation.given=[1]
    """
    from mmbench.api import preparation
    from mmbench.progress import Progress

    one = preparation.submission(
        folder,
        name,
        dataset,
        seed,
        out,
        device,
        Progress(sys.stderr),
        folder=data,
        protocol=protocol,
        settings=settings,
        weights=assignments,
    )
    options.show([one.execute(replace)], out)


def _assigned(given: tuple[str, ...]) -> dict[str, str]:
    """Modality -> file or test example, of the option `--given`."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not value:
            raise ValueError(
                f"--given {text} is not of the form MODALITY=FILE or MODALITY=test:17"
            )
        if name in found:
            raise ValueError(f"{name} is given twice, expected once")
        found[name] = value
    return found
