"""Processes that are forked from one that has imported everything, so that they start at once."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from mmbench.cli.main import main as mmbench

ADOPTS = 36  # PR_SET_CHILD_SUBREAPER of Linux' prctl
PAUSE = 0.01

popen = subprocess.Popen


def started(
    work: Callable[[], None],
    before: Callable[[], None] = lambda: None,
    said: str | Path = os.devnull,
) -> int:
    """The id of a process that does some work after something else; what it prints is kept."""
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        status = 1
        try:
            output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(output, 1)
            os.dup2(output, 2)
            before()
            status = code(work)
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
            os._exit(status)
    return process


def code(work: Callable[[], None]) -> int:
    """The exit code of a command; one that raises prints what a user would see."""
    try:
        work()
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    return 0


def ended(process: int) -> bool:
    """Whether a process came to its end, or else was killed.

    Raises:
        RuntimeError: It failed.
    """
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status > 0:
        raise RuntimeError("a run that was started again fails")
    return status == 0


def adopt() -> None:
    """Has processes whose parent ends become children of this one, for `all_ended`."""
    ctypes.CDLL(None).prctl(ADOPTS, 1)


def all_ended(limit: float) -> dict[int, int]:
    """Waits for all children: process -> exit code, negative for a signal.

    Raises:
        TimeoutError: Some do not end in so many seconds; they are killed.
    """
    found: dict[int, int] = {}
    deadline = time.monotonic() + limit
    while True:
        try:
            process, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if process:
            found[process] = os.waitstatus_to_exitcode(status)
        elif time.monotonic() > deadline:
            for child in children(os.getpid()):
                os.kill(child, signal.SIGKILL)
            raise TimeoutError(f"processes still run after {limit:.0f} s")
        else:
            time.sleep(PAUSE)


def children(process: int) -> list[int]:
    """The children of a process, by Linux' /proc."""
    try:
        return [
            int(c) for c in Path(f"/proc/{process}/task/{process}/children").read_text().split()
        ]
    except OSError:  # it has ended
        return []


class Forked:
    """Stands for `subprocess.Popen` of `python -m mmbench ...`, without starting Python anew."""

    before: Callable[[], None] = staticmethod(lambda: None)
    """Called in each process before its command."""

    def __init__(self, arguments: Sequence[str], **how: Any) -> None:
        self.args, self.returncode = arguments, None
        sys.stdout.flush()
        masked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # as until an exec
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                os.dup2(how["stdout"].fileno(), 1)
                os.dup2(1, 2)
                os.setsid()
                os.environ.update(how["env"])
                if how["preexec_fn"] is not None:
                    how["preexec_fn"]()
                signal.pthread_sigmask(signal.SIG_SETMASK, masked)
                Forked.before()
                command = arguments[arguments.index("mmbench") + 1 :]
                status = code(lambda: mmbench(list(command), standalone_mode=False))
            finally:
                with contextlib.suppress(OSError):
                    sys.stdout.flush()
                os._exit(status)
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)

    def poll(self) -> int | None:
        """The exit code, if the process has ended."""
        if self.returncode is None:
            process, status = os.waitpid(self.pid, os.WNOHANG)
            if process:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the process."""
        deadline = time.monotonic() + (timeout or float("inf"))
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            time.sleep(PAUSE)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kills it."""
        self.send_signal(signal.SIGKILL)


def fork_runs() -> None:
    """Has runs that this process starts forked from it; what else it starts is started."""

    def start(arguments: Sequence[str], *more: Any, **how: Any) -> Any:
        ours = "mmbench" in arguments and "preexec_fn" in how
        return Forked(arguments, **how) if ours else popen(arguments, *more, **how)

    subprocess.Popen = start  # type: ignore[misc,assignment]
