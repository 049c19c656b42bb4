"""The tests of data sets import the helpers that lie beside them, and share fixtures."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmbench.core.source import Download
from mmbench.datasets.download import download, verify

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "mini")]

from custom_files import FOLDER, TOML, arrays, named  # noqa: E402
from download_files import ARCHIVE, PLAIN, QUIET, source  # noqa: E402


@pytest.fixture
def cache(tmp_path):
    """Where loaded data sets are kept; missing at first."""
    return tmp_path / "cache"


@pytest.fixture
def one(shop):
    """A data set of one plain file."""
    return source(Download(shop.offer("a.gz", PLAIN), "raw/a.gz"))


@pytest.fixture
def packed(shop):
    """A data set of one archive, unpacked into its own folder."""
    return source(Download(shop.offer("all.zip", ARCHIVE), "all.zip", unpack="."))


@pytest.fixture
def get(tmp_path):
    def get(what, accept=False, folder="data", progress=QUIET):
        return download("digits", what, tmp_path / folder, tmp_path / "cache", progress, accept)

    return get


@pytest.fixture
def check(tmp_path):
    return lambda what: verify("digits", what, tmp_path / "data", QUIET)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for part, names in (("train", "abcd"), ("test", "xy")):
        for m in ("photo", "caption", "song"):
            (tmp_path / "data" / part / m).mkdir(parents=True)
        for i, e in enumerate(names):
            home = tmp_path / "data" / part
            picture = Image.fromarray(rng.integers(0, 256, (9 + i, 9, 3), np.uint8))
            picture.save(home / "photo" / f"{e}.{'png' if i else 'jpg'}")
            (home / "caption" / f"{e}.txt").write_text(f"A red bird, {e}.")
            np.save(home / "song" / f"{e}.npy", rng.random((1, 4, 3)))
        (home / "labels.csv").write_text("".join(f"{e},{i % 2}\n" for i, e in enumerate(names)))
    (tmp_path / "data" / "train" / "photo" / ".DS_Store").write_text("")
    (tmp_path / "birds.toml").write_text(FOLDER)
    return tmp_path


@pytest.fixture(params=["npz", "pt"])
def toml(request, tmp_path):
    found = named(train=arrays(), test=arrays(4, 1))
    if request.param == "npz":
        np.savez(tmp_path / "data.npz", **found)
    else:
        torch.save({k: torch.from_numpy(x) for k, x in found.items()}, tmp_path / "data.pt")
    path = tmp_path / "mine.toml"
    path.write_text(TOML.format(f"data.{request.param}"))
    return path
