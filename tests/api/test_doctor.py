"""What `mmbench doctor` reports is true of this machine, and what it removes is made again."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from mmbench.api.doctor import KEPT, MADE, clean, examine
from mmbench.cli.main import main
from mmbench.extras import installed
from mmbench.files import locks
from mmbench.pretrained import FOLDER, registered
from mmbench.registry import names


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of one file in each folder, of as many bytes as the folder's name has letters."""
    folder = tmp_path / "cache"
    for name in (*MADE, *KEPT):
        (folder / name).mkdir(parents=True)
        (folder / name / "one").write_bytes(b"x" * len(name))
    (folder / "mhd-mini.safetensors").write_bytes(b"x" * 7)
    (folder / "downloads.json").write_text("{}")
    monkeypatch.setenv("MMBENCH_CACHE", str(folder))
    return folder


def test_every_topic_has_lines(cache, tmp_path):
    found = dict(examine(tmp_path / "results"))
    assert all(found.values())
    assert {line.split(":")[0].lstrip("! ") for line in found["data sets"][1:]} == {
        *names("datasets")
    }
    extras = dict(line.split(": ", 1) for line in found["extras"])
    assert {name: how == "installed" for name, how in extras.items()} == {
        name: installed(name) for name in extras
    }
    assert not list(tmp_path.glob("results"))  # nothing is made


def test_only_what_is_made_again_is_removed(cache):
    removed, freed = clean()
    assert {path.name for path in removed} == {*MADE, "mhd-mini.safetensors"}
    assert freed == sum(map(len, MADE)) + 7
    assert {path.name for path in cache.iterdir()} == {*KEPT, "downloads.json"}
    assert all((cache / name / "one").is_file() for name in KEPT)
    assert clean() == ([], 0)


def test_data_sets_of_other_packages_hide_no_others(cache, tmp_path, installed):
    broken = "a_module_that_is_nowhere:x"
    installed("rival", datasets={"broken": broken, "function": "mmbench.testing.toy:toy"})
    found = dict(line.split(": ", 1) for line in dict(examine(tmp_path))["data sets"][1:])
    assert "a_module_that_is_nowhere" in found["! broken"]
    assert found["function"] == "made on the spot" and "mhd-mini" in found


def test_a_damaged_file_of_weights_is_named(cache, tmp_path, monkeypatch):
    card = next(c for c in registered() if c.sha256)
    (tmp_path / card.file).write_bytes(b"damaged")
    monkeypatch.setenv(FOLDER, str(tmp_path))
    found = dict(examine(tmp_path))
    assert any(line.startswith("! ") and card.file in line for line in found["weights"])
    assert len(found["weights"]) == len(list(registered()))
    assert found["completion"]  # and the rest is examined


def test_a_file_system_without_locks_is_reported(cache, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(min(locks.UNSUPPORTED), "no locks")

    assert "no locks" not in dict(examine(tmp_path))["results folder"][0]
    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    assert "no locks" in dict(examine(tmp_path))["results folder"][0]


def test_results_that_are_no_folder_are_reported(cache, tmp_path):
    (tmp_path / "file").touch()
    (line,) = dict(examine(tmp_path / "file"))["results folder"]
    assert line.startswith("! ") and str(tmp_path / "file") in line


def test_the_command_prints_and_cleans(cache):
    shown = CliRunner().invoke(main, ["doctor"], catch_exceptions=False)
    assert shown.exit_code == 0 and str(cache) in shown.output
    done = CliRunner().invoke(main, ["doctor", "--clean"], catch_exceptions=False)
    assert done.exit_code == 0 and str(cache / "features") in done.output
    assert not Path(cache, "features").exists()
