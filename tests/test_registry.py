import pytest

from mmbench.registry import find, locate, names


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


def test_a_broken_import_inside_a_module_is_not_a_missing_module(tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        locate("broken", "x")
