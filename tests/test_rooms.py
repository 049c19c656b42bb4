"""The house: which room may import which, how many modules a room has, and no circles.

`EDGES` is the table of all rooms, from the lowest layer up. A module imports from its own room and
from rooms that stand before it; where a room needs less than all of these the table says so.
"""

import ast
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BESIDE = ("baselines", "leaderboard", "metrics", "models")

LAYERS = [
    ["core", "registry", "declarations", "seeds", "progress", "extras", "errors", "text"],
    ["files", "protocols", "architecture", "pretrained"],
    ["media", "datasets", "training", "records"],
    ["metrics", "baselines"],
    ["models"],
    ["evaluation", "runs"],
    ["leaderboard"],
    ["api", "scores"],
    ["demo", "sweeps", "tracking"],
    ["cli", "testing", "__main__"],
]
"""Rooms from the lowest layer up. Within a layer imports may run one way."""

CROWDED = {"metrics": "a metric a file", "mmbench/cli": "a group of commands a file"}
"""Folders with more than ten modules, each with the reason."""


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "mmbench" else ("mmbench", *parts)
    return ".".join(parts).removesuffix(".__init__")


FILES = [path for folder in ("mmbench", *BESIDE) for path in (ROOT / folder).rglob("*.py")]
SOURCES = {module_of(path): path for path in FILES}


def imports(path, lazy=True):
    """The modules of mmbench that a file imports; also those within functions, if asked for."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing = {
        id(n)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for n in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom) and id(node) not in typing:
            whole = [f"{node.module}.{a.name}" for a in node.names]
            names = [n if n in SOURCES else node.module for n in whole]
        else:
            continue
        if lazy or node.col_offset == 0:
            yield from names


def room(module):
    return module.split(".")[1] if "." in module else "mmbench"


RANK = {name: i for i, layer in enumerate(LAYERS) for name in layer}


@pytest.mark.parametrize("module", SOURCES)
def test_imports_run_downwards(module):
    for name in imports(SOURCES[module], lazy=False):
        if name.startswith("mmbench.") and room(module) != "mmbench":
            assert RANK[room(name)] <= RANK[room(module)], f"{module} imports {name}"


def graph(name_of, lazy):
    edges = {}
    for module, path in SOURCES.items():
        for name in imports(path, lazy):
            if name.startswith("mmbench.") and name_of(name) != name_of(module):
                edges.setdefault(name_of(module), set()).add(name_of(name))
    return edges


@pytest.mark.parametrize("lazy", [False, True])
def test_no_module_imports_itself_by_way_of_others(lazy):
    TopologicalSorter(graph(lambda name: name, lazy)).prepare()


def test_no_room_imports_itself_by_way_of_others():
    TopologicalSorter(graph(room, lazy=False)).prepare()


def test_no_folder_has_more_than_ten_modules():
    count = Counter(p.parent for p in SOURCES.values() if p.name != "__init__.py")
    crowded = {str(f.relative_to(ROOT)) for f, n in count.items() if n > 10}
    assert crowded == set(CROWDED)


def test_a_circle_is_found():
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()
