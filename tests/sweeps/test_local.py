"""Runs of a sweep as processes: several at a time, and none takes another down."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch

from mmbench.api import device
from mmbench.sweeps.host import LOGS, last_line
from mmbench.sweeps.local import Local, at_once, gpus_here
from mmbench.sweeps.planned import Planned

SCRIPT = """
import os, sys, time
from pathlib import Path
home, name = Path(sys.argv[1]), sys.argv[2:]
seed = name[name.index("--seed") + 1]
own = os.environ["OMP_NUM_THREADS"] + os.environ.get("CUDA_VISIBLE_DEVICES", "")
(home / f"{seed}.begun").write_text(own)
print("working", flush=True)
if seed == "1":
    sys.exit("Error: it cannot be made")
if seed == "7":
    os.kill(os.getpid(), 9)
if seed == "2":
    while len(list(home.glob("*.begun"))) < 2: time.sleep(0.01)
if seed == "9":
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        (home / "interrupted").touch()
"""


@pytest.fixture
def made(tmp_path):
    """Executes runs of these seeds: seed -> its fault."""
    (tmp_path / "run.py").write_text(SCRIPT)
    start = [sys.executable, "-S", str(tmp_path / "run.py"), str(tmp_path)]

    def go(seeds, workers, datasets=("toy",), devices=(), watch=lambda jobs: None):
        planned = [Planned("mld", d, seed, "missing") for seed in seeds for d in datasets]
        host = Local(tmp_path / "results", workers, devices, start)
        assert host.states(planned) == planned
        found = host.execute(planned, watch)
        return {o.planned.seed: o.fault for o in found}

    return go


def test_one_that_fails_stops_no_other(made, tmp_path):
    assert made([0, 1, 3], 1) == {0: "", 1: "Error: it cannot be made", 3: ""}
    logs = sorted(p.name for p in (tmp_path / "results" / LOGS).iterdir())
    assert [name[:10] for name in logs] == [f"toy-mld-{i}-" for i in (0, 1, 3)]


def test_what_is_done_or_cannot_be_is_not_made(tmp_path):
    planned = [Planned("mld", "toy", 0, state) for state in ("done", "impossible", "queued")]
    assert list(Local(tmp_path).execute(planned, lambda jobs: None)) == []


def test_each_run_has_a_log_of_its_own_whatever_its_data_set_is_called(made, tmp_path):
    named = ["own/a.toml", "own-a.toml", "own:a.toml", "/far/" * 60 + "a.toml"]
    assert made([0], 4, named) == {0: ""}
    logs = list((tmp_path / "results" / LOGS).iterdir())
    assert [p.read_text() for p in logs] == ["working\n"] * len(named)


def test_what_ends_a_run_is_no_line_of_its_log(made):
    fault = made([7], 1)[7]
    assert "signal" in fault and "working" not in fault


@pytest.mark.parametrize(("alone", "each"), [(12, 6), (5, 5)])
def test_several_run_at_the_same_time_with_a_share_of_the_threads(
    made, tmp_path, monkeypatch, alone, each
):
    monkeypatch.setattr(device, "cores", lambda: 12)
    monkeypatch.setattr(torch, "get_num_threads", lambda: alone)  # OMP_NUM_THREADS, if it is set
    assert made([2, 3], 2) == {2: "", 3: ""}  # the first waits for the second
    assert (tmp_path / "2.begun").read_text() == str(each)


def test_each_of_more_runs_than_cores_has_a_thread(monkeypatch):
    monkeypatch.setattr(device, "cores", lambda: 2)
    assert device.threads(3) == 1


def test_each_worker_has_its_device(made, tmp_path):
    made([2, 3], 2, devices=["4", "5"])
    devices = {(tmp_path / f"{i}.begun").read_text()[1:] for i in (2, 3)}
    assert devices == {"4", "5"}


def test_devices_are_those_that_the_user_left_visible(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpus_here(2) == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-8a,-1,2")
    assert gpus_here(2) == ["3", "GPU-8a"] and gpus_here(0) == []


@pytest.mark.parametrize(
    ("workers", "per_gpu", "gpus", "many"),
    [(None, None, 0, 1), (3, None, 0, 3), (None, None, 2, 2), (None, 2, 2, 4), (3, None, 2, 3)],
)
def test_so_many_run_at_once_as_the_user_says(workers, per_gpu, gpus, many):
    assert at_once(workers, per_gpu, gpus) == many


@pytest.mark.parametrize("gpus", [0, 2])
def test_what_is_said_twice_or_in_vain_is_refused(gpus):
    with pytest.raises(ValueError, match="--workers"):
        at_once(2 if gpus else None, 2, gpus)


def test_an_interrupt_ends_all_of_them(made, tmp_path):
    def interrupt(workers):
        if (tmp_path / "9.begun").exists() and last_line(workers[0].log) == "working":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made([9], 1, watch=interrupt)
    assert (tmp_path / "interrupted").exists()


def test_runs_do_not_outlive_a_sweep_that_is_killed(tmp_path):
    (tmp_path / "run.py").write_text(SCRIPT)
    start = [sys.executable, "-S", str(tmp_path / "run.py"), str(tmp_path)]
    child = os.fork()
    if child == 0:
        planned = [Planned("mld", "toy", 9, "missing")]
        running = lambda workers: (tmp_path / "pid").write_text(str(workers[0].process.pid))
        list(Local(tmp_path / "results", 1, start=start).execute(planned, running))
        os._exit(0)
    deadline = time.monotonic() + 30
    while not (tmp_path / "9.begun").exists() or not (tmp_path / "pid").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    run = int((tmp_path / "pid").read_text())
    while Path(f"/proc/{run}/stat").exists() and time.monotonic() < deadline:
        if Path(f"/proc/{run}/stat").read_text().split()[2] == "Z":
            break
        time.sleep(0.01)
    else:
        assert not Path(f"/proc/{run}").exists()


def test_the_last_line_of_a_log_is_that_of_a_bar(tmp_path):
    log = tmp_path / "it.log"
    assert last_line(log) == ""
    log.write_bytes(b"one\n" + b"x" * 9000 + b"\nscore:  10%\rscore:  20%\r\n\n")
    assert last_line(log) == "score:  20%"
