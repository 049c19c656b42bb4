"""The command `new`: a skeleton of one's own model, data set or metric that works as it is.

It is made of the files of the example `third_party`, with other names.
"""

import keyword
import re
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import click

from mmbench.cli.arguments import options, parsing
from mmbench.files.atomic import replacing
from mmbench.registry import Group, names

KINDS: dict[str, tuple[Group, str]] = {
    "model": ("models", "common latent"),
    "dataset": ("datasets", "two views"),
    "metric": ("metrics", "energy distance"),
}
"""What there is a skeleton of -> where it is registered, and what it is called in the example."""

PACKAGE = "third party"
"""What the example's package is called."""

NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")

RUN = {
    "model": "mmbench run --model {0}",
    "dataset": "mmbench run --dataset {0}",
    "metric": "mmbench run --set "
    '\'evaluation.metrics={{"{0}"="all", coherence="all", fmd="all"}}\'',
}


@click.command()
@click.argument("kind", type=parsing.Nearest(list(KINDS)))
@click.argument("name")
@options.folder("--out", help="A folder for it, where nothing is replaced.  [default: NAME]")
def new(kind: str, name: str, out: Path | None) -> None:
    """Write a skeleton of your own model, data set or metric, with its tests.

    It works as it is. NAME is what mmbench calls it once it is installed.

    \b
    Examples:
      mmbench new model my-vae
      mmbench new metric my-distance --out elsewhere
    """
    home = out or Path(name)
    written = write(kind, name, home)
    file = next(path for path in written if path.parent == home and path.suffix == ".py")
    place = f"{file}:{spelt(name)[2 if kind == 'model' else 1]}"
    for path in written:
        click.echo(f"wrote {path}")
    click.echo(f"try it: {RUN[kind].format(place)}")
    if kind == "model":
        click.echo(f"check it: python -m mmbench.testing {place}")
    click.echo(f"install it: pip install -e {home}, then {RUN[kind].format(name)}")


def write(kind: str, name: str, folder: Path) -> list[Path]:
    """Writes the skeleton of a model, a data set or a metric, whole or not at all.

    Returns:
        Its files.

    Raises:
        ValueError: The name is taken, or cannot be that of a package and of a module.
        FileExistsError: A file is there already.
        OSError: The folder cannot be written to.
    """
    group, _ = KINDS[kind]
    module = spelt(name)[1]
    if keyword.iskeyword(module):
        why = f"{module} is a word of Python's own, which no module may have"
        raise ValueError(f"{name!r} cannot name a {kind}: {why}")
    if not NAME.fullmatch(name):
        expected = "expected small letters and digits, words joined by -"
        raise ValueError(f"{name!r} cannot name a {kind}, {expected}")
    if name in names(group):
        raise ValueError(f"{name} is the name of a registered {kind}: give another")
    if find_spec(module) is not None:
        raise ValueError(f"{module} is the name of an installed module: give another than {name}")
    made = {folder / path: text for path, text in _files(kind, name)}
    for path in made:
        if path.exists():
            raise FileExistsError(f"{path} exists, and is not replaced: give another --out")
    with ExitStack() as stack:  # which gives the files their names once all are written
        for path, text in made.items():
            stack.enter_context(replacing(path)).write_text(text, encoding="utf-8")
    return list(made)


def _files(kind: str, name: str) -> Iterator[tuple[str, str]]:
    """Path and text of each file of the example that is of one kind, with other names."""
    own = KINDS[kind][1]
    others = [spelling for _, one in KINDS.values() if one != own for spelling in spelt(one)]
    pairs = [*zip(spelt(own), spelt(name), strict=True)]
    pairs += zip(spelt(PACKAGE), spelt(name), strict=True)
    if kind == "metric":  # whose title says what it measures until somebody edits it
        pairs.insert(0, (spelt(own)[3], f"{spelt(name)[3]} (so far an {own})"))
    module = spelt(own)[1]
    for path in ("pyproject.toml", f"{module}.py", f"tests/test_{module}.py"):
        text = files("mmbench.examples").joinpath("third_party", path).read_text(encoding="utf-8")
        blocks = [block.splitlines() for block in text.split("\n\n")]
        entries = "[project.entry-points"
        blocks = [b for b in blocks if not (b[0].startswith(entries) and _any(others, b[1]))]
        text = "\n\n".join("\n".join(x for x in b if not _any(others, x)) for b in blocks) + "\n"
        for old, new in pairs:
            path, text = path.replace(old, new), text.replace(old, new)
        yield path, text


def _any(words: list[str], text: str) -> bool:
    return any(word in text for word in words)


def spelt(name: str) -> tuple[str, str, str, str]:
    """A name as mmbench, a module, a class and a title spell it."""
    words = re.split(r"[-_ ]", name)
    title = " ".join([words[0].capitalize(), *words[1:]])
    return "-".join(words), "_".join(words), "".join(w.capitalize() for w in words), title
