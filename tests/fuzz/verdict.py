"""What becomes of reading mutants, in a process that may hang, grow or crash."""

import os
import resource
import select
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import click
from click.testing import CliRunner

from mmbench.cli.main import Commands

LIMIT = 20.0
"""Seconds that reading may take, without those in which a busy machine computes something else."""
MEMORY = 2 * 2**30
"""Bytes of memory that reading may take, beside what the process began with."""
FINE = ("read", "refused")
PAUSE = 0.02
"""Seconds between looks at the memory of the process."""


def verdicts(
    read: Callable[[int], str], numbers: Sequence[int], limit: float = LIMIT, memory: int = MEMORY
) -> Iterator[tuple[int, str]]:
    """Each number and what `read` returns for it, or else what became of the process.

    The process reads one after the other, and is started again after one that ended it.
    """
    left = list(numbers)
    # A forked process begins without the files that this one has mapped, and may map them again:
    # what it holds is counted without them, its peak, which is known only with them, beside them.
    begun, files = _memory(os.getpid(), "RssAnon"), _memory(os.getpid(), "RssFile")
    while left:
        receiver, sender = os.pipe()
        process = os.fork()
        if process == 0:
            try:
                _serve(read, left, sender, begun + files + memory)
            finally:
                os._exit(0)
        os.close(sender)
        with os.fdopen(receiver, "rb", buffering=0) as stream:
            wrong, waiting, clock = "", b"", Clock(process)
            while left and not wrong:
                if select.select([stream], [], [], PAUSE)[0]:
                    if not (more := stream.read(2**16)):
                        wrong = "crash: the process ended"
                    *lines, waiting = (waiting + more).split(b"\n")
                    for line in lines:
                        yield left.pop(0), line.decode()
                        clock = Clock(process)
                elif clock.seconds() > limit:
                    wrong = f"hang: more than {limit:g} s"
                elif _memory(process, "RssAnon") > begun + memory:
                    wrong = f"memory: more than {memory:,} bytes"
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        if wrong and left:
            yield left.pop(0), wrong


class Clock:
    """The seconds that a process computes, or waits for anything but a processor."""

    def __init__(self, process: int) -> None:
        self.process, self.waited = process, 0.0
        self.looked, self.begun = time.monotonic(), self._computed()[0]

    def seconds(self) -> float:
        """Since it began; to be asked often."""
        now, (computed, ready) = time.monotonic(), self._computed()
        self.waited += 0.0 if ready else now - self.looked
        self.looked = now
        return computed - self.begun + self.waited

    def _computed(self) -> tuple[float, bool]:
        """The seconds of computing so far, and whether a thread computes or could."""
        seconds, ready = 0.0, False
        for path in Path(f"/proc/{self.process}/task").glob("*/stat"):
            with suppress(OSError):  # it has ended
                fields = path.read_text().rpartition(")")[2].split()
                seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                ready |= fields[0] == "R"
        return seconds, ready


def _serve(read: Callable[[int], str], numbers: list[int], sender: int, memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    for number in numbers:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        said = read(number)
        if (peak := _memory(os.getpid(), "VmHWM")) > memory:
            said = f"memory: {peak:,} bytes"
        os.write(sender, said.encode(errors="replace").replace(b"\n", b" ")[:2000] + b"\n")


def judged(read: Callable[[Path], object], folder: Path, named: bool = True) -> str:
    """Reads a folder: "read", "refused: <sentence>", or else what a user would see instead.

    With `named` the sentence must name a file of the folder.
    """

    @click.command()
    def command() -> None:
        read(folder)

    known = {folder.name, *(path.name for path in folder.rglob("*"))}
    done = CliRunner().invoke(Commands(commands={"read": command}), ["read"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        place = traceback.extract_tb(done.exception.__traceback__)[-1]
        kind = type(done.exception).__name__
        return f"traceback: {kind} ({done.exception!s:.200}) in {place.filename}:{place.lineno}"
    if done.exit_code == 0:
        return "read"
    lines = done.output.strip().splitlines()
    if len(lines) != 1 or not lines[0].startswith("Error: "):
        return f"lines: {done.output!r}"
    if named and not any(name in lines[0] for name in known):
        return f"unnamed: {lines[0]}"
    return f"refused: {lines[0]}"


def _memory(process: int, what: str) -> int:
    """Bytes of a process's memory: "RssAnon" without files, "VmHWM" at its peak."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:  # it has ended
        return 0
    return next((int(x.split()[1]) << 10 for x in status.splitlines() if x.startswith(what)), 0)
