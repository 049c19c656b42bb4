import re
import sys
from hashlib import sha256

import pytest
from click.testing import CliRunner

from mmbench.cli.main import main
from mmbench.protocols.code import code
from mmbench.registry import called, expect, find, locate, names, nearest, place


def test_every_registered_name_loads():
    for group in ("models", "datasets", "metrics", "extractors"):
        assert names(group)
        for name in names(group):
            try:
                found = find(group, name)
            except ImportError as error:  # of a library that is an extra, and says so
                assert f"mmbench[{name.split(':')[0]}]" in str(error)
                continue
            assert found.title
            assert "http" in found.paper


def test_misspelt_names_get_the_nearest():
    with pytest.raises(LookupError, match=r"no model is called 'mdl'; did you mean 'mld'\?"):
        find("models", "mdl")
    with pytest.raises(LookupError, match=r"no model is called 'MLD'; did you mean 'mld'\?"):
        find("models", "MLD")
    with pytest.raises(LookupError, match=r"no metric is called 'zzz'; there is .*coherence"):
        find("metrics", "zzz")
    with pytest.raises(LookupError, match=r"no data set is called ''; there is .*mhd-mini"):
        expect("datasets", "")


def test_a_family_of_names_is_no_module():
    with pytest.raises(LookupError, match="no model is called 'multivae:mope'; did you mean 'mul"):
        find("models", "multivae:mope")


def test_module_and_object():
    assert find("models", "mmbench.models.mld:MLD").__name__ == "MLD"
    with pytest.raises(LookupError, match=r"no 'MLX'; did you mean 'MLD'"):
        find("models", "mmbench.models.mld:MLX")
    with pytest.raises(LookupError, match=r"there is no module 'mmbench\.nowhere'"):
        find("models", "mmbench.nowhere:MLD")
    with pytest.raises(LookupError, match="has no 'zzz'; there is ") as told:
        find("models", "mmbench.errors:zzz")
    assert "__" not in str(told.value)
    for wrong in (":MLD", "json:", "..core:Model"):
        with pytest.raises(LookupError, match=f"{wrong!r} is not of the form 'package.module"):
            find("models", wrong)


def test_a_module_in_the_current_folder_hides_none(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lies_here_only.py").write_text("x = 3\n")
    (tmp_path / "colorsys.py").write_text("rgb_to_hsv = None\n")
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    assert locate("lies_here_only", "x") == 3
    assert str(tmp_path) not in sys.path  # nor can an optional package be found there later
    assert locate("colorsys", "rgb_to_hsv") is not None
    del sys.modules["lies_here_only"]


def test_a_folder_without_code_is_no_module(tmp_path, monkeypatch):
    """Such as a results folder of the model's name, found before the module."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "lately_measured"
    folder.mkdir()
    with pytest.raises(LookupError, match=rf"{folder} is a folder without Python"):
        find("models", "lately_measured:Model")
    sys.modules.pop("lately_measured")


@pytest.fixture
def file(tmp_path):
    """A file of Python in a folder of its own, forgotten after the test."""
    path = tmp_path / "folder" / "lies_in_a_file.py"
    path.parent.mkdir()
    (path.parent / "beside_it.py").write_text("y = 4\n")
    path.write_text("from dataclasses import dataclass\nfrom beside_it import y\nx = 3\n")
    yield path
    for name in (path.name, "beside_it"):
        sys.modules.pop(name, None)


def test_an_object_of_a_file(file, tmp_path, monkeypatch):
    before = list(sys.path)
    assert find("metrics", f"{file}:x") == 3 and find("metrics", f"{file}:y") == 4
    assert sys.path == before
    assert called(f"{file}:x") == "lies_in_a_file.py:x" == place("metrics", f"{file}:x")
    assert find("metrics", "lies_in_a_file.py:x") == 3  # whatever the current folder
    assert called("mld") == "mld" and called("a.b:C") == "a.b:C"
    (hashed,) = code([place("metrics", f"{file}:x")]).items()
    assert hashed[0] == "lies_in_a_file.py"
    assert hashed[1] == sha256(b"lies_in_a_file.py;" + file.read_bytes()).hexdigest()


def test_a_file_is_found_in_the_current_folder(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    assert find("models", "lies_in_a_file.py:x") == 3
    assert find("models", "./lies_in_a_file.py:x") == 3
    assert find("models", "../folder/lies_in_a_file.py:x") == 3


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("folder/lies_in_a_fiel.py:x", FileNotFoundError, "did you mean 'lies_in_a_file.py'"),
        ("nowhere/f.py:x", FileNotFoundError, "there is no file nowhere/f.py"),
        ("folder/lies_in_a_file.py:z", LookupError, "has no 'z'; "),
        ("folder/lies_in_a_file.py", LookupError, "is a file: name an object in it"),
    ],
)
def test_what_a_file_lacks_is_told(file, tmp_path, monkeypatch, name, error, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=re.escape(words)):
        find("models", name)


def test_two_files_of_a_name_are_told_apart_or_refused(file, tmp_path):
    other = tmp_path / file.name
    other.write_text("x = 5\n")
    assert find("models", f"{file}:x") == 3
    with pytest.raises(LookupError, match="have the same name: rename one of them"):
        find("models", f"{other}:x")


def test_a_file_that_is_not_python_is_not_kept(file):
    file.write_text("x = 1\ndef f(:\n")
    with pytest.raises(LookupError, match=r"lies_in_a_file\.py, line 2: invalid syntax"):
        find("models", f"{file}:x")
    assert file.name not in sys.modules
    file.write_text("x = 1\n")
    assert find("models", f"{file}:x") == 1


def test_a_name_that_two_packages_register(installed):
    installed("rival", models={"mvae": "rival:Model", "own": "rival:Model"})
    with pytest.raises(LookupError, match="mmbench and rival both register 'mvae' among the mod"):
        find("models", "mvae")


def test_an_entry_point_that_is_not_python(installed, tmp_path):
    installed("clumsy", models={"clumsy": "clumsy:Model"})
    (tmp_path / "clumsy.py").write_text("x = 1\ndef f(:\n")
    with pytest.raises(LookupError, match=r"clumsy\.py, line 2: invalid syntax"):
        find("models", "clumsy")
    done = CliRunner().invoke(main, ["list", "models"])
    assert done.exit_code == 0, done.output
    assert "clumsy              cannot be imported: " in done.output
    assert "mvae" in done.output


def test_an_entry_point_to_nothing(installed):
    installed("hollow", models={"hollow": "json:Hollow"})
    with pytest.raises(LookupError, match="'json:Hollow', registered as 'hollow', does not exist"):
        find("models", "hollow")


def test_of_many_names_some_are_told():
    assert nearest("?", map(str, range(50))).endswith("38, 39 and 10 more")


def test_a_broken_import_inside_a_module_is_not_a_missing_module(tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        locate("broken", "x")
