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
"""Begins what names a test example by its number."""


class Several(click.Command):
    """A command that takes "--targets a b" for "--targets a --targets b"."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:  # noqa: D102
        several = {o for p in self.params if getattr(p, "multiple", False) for o in p.opts}
        spelt: list[str] = []
        option = ""
        for arg in args:
            if arg.startswith("-"):
                option = arg if arg in several else ""
            elif option and spelt[-1] != option:
                spelt.append(option)
            spelt.append(arg)
        return super().parse_args(ctx, spelt)


@click.command(cls=Several)
@click.option(
    "--run",
    "run_path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="RUN",
    help="A record results/<dataset>/<model>/<seed>-<key>.json, or the folder of its weights.",
)
@click.option(
    "--given",
    multiple=True,
    metavar="MODALITY=FILE ...",
    help="What to draw from: a PNG or JPEG (images, masks), a TXT (texts, names of attributes), a "
    "NPY or NPZ array, or test:17 for test example 17. Without, samples are drawn jointly.",
)
@click.option(
    "--targets",
    multiple=True,
    metavar="MODALITY ...",
    help="What to draw.  [default: every modality that is not given]",
)
@click.option("-n", "count", type=click.IntRange(min=1), default=8, show_default=True,
              help="How many samples.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Of the samples; the same one draws the same.")  # fmt: skip
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Instead, write what the run scored: samples from every subset of the modalities of the "
    "test examples, as 'mmbench evaluate' reads them.",
)
@options.dataset_of_records
@options.data
@options.device
@click.option(
    "--out",
    type=click.Path(path_type=Path),
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
    """Draws samples from a trained model and writes pictures, texts and arrays.

    \b
    Examples:
      mmbench generate --run results/mhd-mini/mld/0-1a2b3c4d.json --out drawn
      mmbench generate --run RUN --given image=7.png --targets sound -n 16 --out drawn
      mmbench generate --run RUN --given image=test:17 sound=test:17 --out drawn
      mmbench generate --run RUN --all --out samples
    """  # noqa: D301  (click's mark for "do not wrap" is the control character)
    from mmbench.cli import main as cli
    from mmbench.datasets.load import dataset_of
    from mmbench.progress import Progress
    from mmbench.runs import requested, samples
    from mmbench.runs.trained import find, reload

    if everything and (given or targets):
        raise ValueError("--all draws every modality from every subset: leave out --given and "
                         "--targets")  # fmt: skip
    progress = Progress(sys.stderr)
    path, record = find(run_path)
    cache = cli.cache_folder()
    loaded = dataset_of(record.dataset, dataset, data or cli.downloads(), cache, progress)
    where = cli.compute_device(device)
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


@click.command(cls=Several)
@click.option(
    "--dataset",
    required=True,
    metavar="NAME",
    help="Whose test examples were given: a data set's name, module:object, or a TOML file.",
)
@click.option(
    "--samples",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="The samples: DIR/<given>+<given>/<target>.npz, DIR/joint/<target>.npz.",
)
@click.option("--name", required=True, metavar="NAME", help="What the model is called in tables.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="The seed of the model that drew them.")  # fmt: skip
@options.data
@click.option("--protocol", "protocol_file", type=click.Path(path_type=Path), metavar="FILE",
              help="Replaces the data set's protocol, whose evaluation counts.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE",
              help="Overrides a protocol's value, e.g. evaluation.examples=1000.")  # fmt: skip
@options.device
@click.option("--weights", "assignments", multiple=True, metavar="NAME=FILE",
              help="Weights of a pretrained network, as for 'mmbench run'.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default="results",
              show_default=True, metavar="DIR", help="The results folder.")  # fmt: skip
@click.option("--replace", is_flag=True,
              help="Score again, also other samples of this name and seed.")  # fmt: skip
def evaluate(
    dataset: str,
    folder: Path,
    name: str,
    seed: int,
    data: Path | None,
    protocol_file: Path | None,
    settings: tuple[str, ...],
    device: str,
    assignments: tuple[str, ...],
    out: Path,
    replace: bool,
) -> None:
    """Scores samples that any program wrote, by the metrics of the data set's protocol.

    \b
    Examples:
      mmbench evaluate --dataset mhd-mini --samples DIR --name mine
      mmbench evaluate --dataset cub --samples DIR --name mine --seed 1 --set evaluation.given=[1]
    """  # noqa: D301  (click's mark for "do not wrap" is the control character)
    from mmbench.cli import main as cli
    from mmbench.datasets.load import load_dataset, source
    from mmbench.pretrained import named
    from mmbench.progress import Progress
    from mmbench.protocols import protocol as protocols
    from mmbench.runs.samples import Samples
    from mmbench.runs.submission import Submission

    source(dataset)  # a misspelt name is told before anything is loaded
    whole = protocols.load(dataset, protocol_file, settings)
    where = cli.compute_device(device)
    weights = named(assignments, where)
    progress = Progress(sys.stderr)
    loaded = load_dataset(dataset, data or cli.downloads(), cli.cache_folder(), progress)
    one = Submission(
        name, Samples.find(folder, loaded), seed, whole, out, where, cli.cache_folder(), progress,
        weights,
    )  # fmt: skip
    cli.show([one.execute(replace)])


def _conditions(given: tuple[str, ...], dataset: Dataset) -> dict[str, Tensor]:
    """Modality -> what was named as given, (1, *shape), in the data set's order."""
    from mmbench.datasets.formats import examples

    found: dict[str, Tensor] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not value:
            raise ValueError(f"--given {text} is not of the form MODALITY=FILE or "
                             f"MODALITY={TEST}NUMBER")  # fmt: skip
        _known(name, dataset)
        if name in found:
            raise ValueError(f"{name} is given twice, expected once")
        modality = dataset.modality(name)
        if value.startswith(TEST):
            found[name] = _test(value, name, dataset)
            continue
        path = Path(value)
        found[name] = examples.read(path, modality)
        if modality.kind == "text" and (words := examples.unknown_words(path, modality)):
            click.echo(f"{path}: {name} does not know {', '.join(words)}", err=True)
    return {m.name: found[m.name] for m in dataset.modalities if m.name in found}


def _test(value: str, name: str, dataset: Dataset) -> Tensor:
    """(1, *shape): a modality of the test example that "test:17" names."""
    import torch

    number, n = value.removeprefix(TEST), len(dataset.test)
    if not number.isdecimal() or int(number) >= n:
        raise ValueError(f"{value} is no test example of {dataset.name}: expected {TEST}0 to "
                         f"{TEST}{n - 1}")  # fmt: skip
    return dataset.test.batch(torch.tensor([int(number)]), [name])[name]


def _targets(targets: tuple[str, ...], given: dict[str, Tensor], dataset: Dataset) -> list[str]:
    """What to draw, in the data set's order."""
    for name in targets:
        _known(name, dataset)
    names = [m.name for m in dataset.modalities]
    wanted = [m for m in names if (m in targets if targets else m not in given)]
    if not wanted:
        raise ValueError(f"every modality of {dataset.name} is given: name --targets to "
                         "reconstruct")  # fmt: skip
    return wanted


def _known(name: str, dataset: Dataset) -> None:
    from mmbench.registry import nearest

    names = [m.name for m in dataset.modalities]
    if name not in names:
        raise LookupError(f"{dataset.name} has no modality {name!r}{nearest(name, names)}")
