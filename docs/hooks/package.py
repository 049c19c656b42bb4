"""Lays the package out as it is installed, for the API reference, which reads sources by path.

Four folders beside `mmbench/` are installed as parts of it (`package-dir` in pyproject.toml).
"""

import tomllib
from pathlib import Path
from shutil import copytree, ignore_patterns, rmtree

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "build" / "package"
"""Where mkdocs.yml sends the reference."""


def on_startup(command: str, dirty: bool) -> None:
    """Copies every part of the package to `PLACE`, before the reference looks for it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    mapped = project["tool"]["setuptools"]["package-dir"]
    rmtree(PLACE, ignore_errors=True)
    unread = ignore_patterns("__pycache__", "*.safetensors")
    for name, folder in {"mmbench": "mmbench", **mapped}.items():
        copytree(ROOT / folder, PLACE.joinpath(*name.split(".")), ignore=unread)
