"""Where the protocols in the package are: `<data set>.toml`, or `<paper>/<data set>.toml`.

The procedural twins have a protocol of their own. The papers' data sets have one for each paper
that reports results on them, and the first of these is the data set's own.
"""

from importlib.resources import files
from importlib.resources.abc import Traversable

PAPERS = ("mld", "diff-mvae")
"""The papers that protocols follow, in the order in which they are a data set's own."""

DEFAULT = "default.toml"
"""The protocol of a data set that has none."""


def papers(dataset: str) -> dict[str, Traversable]:
    """Paper -> its protocol for a data set."""
    found = {p: files(__package__) / p / f"{dataset}.toml" for p in PAPERS}
    return {p: file for p, file in found.items() if file.is_file()}


def own(dataset: str) -> Traversable:
    """The protocol that a data set is run by unless another one is asked for."""
    twin = files(__package__) / f"{dataset}.toml"
    if twin.is_file():
        return twin
    return next(iter(papers(dataset).values()), files(__package__) / DEFAULT)
