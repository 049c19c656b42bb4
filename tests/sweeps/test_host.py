"""A run as a process: interrupted with who waits for it, tried again while another makes it."""

import _thread
import signal
import sys
import threading
import time
from functools import partial

import pytest

from mmbench.files.locks import Busy
from mmbench.sweeps import host
from mmbench.sweeps.host import begin, complete, stop

SCRIPT = """
import sys, time
from pathlib import Path
home, name = Path(sys.argv[1]), sys.argv[2]
print("working", flush=True)
if name == "busy":
    (home / f"{time.monotonic()}.tried").touch()
    sys.exit(75 if len(list(home.glob("*.tried"))) < 3 else 0)
if name == "wrong":
    sys.exit("Error: it cannot be made")
(home / "begun").touch()
try:
    time.sleep(60)
except KeyboardInterrupt:
    (home / "interrupted").touch()
"""


@pytest.fixture
def start(tmp_path):
    (tmp_path / "run.py").write_text(SCRIPT)
    return [sys.executable, "-S", str(tmp_path / "run.py"), str(tmp_path)]


@pytest.fixture
def completed(start, tmp_path):
    return lambda name: complete([name], tmp_path / "logs" / "it.log", {}, start)


def test_what_fails_says_why(completed):
    assert completed("wrong") == "Error: it cannot be made"


def test_a_run_that_another_process_makes_is_tried_again(completed, tmp_path, monkeypatch):
    monkeypatch.setattr(host, "PAUSE", 0.1)
    assert Busy.exit_code == 75 and completed("busy") == ""
    assert len(list(tmp_path.glob("*.tried"))) == 3


def test_it_is_not_tried_for_ever(completed, tmp_path, monkeypatch):
    monkeypatch.setattr(host, "PAUSE", 0.1)
    monkeypatch.setattr(host, "PATIENCE", 0.0)
    assert completed("busy") == "working" and len(list(tmp_path.glob("*.tried"))) == 1


def until(path):
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    "how",
    [
        lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGINT),
        _thread.interrupt_main,  # as Ray does, which ends no call that blocks
    ],
)
def test_who_waits_for_a_run_interrupts_it_when_interrupted(completed, tmp_path, how):
    def interrupt():
        until(tmp_path / "begun")
        how()

    threading.Thread(target=interrupt).start()
    # A shell makes the jobs that it starts in the background deaf to this signal.
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            completed("long")
    finally:
        signal.signal(signal.SIGINT, usual)
    assert (tmp_path / "interrupted").exists()


def test_a_run_can_be_interrupted_where_the_sweep_blocks_interrupts(start, tmp_path):
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        run = begin(["long"], tmp_path / "it.log", {}, start)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    until(tmp_path / "begun")
    stop([run])
    assert (tmp_path / "interrupted").exists()


def test_it_is_deaf_to_the_signals_that_are_meant_for_who_waits(start, tmp_path):
    deaf = (signal.SIGTERM, signal.SIGUSR2)
    run = begin(["long"], tmp_path / "it.log", {}, start, deaf)
    until(tmp_path / "begun")
    for number in deaf:
        run.send_signal(number)
    time.sleep(0.2)
    assert run.poll() is None
    stop([run])
    assert (tmp_path / "interrupted").exists() and run.returncode == 0


def test_a_run_in_progress_has_an_exit_code_of_its_own(toy_loads, tmp_path):
    from click.testing import CliRunner
    from tiny import settings

    from mmbench.api.preparation import runs
    from mmbench.cli.main import main
    from mmbench.files.locks import alone
    from mmbench.progress import Progress

    asked = settings()
    changes = [a for a in asked[4:] if a != "--set"]
    make = partial(runs, "mvae", "mhd-mini", [0], tmp_path, "cpu", Progress(None))
    (run,) = make(settings=changes)
    with alone(run.folder / "lock"):
        more = ["--model", "mvae", "--out", str(tmp_path), *asked[2:], "--dataset", "mhd-mini"]
        done = CliRunner().invoke(main, ["run", *more])
    assert done.exit_code == Busy.exit_code, done.output
