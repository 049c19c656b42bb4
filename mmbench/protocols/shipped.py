"""Where the protocols in the package are: `<data set>.toml`, or `<name>/<data set>.toml`.

The procedural twins have a protocol of their own. The papers' data sets have one for each paper
that reports results on them, and the first of these is the data set's own; `compact` is that one
at a size that two cores train in an hour.
"""

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from mmbench.files.toml import read_toml

SAMPLERS = "samplers"
"""The table of a protocol that names samplers to replace the one it uses."""

PAPERS = ("mld", "diff-mvae")
"""The papers that protocols follow, in the order in which they are a data set's own."""

COMPACT = "compact"
"""The protocol that departs from a paper's in what training costs."""

DEFAULT = "default.toml"
"""The protocol of a data set that has none."""


def named(dataset: str) -> dict[str, Traversable]:
    """Name -> a protocol for a data set: those of papers by the paper, then `COMPACT`."""
    found = {p: files(__package__) / p / f"{dataset}.toml" for p in (*PAPERS, COMPACT)}
    return {p: file for p, file in found.items() if file.is_file()}


def own(dataset: str) -> Traversable:
    """The protocol that a data set is run by unless another one is asked for."""
    twin = files(__package__) / f"{dataset}.toml"
    if twin.is_file():
        return twin
    return next(iter(named(dataset).values()), files(__package__) / DEFAULT)


def every() -> list[tuple[str, str]]:
    """(data set, name) of all protocols, the data set's own first; the name is "" for a twin's.

    The default one is that of the data set "".
    """
    found = {f.name for p in ("", *PAPERS) for f in (files(__package__) / p).iterdir()}
    datasets = sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml"))
    each = [(d, name) for d in datasets if f"{d}.toml" != DEFAULT for name in named(d) or [""]]
    return [*each, ("", "")]


def samplers(dataset: str, name: str = "") -> dict[str, dict[str, Any]]:
    """Preset -> the settings of a sampler that a protocol names; "" is the one that it uses."""
    found = read_toml(named(dataset)[name] if name else own(dataset))
    used = found["evaluation"].get("sampler")
    presets: dict[str, dict[str, Any]] = found.get(SAMPLERS, {})
    return ({"": used} if used else {}) | presets
