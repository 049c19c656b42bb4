import os
from pathlib import Path

import pytest
import torch


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", help="device of the tests: cpu, cuda, ...")


@pytest.fixture
def device(request):
    return torch.device(request.config.getoption("--device"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """No test reads or fills the user's cache."""
    monkeypatch.setenv("MMBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))


def pytest_collection_modifyitems(items):
    data = Path(os.environ.get("MMBENCH_DATA", ""))
    missing = {
        "gpu": None if torch.cuda.is_available() else "needs a CUDA device",
        "realdata": None if os.environ.get("MMBENCH_DATA") and data.is_dir()
        else "needs MMBENCH_DATA, the folder of real samples",
    }  # fmt: skip
    for item in items:
        for marker, reason in missing.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
