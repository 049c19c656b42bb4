"""What every registered model declares of itself, read without importing its module."""

import subprocess
import sys

import pytest

from mmbench.declarations import declared
from mmbench.registry import find, names

FACTS = ("title", "paper", "has_sampler", "takes_incomplete", "version")


@pytest.mark.parametrize("name", names("models"))
def test_title_and_paper_are_declared(name):
    facts = declared("models", name)
    assert facts["title"] and facts["title"][0].isupper()
    assert "https://" in facts["paper"]


@pytest.mark.parametrize("name", names("models"))
def test_what_is_declared_is_what_the_class_has(name):
    try:
        model = find("models", name)
    except ImportError as error:
        pytest.skip(str(error))
    facts = declared("models", name)
    assert {f: facts[f] for f in FACTS} == {f: getattr(model, f) for f in FACTS}


def test_what_a_file_declares_is_read_by_running_it_once(tmp_path, monkeypatch):
    """Also where a module of its name could be imported."""
    file, log = tmp_path / "runs_once.py", tmp_path / "log"
    file.write_text(f"open({str(log)!r}, 'a').write('x')\nclass M: title = 'mine'\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert declared("models", f"{file}:M", "title")["title"] == "mine"
    finally:
        sys.modules.pop(file.name, None)
    assert log.read_text() == "x"


def test_reading_declarations_imports_no_torch():
    code = (
        "import sys\n"
        "from mmbench.declarations import declared\n"
        "from mmbench.registry import names\n"
        "assert all(declared('models', m)['title'] for m in names('models'))\n"
        "print(sorted({'torch', 'diffusers', 'multivae'} & set(sys.modules)))\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
