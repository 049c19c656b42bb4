import os
from pathlib import Path

import pytest
import torch

from mmbench.core import Dataset, Modality, Split

torch.set_num_threads(1)  # the networks of tests are small: threads cost more than they give


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", help="device of the tests: cpu, cuda, ...")
    parser.addoption("--slow", action="store_true", help="also run what takes minutes")
    parser.addoption("--repin", action="store_true", help="write tests/pins.json anew")


@pytest.fixture
def device(request):
    return torch.device(request.config.getoption("--device"))


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """One cache for the session and all its workers: the toy's classifiers are trained once."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Registers things as a package does: `installed("mine", models={"m": "module:M"})`."""

    def add(package, version="1", **groups):
        home = tmp_path / f"{package}-{version}.dist-info"
        home.mkdir()
        head = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        (home / "METADATA").write_text(head)
        lines = []
        for group, entries in groups.items():
            lines += [f"[mmbench.{group}]", *(f"{n} = {value}" for n, value in entries.items())]
        (home / "entry_points.txt").write_text("\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(tmp_path)

    return add


@pytest.fixture(autouse=True)
def _own_cache(cache, monkeypatch):
    """No test reads or fills the user's cache."""
    monkeypatch.setenv("MMBENCH_CACHE", str(cache))


def pytest_collection_modifyitems(config, items):
    data = Path(os.environ.get("MMBENCH_DATA", ""))
    missing = {
        "gpu": None if torch.cuda.is_available() else "needs a CUDA device",
        "realdata": None if os.environ.get("MMBENCH_DATA") and data.is_dir()
        else "needs MMBENCH_DATA, the folder of real samples",
        "slow": None if config.getoption("--slow") else "takes minutes: give --slow",
    }  # fmt: skip
    for item in items:
        for marker, reason in missing.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def toy_split(n, seed):
    """Examples in MHD's shapes whose class is a bright row, a level and a bright band."""
    noise = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 10
    image = torch.rand(n, 1, 28, 28, generator=noise) * 0.2
    trajectory = torch.rand(n, 200, generator=noise) * 0.1 + labels[:, None] * 0.09
    sound = torch.rand(n, 1, 32, 128, generator=noise) * 0.2
    for i, c in enumerate(labels.tolist()):
        image[i, :, 2 * c + 4 : 2 * c + 6] += 0.8
        sound[i, :, :, 12 * c : 12 * c + 12] += 0.8
    to_bytes = lambda x: (x * 255).round().to(torch.uint8)
    return Split({"image": to_bytes(image), "trajectory": trajectory, "sound": to_bytes(sound)},
                 labels=labels)  # fmt: skip


def toy_dataset():
    """A data set in MHD's shapes that is made in no time and learnt in seconds."""
    modalities = (
        Modality("image", "image", (1, 28, 28)),
        Modality("trajectory", "trajectory", (200,)),
        Modality("sound", "sound", (1, 32, 128)),
    )
    return Dataset("mhd-mini", modalities, toy_split(200, 0), toy_split(40, 1), 10, 16_000)


@pytest.fixture(scope="session")
def toy():
    return toy_dataset()
