"""What a registered object declares about itself, read from its source without running it.

Lists and tables need titles, papers and the facts of a metric, but none of the libraries that a
model or a metric computes with. These facts are therefore literals in the source: keywords of the
call that makes the object, as in `fid = Metric(name="fid", title="FID", ...)` or in
`replace(fid, name="fid-tensorflow")`, or attributes of its class and of its base classes. They are
read as setuptools reads a version by `attr:`. Facts of classes may also lie in a TOML file of the
module's name beside it. An object whose facts are neither is imported.
"""

import ast
import tomllib
from contextlib import suppress
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmbench.registry import PYTHON, Group, find, place

Facts = dict[str, Any]


def declared(group: Group, name: str, *needs: str) -> Facts:
    """What a registered object declares: attribute -> value.

    Args:
        group: What is registered.
        name: The registered name, or "module:object".
        needs: Attributes that have to be there: where one of them is not a literal, the object is
            imported and the facts are all of its public attributes.

    Raises:
        LookupError, ImportError: As `registry.find`, where the object has to be imported.
    """
    module, _, attribute = place(group, name).partition(":")
    facts = (_found(module, attribute) if attribute else None) or {}
    if all(key in facts for key in needs):
        return facts
    found = find(group, name)
    public = [key for key in dir(found) if not key.startswith("_")]
    return {key: getattr(found, key) for key in public if hasattr(found, key)}


@cache
def _found(module: str, attribute: str) -> Facts | None:
    """The literals of one object; None where its source is not found."""
    tree = _tree(module)
    imported: dict[str, tuple[str, str]] = {}
    literals: Facts = {}
    for node in tree.body if tree else ():
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imported |= {a.asname or a.name: (node.module, a.name) for a in node.names}
        elif isinstance(node, ast.ClassDef) and node.name == attribute:
            facts: Facts = {}
            for base in reversed(node.bases):
                name = base.id if isinstance(base, ast.Name) else ""
                above = _found(*imported.get(name, (module, name))) if name else None
                # An unknown class hides what comes after it in the order of methods.
                facts = {} if above is None else facts | above
            for line in node.body:
                _assign(line, facts, literals)
            return facts | _beside(module).get(attribute, {})
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            _assign(node, literals, literals)
            if attribute in _targets(node) and isinstance(node.value, ast.Call):
                call, facts = node.value, {}
                if ast.unparse(call.func) == "replace" and isinstance(call.args[0], ast.Name):
                    original = call.args[0].id
                    facts = dict(_found(*imported.get(original, (module, original))) or {})
                for k in call.keywords:
                    _set(facts, [k.arg] if k.arg else [], k.value, literals)
                return facts
    return _found(*imported[attribute]) if attribute in imported else None


@cache
def _tree(module: str) -> ast.Module | None:
    """The source of a module; its packages are imported, the module itself is not."""
    if module.endswith(PYTHON):  # "my_file.py" is no module of a package my_file to import
        return None
    try:
        spec = find_spec(module)
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        return ast.parse(spec.loader.get_data(spec.loader.path))
    except Exception:  # a broken package is reported when it is imported
        return None


@cache
def _beside(module: str) -> dict[str, Facts]:
    """Class -> facts, of the TOML file beside a module; empty where there is none."""
    spec = find_spec(module)
    path = Path(spec.origin or "" if spec else "").with_suffix(".toml")
    return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}


def _targets(node: ast.stmt) -> list[str]:
    """The names that a statement binds."""
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [t.id for t in targets if isinstance(t, ast.Name)]


def _assign(node: ast.stmt, facts: Facts, literals: Facts) -> None:
    """Notes what a statement assigns."""
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    if value is not None or isinstance(node, ast.FunctionDef):
        _set(facts, _targets(node), value, literals)


def _set(facts: Facts, names: list[str], value: ast.expr | None, literals: Facts) -> None:
    """Gives names a literal, or the literal that a name of the module stands for; else none."""
    for name in names:
        facts.pop(name, None)
        if isinstance(value, ast.Name) and value.id in literals:
            facts[name] = literals[value.id]
        elif value is not None:
            with suppress(ValueError, TypeError):
                facts[name] = ast.literal_eval(value)
