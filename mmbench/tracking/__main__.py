"""The process of a tracker: `python -m mmbench.tracking MODULE:CLASS`.

A line of JSON is what the tracker is made with, and each line after it a method and its arguments.
Each is answered by a line: why it failed, or else an empty one.
"""

import json
import os
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module

from mmbench.errors import first_line
from mmbench.tracking.tracking import GRACE, Tracker

LONGEST = 300  # characters of an answer
NICENESS = 10


def main() -> None:
    """Calls the tracker until the run ends, or for some time after it was killed."""
    answers = os.dup(1)
    os.set_blocking(answers, False)
    for stream in (1, 2):  # what the packages print belongs to no run
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)

    def answer(error: BaseException | None = None) -> None:
        text = f"{type(error).__name__}: {first_line(error)}"[:LONGEST] if error else ""
        with suppress(OSError):  # nobody reads it
            os.write(answers, text.encode(errors="replace") + b"\n")

    threading.Thread(target=_end_after, args=(os.getppid(),), daemon=True).start()
    with suppress(AttributeError, OSError):
        os.nice(NICENESS)
    entries, done = map(json.loads, sys.stdin), False
    try:
        module, _, name = sys.argv[1].partition(":")
        tracker: Tracker = getattr(import_module(module), name)(*next(entries))
        for method, *arguments in entries:
            if method == "done":
                done = True
                continue
            try:
                getattr(tracker, method)(*arguments)
                answer()
            except Exception as error:
                answer(error)
        tracker.close(done)
    except BaseException as error:
        answer(error)
    os._exit(0)  # at once, whatever the packages would wait for


def _end_after(run: int) -> None:
    """Ends this process some time after that of the run, even if the tracker hangs."""
    while os.getppid() == run:
        time.sleep(1)
    time.sleep(GRACE)
    os._exit(1)


if __name__ == "__main__":
    main()
