"""The `data` commands. Heavy packages are imported by the commands that need them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import click

from mmbench.api.places import cache_folder, data_folder
from mmbench.cli.arguments import options, parsing
from mmbench.errors import hint

if TYPE_CHECKING:
    from mmbench.core.source import Source

_FOLDER = options.folder(
    "--data",
    "folder",
    envvar="MMBENCH_DATA",
    help="The folder of all data; the files are in DIR/NAME.  "
    "[env: MMBENCH_DATA; default: data/ in the cache folder]",
)


@click.group(cls=parsing.Group, context_settings={"help_option_names": ["-h", "--help"]})
def data() -> None:
    """Download, verify and show data sets."""


@data.command()
@click.argument("name")
@_FOLDER
@click.option("--accept-changed", is_flag=True, help="Accept files that the publishers changed.")
@click.option("-n", "--dry-run", is_flag=True, help="Show licence, size and place, then stop.")
def download(name: str, folder: Path | None, accept_changed: bool, dry_run: bool) -> None:
    """Download the files of a data set to DIR/NAME, verify and unpack them.

    The same command resumes an interrupted download. Files that you put there yourself are
    verified and unpacked likewise.

    \b
    Examples:
      mmbench data download polymnist
      mmbench data download cub --data DIR --dry-run
    """
    from mmbench.datasets import download as downloads
    from mmbench.progress import Progress

    source = _source(name)
    if source is None:
        return
    folder = folder or data_folder()
    click.echo("\n".join(downloads.describe(name, source, folder)))
    if not dry_run:
        progress, cache = Progress(sys.stderr), cache_folder()
        downloads.download(name, source, folder, cache, progress, accept_changed)


@data.command()
@click.argument("name")
@_FOLDER
def verify(name: str, folder: Path | None) -> None:
    """Read the files of a data set in DIR/NAME or DIR again and list those that changed."""
    from mmbench.datasets import download as downloads
    from mmbench.progress import Progress

    source = _source(name)
    if source is None:
        return
    wrong = downloads.verify(name, source, folder or data_folder(), Progress(sys.stderr))
    for line in wrong:
        click.echo(line)
    if wrong:
        raise click.ClickException(
            f"{name} has changed since it was downloaded: remove the files above, then "
            f"'{hint(f'data download {name}')}' downloads only what is missing"
        )
    click.echo(f"{name} is as it was downloaded")


@data.command()
@click.argument("name", callback=options.registered("datasets"))
@_FOLDER
@options.file("--out", help="The picture, a PNG.  [default: NAME.png, in the current folder]")
def show(name: str, folder: Path | None, out: Path | None) -> None:
    """Draw a page of a data set's test examples."""
    from mmbench.api.data import loaded
    from mmbench.media.grid import example_page
    from mmbench.progress import Progress

    if out is not None and out.suffix.lower() != ".png":
        raise ValueError(f"--out {out} ends in {out.suffix!r}, expected .png")
    found = loaded(name, folder, Progress(sys.stderr))
    out = out or Path(f"{found.name}.png")
    example_page(out, found)
    click.echo(f"wrote {out}")


class _Builders(parsing.Lazy):
    """A data set -> the command that builds it."""

    places: ClassVar[dict[str, str]] = {
        "polymnist": "mmbench.datasets.polymnist_build:build_polymnist"
    }


@data.group(cls=_Builders)
def build() -> None:
    """Build a data set from others."""


def _source(name: str) -> Source | None:
    """A data set with files to download; None, after a line that says so, if it has none."""
    from mmbench.datasets.load import source

    found = source(name)
    if found.files:
        return found
    click.echo(f"{name} has nothing to download: 'mmbench run --dataset {name}' just works")
    return None
