import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_folder_with_code_is_a_listed_package():
    """A package that is not listed vanishes from the wheel in silence."""
    mapped = SETTINGS["tool"]["setuptools"]["package-dir"]
    folders = {"mmbench": ROOT / "mmbench", **{name: ROOT / d for name, d in mapped.items()}}
    found = set()
    for name, folder in folders.items():
        for init in folder.rglob("__init__.py"):
            found.add(".".join([name, *init.parent.relative_to(folder).parts]))
    assert found == set(SETTINGS["tool"]["setuptools"]["packages"])


def test_every_folder_of_modules_has_an_init():
    for top in ("mmbench", "models", "metrics", "leaderboard", "baselines"):
        for file in (ROOT / top).rglob("*.py"):
            assert (file.parent / "__init__.py").exists(), file


def test_every_data_file_is_packaged():
    """So does a file of data that no pattern names."""
    named = SETTINGS["tool"]["setuptools"]["package-data"]
    patterns = {
        (ROOT / package.replace(".", "/"), pattern)
        for package, of in named.items()
        for pattern in of
    }
    packaged = {file for folder, pattern in patterns for file in folder.glob(pattern)}
    data = {f for f in (ROOT / "mmbench").rglob("*.*") if f.suffix in (".json", ".toml", ".csv")}
    assert data and data <= packaged


def test_the_files_of_skeletons_are_packaged():
    tools = SETTINGS["tool"]["setuptools"]
    folder, patterns = tools["package-dir"]["mmbench.examples"], tools["package-data"]
    packaged = {f for p in patterns["mmbench.examples"] for f in (ROOT / folder).glob(p)}
    found = {f for f in (ROOT / folder / "third_party").rglob("*") if f.suffix in (".py", ".toml")}
    assert found and found == packaged


def test_the_version_stands_in_the_changelog():
    from mmbench import __version__

    assert SETTINGS["project"]["version"] == __version__
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## \[({re.escape(__version__)}|Unreleased)\]", changelog, re.M)
    assert "### Numbers changed" in changelog
