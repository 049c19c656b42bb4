"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

LINE_SECONDS = 10.0  # between two plain lines


class Bar:
    """The progress of one stage; made by `Progress.stage`."""

    def __init__(self, title: str, total: int, done: int, unit: str, out: TextIO | None) -> None:
        self.title, self.total, self.done, self.unit, self.out = title, total, done, unit, out
        self._first, self._start = done, time.monotonic()
        self._last = self._start
        self._bar = None
        if out is not None and out.isatty():
            look: dict[str, Any] = {"leave": False, "dynamic_ncols": True, "mininterval": 0.2}
            self._bar = tqdm(desc=title, total=total, file=out, unit=unit, initial=done, **look)

    def update(self, done: int, note: str = "") -> None:
        """Reports that `done` of the total units are finished; `note` is e.g. "loss 0.12"."""
        step, self.done = done - self.done, done
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(step)
        elif self.out is not None and time.monotonic() - self._last >= LINE_SECONDS:
            self._last = time.monotonic()
            rate = (done - self._first) / (self._last - self._start)
            left = clock((self.total - done) / rate) if rate else "?"
            parts = [f"{self.title}: {done}/{self.total}"] + ([note] if note else [])
            line = ", ".join([*parts, f"{rate:.3g} {self.unit}/s", f"{left} left"])
            print(line, file=self.out, flush=True)

    def close(self) -> None:
        """Removes the bar from the screen."""
        if self._bar is not None:
            self._bar.close()


class Progress:
    """Where long work reports.

    Args:
        out: A text stream; standard error by default, None for no reports.
        about: What the titles of its stages begin with, if anything.
    """

    def __init__(self, out: TextIO | None = sys.stderr, about: str = "") -> None:
        self.out, self._about = out, about and f"{about}: "

    def waiting(self, lock: Path) -> None:
        """Reports that another process holds the lock of this file."""
        self.say(f"another process holds {lock}; waiting for it")

    @contextmanager
    def stage(self, title: str, total: int, done: int = 0, unit: str = "step") -> Iterator[Bar]:
        """A stage of `total` units, `done` of them finished before; reports its duration."""
        title = self._about + title
        bar = Bar(title, total, done, unit, self.out)
        start = time.monotonic()
        try:
            yield bar
        finally:
            bar.close()
        self.say(f"{title}: done in {clock(time.monotonic() - start)}")

    def say(self, line: str) -> None:
        """Prints one line."""
        if self.out is not None:
            print(line, file=self.out, flush=True)


def clock(seconds: float) -> str:
    """A duration as h:mm:ss or m:ss."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02}:{s:02}" if hours else f"{m}:{s:02}"
