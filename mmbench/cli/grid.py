"""The command `figure grid`. Heavy packages are imported when it is called."""

import sys
from pathlib import Path

import click

from mmbench.cli.arguments import options, parsing
from mmbench.cli.figures import MODELS, WHERE


@click.command()
@options.folders
@click.option(
    "--dataset", metavar="NAME", help="Name, module:object or TOML file.  [default: the only one]"
)
@options.decorated(MODELS, WHERE)
@click.option("--given", metavar="MODALITY+...", default="", help="E.g. sound or image+sound.")
@options.several(
    "--target", "targets", metavar="MODALITY", help="May be repeated.  [default: all not given]"
)
@options.number("--seed", help="The seed of the runs.  [default: each model's first]")
@click.option("--examples", type=parsing.Whole(1, 8), default=8, help="Number of columns.")
@options.decorated(options.data, options.picture)
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
    """Draw samples of several models from the same examples, as their runs kept them.

    Each results folder must hold what 'mmbench run' wrote beside its records. Figures 1, 3, 8, 13
    to 17 and 20 to 22 of the MLD paper are grids like this.

    \b
    Examples:
      mmbench figure grid --dataset mhd-mini --given sound --target image --out grid.png
      mmbench figure grid --dataset polymnist-mini --model mld --model mvtcae --out joint.png
    """
    from mmbench.api.data import loaded as load
    from mmbench.core.score import given_in_words
    from mmbench.leaderboard.figures import selection
    from mmbench.leaderboard.rows import rows
    from mmbench.progress import Progress
    from mmbench.records.paths import records as files
    from mmbench.records.store import read
    from mmbench.runs import gallery
    from mmbench.text import plain

    progress = Progress(sys.stderr)
    own = dataset is not None and (dataset.endswith(".toml") or ":" in dataset)
    loaded = load(dataset or "", data, progress) if own else None
    asked = loaded.name if loaded else dataset
    name, records = selection.records(folders, asked, models, settings)
    loaded = loaded or load("", data, progress, name)
    condition = loaded.subset(m for m in given.split("+") if m)
    loaded.subset(targets)
    seeds = sorted({r.seed for r in records})
    if seed not in (None, *seeds):
        known = ", ".join(map(str, seeds))
        raise LookupError(f"no record of {name} has the seed {seed}, expected one of {known}")
    known_records = [(path, read(path)) for folder in folders for path in files(folder)]
    found, remarks = [], []
    for row in rows(records):
        wanted = [r for r in row.records if seed in (None, r.seed)]
        if not wanted:
            remarks.append(f"{row.label} is left out: it has no seed {seed}")
        for r in wanted[:1]:
            # A copy of a record, as in a leaderboard, has no samples beside it.
            paths = [path for path, one in known_records if one == r]
            with_samples = [p for p in paths if gallery.kept(p, r, condition).is_file()]
            path = (with_samples or paths)[0]
            try:
                found.append(gallery.exhibit(row.label, path, r, loaded, condition))
            except FileNotFoundError as error:
                remarks.append(f"left out: {error}")
    if not found:
        condition_name = plain(given_in_words(condition))
        raise FileNotFoundError(
            f"no record of {plain(name)} has samples given {condition_name} beside it, expected a "
            "folder where 'mmbench run' wrote: a copy of a record has none"
        )
    gallery.gallery(out, loaded, found, targets, examples)
    for remark in remarks:
        click.echo(plain(remark), err=True)
    click.echo(f"wrote {out}")
