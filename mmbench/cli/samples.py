"""The commands `generate` and `evaluate`. Heavy packages are imported when they are called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmbench.cli import options

if TYPE_CHECKING:
    from torch import Tensor

    from mmbench.core.data import Dataset

TEST = "test:"
"""Begins the name of a test example: "test:17"."""


@click.command(cls=options.Several)
@options.trained_run
@options.several(
    "--given",
    metavar="MODALITY=FILE ...",
    help="A given modality, from a picture (images, masks), a TXT (texts, names of "
    "attributes), a NPY or NPZ array, or test:17 for test example 17.  [default: none, for joint "
    "samples]",
)
@options.several(
    "--targets", metavar="MODALITY ...", help="A modality to generate.  [default: all not given]"
)
@options.count("-n", "count", default=8, help="Number of samples.")
@options.number("--seed", default=0, show_default=True, help="The seed of the samples.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Write all samples that the run scored instead, as 'mmbench evaluate' reads them.",
)
@options.dataset_of_records
@options.data
@options.device
@options.path(
    "--out",
    required=True,
    metavar="DIR",
    help="A new folder; one that holds nothing but samples is replaced.",
)
def generate(
    run_path: Path,
    given: tuple[str, ...],
    targets: tuple[str, ...],
    count: int,
    seed: int,
    everything: bool,
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
    from mmbench.progress import Progress
    from mmbench.runs import requested, samples
    from mmbench.runs.trained import find, reload

    if everything and (given or targets):
        raise ValueError("--all generates from every subset: leave out --given and --targets")
    progress, cache = Progress(sys.stderr), options.cache_folder()
    path, record = find(run_path)
    loaded = options.load(dataset or "", data, progress, record.dataset)
    where = options.compute_device(device)
    if everything:
        run = reload(path, record, loaded, where, cache, progress)
        with requested.renewing(out, loaded) as folder:
            for one in run.samples():
                samples.write(folder, one)
    else:
        condition = _conditions(given, loaded)
        wanted = _targets(targets, condition, loaded)
        model = reload(path, record, loaded, where, cache, progress).trained()
        with requested.renewing(out, loaded) as folder:
            made = requested.draw(model, condition, wanted, count, seed, where)
            missing = requested.write(folder, loaded, condition, made)
        if missing:
            click.echo(missing, err=True)
    click.echo(f"wrote {out}")


@click.command()
@click.option(
    "--dataset",
    required=True,
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
    from mmbench.datasets.load import source
    from mmbench.pretrained import named
    from mmbench.progress import Progress
    from mmbench.protocols import protocol as protocols
    from mmbench.runs.samples import Samples
    from mmbench.runs.submission import Submission

    source(dataset)  # a misspelt name is refused before anything is loaded
    whole = protocols.load(dataset, protocol, settings)
    where = options.compute_device(device)
    weights = named(assignments, where)
    progress, cache = Progress(sys.stderr), options.cache_folder()
    loaded = options.load(dataset, data, progress)
    found = Samples.find(folder, loaded)
    one = Submission(name, found, seed, whole, out, where, cache, progress, weights)
    options.show([one.execute(replace)])


def _conditions(given: tuple[str, ...], dataset: Dataset) -> dict[str, Tensor]:
    """Modality -> the given example, (1, *shape), in the data set's order."""
    from mmbench.datasets.formats import examples
    from mmbench.runs.gallery import subset

    found: dict[str, Tensor] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not value:
            forms = f"MODALITY=FILE or MODALITY={TEST}NUMBER"
            raise ValueError(f"--given {text} is not of the form {forms}")
        subset(dataset, [name])
        if name in found:
            raise ValueError(f"{name} is given twice, expected once")
        modality = dataset.modality(name)
        if value.startswith(TEST):
            found[name] = _test(value, name, dataset)
            continue
        path = Path(value)
        found[name] = examples.read(path, modality)
        if modality.kind == "text" and (words := examples.unknown_words(path, modality)):
            click.echo(f"{path}: {name} has no words {', '.join(words)}", err=True)
    return {m.name: found[m.name] for m in dataset.modalities if m.name in found}


def _test(value: str, name: str, dataset: Dataset) -> Tensor:
    """A modality of the test example that "test:17" names, (1, *shape)."""
    import torch

    number, n = value.removeprefix(TEST), len(dataset.test)
    if not number.isdecimal() or int(number) >= n:
        known = f"{TEST}0 to {TEST}{n - 1}"
        raise ValueError(f"{value} is no test example of {dataset.name}: expected {known}")
    return dataset.test.batch(torch.tensor([int(number)]), [name])[name]


def _targets(targets: tuple[str, ...], given: dict[str, Tensor], dataset: Dataset) -> list[str]:
    """The modalities to generate, in the data set's order."""
    from mmbench.runs.gallery import subset

    named = subset(dataset, targets)
    wanted = [*named] or [m.name for m in dataset.modalities if m.name not in given]
    if not wanted:
        raise ValueError(f"every modality of {dataset.name} is given: name some by --targets")
    return wanted
