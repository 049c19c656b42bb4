"""What the tests of sweeps share: mmbench as a process, and a SLURM of this machine alone."""

import os
import subprocess
import sys

import pytest
from one_host import missing, start, stop
from tiny import settings

from mmbench.progress import Progress
from mmbench.sweeps.plan import Sweep


@pytest.fixture
def mmbench(_own_cache, monkeypatch):
    """Calls mmbench in a process of its own: what it printed, and its exit code."""
    monkeypatch.delenv("MMBENCH_DATA", raising=False)  # it would be an option of every run

    def call(*arguments, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "mmbench", *map(str, arguments)],
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            capture_output=True,
            text=True,
            timeout=500,
        )
        return done.stdout + done.stderr, done.returncode

    return call


@pytest.fixture
def planned(tmp_path):
    """The plan of runs of a toy with these options of the command."""

    def make(options=None, seeds=(0,)):
        asked = options or settings()
        changes = [a for a in asked if "=" in a]
        sweep = Sweep(tmp_path / "results", settings=changes, device="cpu")
        return sweep.plan(["mvae"], [asked[1]], seeds, Progress(None))

    return make


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """The environment of the users of a SLURM of this machine alone."""
    pytest.importorskip("submitit")
    if lacking := missing():
        pytest.skip(f"needs {', '.join(lacking)}, of Debian's packages slurm-wlm and munge")
    folder = tmp_path_factory.mktemp("slurm")
    try:
        environment = start(folder)
    except RuntimeError as error:
        pytest.skip(f"SLURM does not start here: {error}")
    yield environment
    stop(folder)
