"""The live view of a sweep in a terminal, read as the terminal shows it."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from contextlib import suppress

import pytest
from tiny import settings

from mmbench.sweeps.host import Job, Outcome
from mmbench.sweeps.planned import Planned
from mmbench.sweeps.view import View
from mmbench.text import printed_width

WIDTH, HEIGHT = 60, 6
PARTS = re.compile("\x1b\\[(\\d*)([A-Za-z])|([\r\n])|(.)")


def screens(printed):
    """The lines that a terminal shows, each time before it erases some, and at the end."""
    lines, row, column = [""], 0, 0
    for number, order, moved, sign in PARTS.findall(printed):
        if order == "A":
            row = max(0, row - int(number or 1))
        elif order == "J":
            yield lines
            lines = [*lines[:row], lines[row][:column]]
        elif moved == "\r":
            column = 0
        else:
            assert not order, order
            wide = printed_width(sign) if sign else 0
            if moved or column + wide > WIDTH:
                row, column = row + 1, column if moved else 0
                lines += [""] * (row + 1 - len(lines))
            if sign:
                lines[row] = lines[row][:column].ljust(column) + sign
                column += wide
    yield lines


@pytest.fixture
def terminal(monkeypatch):
    """The end of a small terminal to write to, and what reads from the other end."""
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))

    def read():
        os.close(theirs)
        printed = b""
        with suppress(OSError):  # the other end is closed
            while part := os.read(ours, 4096):
                printed += part
        return printed.decode()

    yield theirs, read
    os.close(ours)


def test_a_sweep_shows_its_runs_while_they_last_and_leaves_a_line_for_each(terminal, tmp_path):
    theirs, read = terminal
    asked = ["sweep", "--model", "mvae", "--seed", "0-1", *settings()]
    command = [sys.executable, "-m", "mmbench", *asked, "--out", str(tmp_path), "--workers", "2"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as sweep:
        *live, last = screens(read())
    assert sweep.returncode == 0, last
    shown = [line for screen in live for line in screen]
    assert "0 of 2 runs have ended" in shown
    assert any(re.search(r"^  \S+:toy mvae [01]  0:\d\d  \S+", line) for line in shown), shown
    assert sum(line.startswith("recorded ") for line in last) == 2, last
    assert not any("have ended" in line or line.startswith("  ") for line in last), last


def test_what_is_live_never_takes_more_than_its_lines(terminal, tmp_path, monkeypatch):
    theirs, read = terminal
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((WIDTH, HEIGHT)))
    log = tmp_path / "it.log"
    log.write_text("\x1b[2J訓練の損失" * 20)  # it would clear the screen, and is wide
    jobs = [Job(Planned("mvae", "toy", seed, "missing"), log) for seed in range(9)]
    jobs.append(Job(Planned("mvae", "toy", 9, "missing"), log, "queued"))
    with open(os.dup(theirs), "w") as out:
        view = View(out, len(jobs))
        view.running(jobs)
        view.running(jobs)
        view.ended(Outcome(jobs[0].planned, 61.0, "", log))
        view.running(jobs[1:])
        view.close()
    *live, last = screens(read())
    begun = [*(f"started toy mvae {seed}" for seed in range(9)), "queued toy mvae 9"]
    counted = [[line for line in screen if "have ended" in line] for screen in live]
    assert [len(lines) for lines in counted] == [1, 1, 1]
    assert counted[-1] == ["1 of 10 runs have ended, 1 queued"]
    assert all(len(screen) == len(begun) + HEIGHT for screen in live[:2])
    assert last == [*begun, "recorded toy mvae 0 in 1:01", ""]
