import sys

import pytest
from click.testing import CliRunner

from mmbench.cli.main import main
from mmbench.registry import find, locate, names, nearest


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
    with pytest.raises(LookupError, match=r"no metric is called 'zzz'; there is .*coherence"):
        find("metrics", "zzz")


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
