"""The command `figure grid`. Heavy packages are imported when it is called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmbench.cli import options
from mmbench.cli.figures import decorated, models_, out_, where_

if TYPE_CHECKING:
    from mmbench.core.data import Dataset


@click.command()
@options.folders
@click.option("--dataset", metavar="NAME",
              help="The data set; one that is not registered as for 'mmbench run', module:object "
              "or a TOML file.  [default: the only one with records]")  # fmt: skip
@decorated(models_, where_)
@click.option("--given", metavar="MODALITY+...", default="",
              help="What was given, e.g. sound or image+sound.  [default: nothing]")  # fmt: skip
@click.option("--target", "targets", multiple=True, metavar="MODALITY",
              help="What to show; may be repeated.  [default: what was not given]")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0),
              help="Of the runs.  [default: each model's first]")  # fmt: skip
@click.option("--examples", type=click.IntRange(min=1, max=8), default=8, show_default=True,
              help="Columns.")  # fmt: skip
@decorated(options.data, out_)
def grid(
    folders: tuple[Path, ...],
    dataset: str | None,
    models: tuple[str, ...],
    settings: tuple[str, ...],
    given: str,
    targets: tuple[str, ...],
    seed: int | None,
    examples: int,
    data: Path | None,
    out: Path,
) -> None:
    """What several models drew from the same examples, as their runs kept it.

    A results folder must hold what 'mmbench run' wrote beside its records. Figures 1, 3, 8, 13
    to 17 and 20 to 22 of the MLD paper are of this kind.

    \b
    Examples:
      mmbench figure grid --dataset mhd-mini --given sound --target image --out grid.png
      mmbench figure grid --dataset polymnist-mini --model mld --model mvtcae --out joint.png
    """  # noqa: D301  (click's mark for "do not wrap" is the control character)
    from mmbench.cli import main as cli
    from mmbench.core.score import NOTHING
    from mmbench.datasets.load import dataset_of
    from mmbench.leaderboard.figures import selection
    from mmbench.leaderboard.figures.estimates import groups
    from mmbench.leaderboard.figures.style import check_format
    from mmbench.progress import Progress
    from mmbench.records.store import read
    from mmbench.runs import gallery
    from mmbench.text import plain

    check_format(out)

    def load(name: str, asked: str | None) -> Dataset:
        folder, cache = data or cli.downloads(), cli.cache_folder()
        return dataset_of(name, asked, folder, cache, Progress(sys.stderr))

    own = dataset is not None and (dataset.endswith(".toml") or ":" in dataset)
    loaded = load("", dataset) if own else None
    name, records = selection.records(
        folders, loaded.name if loaded else dataset, models, settings
    )
    loaded = loaded or load(name, None)
    condition = gallery.subset(loaded, [m for m in given.split("+") if m])
    gallery.subset(loaded, targets)
    seeds = sorted({r.seed for r in records})
    if seed not in (None, *seeds):
        raise LookupError(f"no record of {name} has the seed {seed}; there is "
                          f"{', '.join(map(str, seeds))}")  # fmt: skip
    found_in = [path for folder in folders for path in sorted(folder.glob("*/*/*.json"))]
    known = [(path, read(path)) for path in found_in]
    found, remarks = [], []
    for group in groups(records):
        wanted = [r for r in group.records if seed in (None, r.seed)]
        if not wanted:
            remarks.append(f"{group.label} is left out: it has no seed {seed}")
        for r in wanted[:1]:
            # A copy of a record, as in a leaderboard, has no samples beside it.
            paths = [path for path, one in known if one == r]
            with_samples = [p for p in paths if gallery.kept(p, r, condition).is_file()]
            path = (with_samples or paths)[0]
            try:
                found.append(gallery.exhibit(group.label, path, r, loaded, condition))
            except FileNotFoundError as error:
                remarks.append(f"left out: {error}")
    if not found:
        raise FileNotFoundError(plain(
            f"no record of {name} has samples given {', '.join(condition) or NOTHING} beside "
            "it, expected a folder where 'mmbench run' wrote: a copy of a record has none"
        ))  # fmt: skip
    gallery.gallery(out, loaded, found, targets, examples)
    for remark in remarks:
        click.echo(plain(remark), err=True)
    click.echo(f"wrote {out}")
