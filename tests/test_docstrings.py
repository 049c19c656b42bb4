"""What is public says what it takes, what it returns, and what it refuses."""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap

import pytest

import mmbench
import mmbench.core
import mmbench.metrics
import mmbench.scores

FIRST = r"[A-Z\d][\w']{0,3}|[a-z]|\*shape|\.\.\."
SHAPE = re.compile(rf"\((?:{FIRST})(?: [·−+/] \w+)*(?:,[^()]*)?\)|scalar")
"""(N,), (N, 3, H, W), (B, *shape), (N, windows · d)."""


def public(module):
    """Name -> each public function, class and method that a module defines."""
    for name, found in vars(module).items():
        if name.startswith("_") or getattr(found, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(found):
            yield f"{module.__name__}.{name}", found
        elif inspect.isclass(found):
            yield f"{module.__name__}.{name}", found
            for method, of in vars(found).items():
                of = of.__func__ if isinstance(of, classmethod | staticmethod) else of
                if inspect.isfunction(of) and not method.startswith("_"):
                    yield f"{module.__name__}.{name}.{method}", of


def modules(package):
    yield package
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(found.name)


OFFERED = {f"mmbench.{n}": getattr(mmbench, n) for n in mmbench.__all__ if n != "scores"}
OFFERED |= {f"mmbench.scores.{n}": getattr(mmbench.scores, n) for n in mmbench.scores.__all__}
OFFERED["mmbench.TrainedRun.generate"] = mmbench.TrainedRun.generate
BELOW = {
    name: found
    for package in (mmbench.core, mmbench.metrics)
    for module in modules(package)
    for name, found in public(module)
}


def test_all_that_mmbench_offers_is_seen():
    assert len(OFFERED) == len(mmbench.__all__) + len(mmbench.scores.__all__)
    assert {"mmbench.core.model.Model.generate", "mmbench.metrics.fid.fid"} & set(BELOW)
    assert set(dir(mmbench)) == {*mmbench.__all__, "__version__"}
    with pytest.raises(AttributeError, match="has no attribute 'tran'"):
        mmbench.tran  # noqa: B018


def sections(found):
    """Heading -> what stands under it; "" -> all of the docstring."""
    text = inspect.getdoc(found) or ""
    parts = re.split(r"^(Args|Attributes|Returns|Yields|Raises):\n", text, flags=re.MULTILINE)
    return {"": text} | dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", OFFERED)
def test_what_users_call_documents_each_argument_and_error(name):
    found = OFFERED[name]
    told = sections(found)
    assert told[""]
    if inspect.isclass(found):
        assert "Attributes" in told
        return
    arguments = [p for p in inspect.signature(found).parameters if p != "self"]
    assert re.findall(r"^ {4}(\w+): \S", told["Args"], re.MULTILINE) == arguments
    assert told["Returns"].strip()
    assert re.search(r"^ {4}\w*Error\b", told["Raises"], re.MULTILINE)


def raised(found):
    """The errors that a function raises itself."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(found)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield ast.unparse(node.exc.func)


@pytest.mark.parametrize("name", {**BELOW, **OFFERED})
def test_shapes_and_errors_are_documented(name):
    found = {**BELOW, **OFFERED}[name]
    if not (doc := inspect.getdoc(found)):
        pytest.fail(f"{name} has no docstring")
    if inspect.isclass(found):
        return
    hints = str(inspect.signature(found))
    if "Tensor" in hints or "Batch" in hints:
        assert SHAPE.search(doc), f"{name}{hints} says no shape"
    for error in set(raised(found)):
        if error.endswith("Error"):
            assert "Raises:" in doc, f"{name} does not say that it raises {error}"
