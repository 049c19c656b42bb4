"""The `data` commands. Heavy packages are imported by the commands that need them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mmbench.core.data import Source

_FOLDER = click.option(
    "--data",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="MMBENCH_DATA",
    metavar="DIR",
    help="The folder of all data; the files are in DIR/NAME.  "
    "[env: MMBENCH_DATA; default: data/ in the cache folder]",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def data() -> None:
    """Fetches and checks the files of data sets."""


@data.command()
@click.argument("name")
@_FOLDER
@click.option(
    "--accept-changed",
    is_flag=True,
    help="Take a file that its publishers changed since it was first fetched.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Show licence, size and place, then stop.")
def download(name: str, folder: Path | None, accept_changed: bool, dry_run: bool) -> None:
    """Fetches the files of a data set into DIR/NAME, checked and unpacked.

    An interrupted download goes on when the same command is given again. Files that were put
    where they belong by other means are checked and unpacked likewise.

    \b
    Examples:
      mmbench data download polymnist
      mmbench data download cub --data DIR --dry-run
    """  # noqa: D301  (click's mark for "do not wrap" is the control character)
    from mmbench.cli import main as cli
    from mmbench.datasets import download as downloads
    from mmbench.progress import Progress

    source = _source(name)
    if source is None:
        return
    folder = folder or data_folder()
    click.echo("\n".join(downloads.describe(name, source, folder)))
    if not dry_run:
        downloads.download(
            name, source, folder, cli.cache_folder(), Progress(sys.stderr), accept_changed
        )


@data.command()
@click.argument("name")
@_FOLDER
def verify(name: str, folder: Path | None) -> None:
    """Reads the files of a data set in DIR/NAME or DIR again and says which have changed."""
    from mmbench.datasets import download as downloads
    from mmbench.progress import Progress

    source = _source(name)
    if source is None:
        return
    folder = folder or data_folder()
    wrong = downloads.verify(name, source, folder, Progress(sys.stderr))
    for line in wrong:
        click.echo(line)
    if wrong:
        raise click.ClickException(
            f"{name} is not as it was fetched: remove what is wrong, then run 'mmbench data "
            f"download {name}', which fetches only what is missing"
        )
    click.echo(f"{name} is as it was fetched")


@data.command()
@click.argument("name")
@_FOLDER
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True,
              metavar="FILE", help="The picture to write, a PNG.")  # fmt: skip
def show(name: str, folder: Path | None, out: Path) -> None:
    """Draws a page of a data set's test examples."""
    from mmbench.cli import main as cli
    from mmbench.datasets.load import load_dataset
    from mmbench.media.grid import example_page
    from mmbench.progress import Progress

    if out.suffix.lower() != ".png":
        raise ValueError(f"--out {out} ends in {out.suffix!r}, expected .png")
    place = folder or cli.downloads()
    example_page(out, load_dataset(name, place, cli.cache_folder(), Progress(sys.stderr)))
    click.echo(f"wrote {out}")


class _Builders(click.Group):
    """Commands whose modules are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["polymnist"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name != "polymnist":
            return None
        from mmbench.datasets.polymnist_build import build_polymnist

        return build_polymnist


@data.group(cls=_Builders)
def build() -> None:
    """Makes a data set from others."""


def data_folder() -> Path:
    """Where data are kept unless the user names a folder."""
    from mmbench.cli.main import cache_folder

    return cache_folder() / "data"


def _source(name: str) -> Source | None:
    """A data set with something to download; says so in a line where there is nothing."""
    from mmbench.datasets.load import source

    found = source(name)
    if found.files:
        return found
    click.echo(f"{name} has nothing to download: 'mmbench run --dataset {name}' works without")
    return None
