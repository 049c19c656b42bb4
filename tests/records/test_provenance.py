import json
import sys
from types import SimpleNamespace

import pytest

from mmbench.protocols.code import code
from mmbench.records import provenance
from mmbench.records.provenance import versions


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """Writes modules below a folder from which they are imported, as if for the first time."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(**files):
        for name, text in files.items():
            path = tmp_path / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        for name in [m for m in sys.modules if m.partition(".")[0] in ("ours", "alone")]:
            del sys.modules[name]

    yield write
    write()


@pytest.mark.parametrize("with_init", [False, True])
def test_a_package_counts_whole(fresh, tmp_path, with_init):
    fresh(ours__model="A = 1\n", ours__nets="B = 1\n")
    if with_init:
        (tmp_path / "ours/__init__.py").write_text("")
    first = code(["ours.model:A"])
    assert first.keys() == {"ours"} and code(["ours.nets:B", "ours.model:A"]) == first
    fresh(ours__nets="B = 2\n")
    assert code(["ours.model:A"]) != first
    fresh(ours__nets="B = 1\n")
    assert code(["ours.model:A"]) == first


def test_a_module_counts_alone_and_as_it_was_imported(fresh, tmp_path):
    fresh(alone="A = 1\n", beside="B = 1\n")
    first = code(["alone:A"])
    (tmp_path / "alone.py").write_text("A = 2\n")  # in the same process: what runs is the old
    assert code(["alone:A"]) == first
    fresh(beside="B = 2\n")
    assert code(["alone:A"]).keys() == first.keys() and code(["alone:A"]) != first
    fresh(alone="A = 1\n")
    assert code(["alone:A"]) == first


def test_what_is_mmbench_s_or_has_no_file():
    assert code(["mmbench.models.mld:MLD"]) == {}
    assert code(["builtins:dict"]).keys() == {"builtins"}
    with pytest.raises(LookupError, match="no module 'nowhere_at_all'"):
        code(["nowhere_at_all:Model"])


def test_versions_name_the_packages_of_registered_things(installed):
    installed("theirs", "7", models={"mine": "theirs:Model"})
    assert versions(["fid"], "mine")["theirs"] == "7"
    assert versions(["fid", "own:metric"], "own:Model").keys() == {"python", "mmbench", "torch"}


PULLED = {"url": "https://example.com/mmbench.git", "vcs_info": {"commit_id": "5a" * 20}}
FILE = {"url": "file:///mmbench.whl", "archive_info": {}}


@pytest.mark.parametrize(
    ("noted", "commit"), [(json.dumps(PULLED), "5a" * 20), (json.dumps(FILE), None), (None, None)]
)
def test_an_installed_copy_has_the_commit_that_pip_installed(tmp_path, monkeypatch, noted, commit):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "mmbench/records/provenance.py"))
    copy = SimpleNamespace(read_text={"direct_url.json": noted}.get)
    monkeypatch.setattr(provenance, "distribution", {"mmbench": copy}.get)
    assert provenance.commit() == commit
