"""Published protocols against `papers.csv`: every value of the papers with its source.

And the compact ones against those: every value that is not the paper's names the paper's.

The column `protocol` is the paper, the folder of the protocol. `table` is "modalities",
"evaluation", "samplers" or a model. A value is TOML, or text.
"""

import csv
import re
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from mmbench.protocols.shipped import COMPACT, PAPERS

with (Path(__file__).parent / "papers.csv").open(encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file))
SHIPPED = Path(str(files("mmbench") / "protocols"))
PUBLISHED = sorted(path for paper in PAPERS for path in (SHIPPED / paper).glob("*.toml"))
SCALED = sorted((SHIPPED / COMPACT).glob("*.toml"))


def place(path):
    """The columns `dataset` and `protocol` of a file."""
    return path.stem, path.parent.name


def value(text):
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def leaves(table, *path):
    """All values that are no tables, by their keys."""
    for key, inner in table.items():
        if isinstance(inner, dict):
            yield from leaves(inner, *path, key)
        else:
            yield (*path, key), inner


def shipped(path):
    """(table, key) -> value of a file, as the table of the papers names them."""
    protocol = tomllib.loads(path.read_text(encoding="utf-8"))
    models = protocol.pop("models", {})
    found = {}
    for name, table in {**protocol, **models}.items():
        found |= {(name, ".".join(key)): v for key, v in leaves(table)}
    return found


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda p: "/".join(place(p)))
def test_every_value_is_the_papers(path):
    """And of the same type; no value lacks a line, and no line lacks a value."""
    rows = [r for r in ROWS if (r["dataset"], r["protocol"]) == place(path)]
    wanted = {(r["table"], r["key"]): value(r["value"]) for r in rows}
    assert len(wanted) == len(rows)
    assert {k: (type(v), v) for k, v in shipped(path).items()} == {
        k: (type(v), v) for k, v in wanted.items()
    }


def test_every_line_is_of_a_protocol_and_has_a_source():
    assert {(r["dataset"], r["protocol"]) for r in ROWS} == set(map(place, PUBLISHED))
    assert all(r["source"].strip() for r in ROWS)
    assert len(PUBLISHED) >= 5


@pytest.mark.parametrize("path", SCALED, ids=lambda p: p.stem)
def test_what_departs_from_the_paper_says_so_where_it_stands(path):
    """Behind the value stands what the paper has."""
    first = PAPERS[0]
    papers = tomllib.loads((SHIPPED / first / path.name).read_text("utf-8"))
    table: list[str] = []
    departing = 0
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("["):
            table = [*_keys(tomllib.loads(line))]
        elif "=" in line and not line.startswith("#"):
            setting, _, comment = line.partition(" #")
            (key, value), theirs = *tomllib.loads(setting).items(), papers
            for part in (*table, key):
                theirs = theirs.get(part, {})
            if value != theirs:
                departing += 1
                assert comment, line
                if isinstance(theirs, int | float):
                    numbers = re.findall(r"[0-9][0-9.e-]*", comment)
                    assert theirs in map(float, numbers), line
    assert departing


def _keys(table):
    while table:
        ((key, table),) = table.items()
        yield key
