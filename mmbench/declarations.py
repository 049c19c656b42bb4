"""What a registered object declares of itself, read from its source without running it.

Lists and tables need titles, papers and the facts of a metric, but none of the libraries that a
model or a metric computes with. These facts are therefore literals in the source: keywords of the
call that makes the object, as in `fid = Metric(name="fid", title="FID", ...)`, or attributes of
its class and of its base classes. They are read as setuptools reads a version by `attr:`. A value
that is not a literal is left out; who needs it has to import the object.
"""

from __future__ import annotations

import ast
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from typing import Any

from mmbench.registry import Group, place


def declared(group: Group, name: str) -> dict[str, Any]:
    """The literals that a registered object declares: name -> value; empty where it has none.

    Args:
        group: What is registered.
        name: The registered name, or "module:object".
    """
    module, _, attribute = place(group, name).partition(":")
    return _found(module, attribute) if attribute else {}


@cache
def _found(module: str, attribute: str) -> dict[str, Any]:
    tree = _tree(module)
    if tree is None:
        return {}
    imported: dict[str, tuple[str, str]] = {}
    literals: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imported |= {a.asname or a.name: (node.module, a.name) for a in node.names}
        elif isinstance(node, ast.ClassDef) and node.name == attribute:
            facts: dict[str, Any] = {}
            for base in reversed(node.bases):
                if isinstance(base, ast.Name):
                    facts |= _found(*imported.get(base.id, (module, base.id)))
            for line in node.body:
                facts |= _assigned(line, literals)
            return facts
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            literals |= _assigned(node, literals)
            if attribute in _targets(node) and isinstance(node.value, ast.Call):
                keywords = [(k.arg, _literal(k.value, literals)) for k in node.value.keywords]
                return {name: value for name, value in keywords if name and value is not _NONE}
    return _found(*imported[attribute]) if attribute in imported else {}


_NONE = object()
"""In the place of what is no literal: None is one."""


@cache
def _tree(module: str) -> ast.Module | None:
    """The source of a module; its packages are imported, the module itself is not."""
    try:
        spec = find_spec(module)
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        return ast.parse(spec.loader.get_data(spec.loader.path))
    except Exception:  # whatever a broken package raises concerns who imports it
        return None


def _targets(node: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [t.id for t in targets if isinstance(t, ast.Name)]


def _assigned(node: ast.stmt, literals: dict[str, Any]) -> dict[str, Any]:
    """The names that a statement assigns a literal to."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        return {}
    value = _literal(node.value, literals)
    return {} if value is _NONE else dict.fromkeys(_targets(node), value)


def _literal(node: ast.expr, literals: dict[str, Any]) -> Any:
    """A literal, or the literal that a name of the module stands for."""
    if isinstance(node, ast.Name):
        return literals.get(node.id, _NONE)
    try:
        return ast.literal_eval(node)
    except ValueError:
        return _NONE
