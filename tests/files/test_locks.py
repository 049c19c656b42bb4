"""One process at a time, with the file system's locks and without."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time

import pytest

from mmbench.files.atomic import LIFETIME, discard
from mmbench.files.locks import HELD, UNSUPPORTED, alone, supported

PRELUDE = """
import errno, fcntl, sys, time
from pathlib import Path
number, path = int(sys.argv[1]), Path(sys.argv[2])
if number:
    def refuse(*_):
        raise OSError(number, "no locks here")
    fcntl.flock = refuse
from mmbench.files.locks import alone
"""


def start(code, number, path):
    script = PRELUDE + textwrap.dedent(code)
    command = [sys.executable, "-c", script, str(number), str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture(params=[0, *dict.fromkeys(UNSUPPORTED)], ids=lambda n: os.strerror(n) if n else "")
def number(request, monkeypatch):
    """What the file system answers to a lock: 0 where it has them."""
    if request.param:

        def refuse(*_):
            raise OSError(request.param, "no locks here")

        monkeypatch.setattr(fcntl, "flock", refuse)
    return request.param


def test_one_process_at_a_time(number, tmp_path):
    count = """
        counter = path.with_name("counter")
        for _ in range(20):
            with alone(path):
                n = int(counter.read_text())
                time.sleep(0.001)
                counter.write_text(str(n + 1))
    """
    (tmp_path / "counter").write_text("0")
    others = [start(count, number, tmp_path / "lock") for _ in range(3)]
    assert [p.wait(60) for p in others] == [0, 0, 0]
    assert (tmp_path / "counter").read_text() == "60"
    assert [p.name for p in tmp_path.iterdir()] == ["counter"]


def test_who_finds_it_held_is_told_where_and_may_refuse(number, tmp_path):
    named = []

    def busy(path):
        named.append(path)
        raise ValueError("busy")

    with alone(tmp_path / "lock"), pytest.raises(ValueError, match="busy"):
        with alone(tmp_path / "lock", busy):
            pytest.fail("two at a time")
    assert named == [tmp_path / ("lock" + HELD * bool(number))]
    with alone(tmp_path / "lock", busy):
        pass


def test_an_old_empty_file_is_no_process(number, tmp_path):
    (tmp_path / "lock").touch()
    with alone(tmp_path / "lock", lambda path: pytest.fail(f"{path} is held")):
        pass


def test_a_killed_process_holds_nothing(tmp_path):
    holder = start(
        "with alone(path):\n    print('held', flush=True)\n    time.sleep(60)",
        *(0, tmp_path / "deep" / "lock"),
    )
    assert holder.stdout.readline() == "held\n"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with alone(tmp_path / "deep" / "lock", lambda path: pytest.fail(f"{path} is held")):
        pass
    assert not list((tmp_path / "deep").iterdir())


def test_an_interrupt_while_it_ends_holds_nothing(tmp_path, monkeypatch):
    def interrupted(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patches:
        patches.setattr(os, "unlink", interrupted)
        with pytest.raises(KeyboardInterrupt), alone(tmp_path / "lock"):
            pass
    with alone(tmp_path / "lock", lambda path: pytest.fail(f"{path} is held")):
        pass


def test_who_waits_goes_on_when_the_holder_ends(tmp_path):
    order = []

    def wait():
        with alone(tmp_path / "lock", lambda _: order.append("waits")):
            order.append("second")

    other = threading.Thread(target=wait)
    with alone(tmp_path / "lock"):
        other.start()
        while not order:
            time.sleep(0.01)
        order.append("first")
    other.join(10)
    assert order == ["waits", "first", "second"]


def test_another_error_is_no_lack_of_locks(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(5, "input/output error")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="input/output"), alone(tmp_path / "lock"):
        pass


def test_what_a_broken_disk_leaves_of_a_trial_is_hidden_and_removed_later(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(5, "input/output error")

    with monkeypatch.context() as patches:
        patches.setattr(os, "O_TMPFILE", 0)  # as on a file system that cannot do without a name
        patches.setattr(tempfile, "_O_TMPFILE_WORKS", False)
        patches.setattr(os, "unlink", fail)
        with pytest.raises(OSError, match="input/output"):
            supported(tmp_path)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".")
    long_ago = time.time() - LIFETIME - 60
    os.utime(left, (long_ago, long_ago))
    discard(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, monkeypatch):
    """Not the file in it that users do not know."""

    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(tmp_path / ".trial.part"))

    monkeypatch.setattr("mmbench.files.locks.TemporaryFile", refuse)
    with pytest.raises(OSError) as raised, alone(tmp_path / "lock"):
        pass
    assert (raised.value.errno, raised.value.filename) == (errno.EROFS, str(tmp_path))
