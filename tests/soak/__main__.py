"""Small runs for a long time: memory, open handles, threads and children must not grow.

    python -m tests.soak --minutes 120

One process makes runs, one after the other, and another makes sweeps of forked runs. What each of
them holds is printed at intervals. The exit code is 1 if the last third of the time holds more
than the third before it, the first one being left to caches that fill, or if one of them fails.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

import torch

from mmbench.sweeps import local  # noqa: F401 - before subprocesses are replaced
from tests.kills.home import command, write_data
from tests.kills.processes import children, fork_runs, started

MODELS = ("mld", "mvae", "mopoe", "nexus", "sbm-vae")
SWEPT = ("mld", "mld-inpaint")
KEPT = 20  # runs or sweeps before their results are deleted
SHARE, SLACK = 0.02, 4.0  # of the memory, and MB, that may vary
LEAST = 9  # looks that tell whether something grows
LIMIT = 600.0  # seconds after which a run or a sweep hangs
TITLES = ("MB", "handles", "threads", "children", "done")


def runs(folder: Path, home: Path, note: Callable[[], None]) -> None:
    """Makes runs of each model in turn, with a seed of its own each."""
    for seed in count():
        model = MODELS[seed % len(MODELS)]
        command(folder, (model,), home, "run", "--seed", str(seed), "--device", "cpu")
        tidy(home, seed)
        note()


def sweeps(workers: int, folder: Path, home: Path, note: Callable[[], None]) -> None:
    """Makes sweeps, each of two models with a new seed."""
    fork_runs()
    for seed in count():
        which = ["sweep", "--seed", str(seed), "--workers", str(workers), "--device", "cpu"]
        command(folder, SWEPT, home, *which)
        tidy(home, seed)
        note()


def tidy(home: Path, done: int) -> None:
    """Deletes the results now and then, so that the disk does not fill."""
    if done % KEPT == KEPT - 1:
        shutil.rmtree(home / "results")


def held(process: int) -> list[float]:
    """The memory of a process in MB, its open handles, its threads and its children."""
    status = Path(f"/proc/{process}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    handles = len(os.listdir(f"/proc/{process}/fd"))
    memory = int(fields["VmRSS"].split()[0]) / 1024
    return [memory, handles, int(fields["Threads"]), len(children(process))]


def grown(samples: list[list[float]]) -> list[str]:
    """What grows from the second third of some samples to the last."""
    third = len(samples) // 3
    before, after = samples[third : 2 * third], samples[2 * third :]
    found = []
    for i, title in enumerate(TITLES[:-1]):
        then, now = ([s[i] for s in part] for part in (before, after))
        if i == 0:
            more = median(now) > median(then) * (1 + SHARE) + SLACK
        else:  # a run in progress has some for a while, in either third
            more = max(now) > max(then) and median(now) > median(then)
        if more:
            found.append(f"{title} from {median(then):.0f} to {median(now):.0f}")
    return found


def main() -> None:
    """Makes runs and sweeps, watches and reports."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two looks")
    parser.add_argument("--workers", type=int, default=2, help="of each sweep")
    options = parser.parse_args()
    torch.set_num_threads(1)  # the runs of sweeps are forked, which threads do not survive
    wrong = False
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_data(folder)
        begun, watched = time.monotonic(), {}
        for name, work in (("runs", runs), ("sweeps", partial(sweeps, options.workers))):
            notes, said = folder / f"{name}.done", folder / f"{name}.said"
            notes.touch()

            def note(notes: Path = notes) -> None:
                with notes.open("a") as file:
                    file.write("x")

            task = partial(work, folder, folder / name, note)
            watched[name] = started(task, said=said), notes, said
        samples: dict[str, list[list[float]]] = {name: [] for name in watched}
        print("minutes  of      " + "".join(f"{title:>10}" for title in TITLES))
        try:
            while time.monotonic() - begun < options.minutes * 60:
                time.sleep(options.every)
                for name, (process, notes, said) in watched.items():
                    if os.waitpid(process, os.WNOHANG)[0]:
                        raise RuntimeError(f"{name} ended:\n{said.read_text()[-2000:]}")
                    done = notes.stat().st_size
                    if time.time() - max(notes.stat().st_mtime, notes.stat().st_ctime) > LIMIT:
                        raise RuntimeError(f"{name} hangs:\n{said.read_text()[-2000:]}")
                    found = held(process)
                    if done:  # libraries are imported by then
                        samples[name].append(found)
                    cells = "".join(f"{x:10.0f}" for x in (*found, done))
                    print(f"{(time.monotonic() - begun) / 60:7.1f}  {name:8}{cells}", flush=True)
        except RuntimeError as error:
            print(error)
            wrong = True
        finally:
            for process, _, _ in watched.values():
                for child in (*children(process), process):
                    with suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
        for name, of in samples.items():
            more = grown(of) if len(of) >= LEAST else ["too short a time to tell what"]
            wrong = wrong or bool(more)
            done = watched[name][1].stat().st_size
            print(f"{done} {name}: {', '.join(more) or 'nothing'} grows")
    sys.exit(wrong)


if __name__ == "__main__":
    main()
