"""Sweeps that are killed, or one of whose runs is, and sweeps whose file operations fail."""

import io
import json
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from mmbench.records.paths import records
from tests.kills.faults import inject, injected
from tests.kills.home import command, content, damaged, differences
from tests.kills.processes import Forked, adopt, all_ended, children, fork_runs, started

MODELS = ("mld", "mld-inpaint")
"""They share their autoencoders."""

SEEDS = ("0", "1")
LIMIT = 600.0  # seconds after which a sweep hangs
MOST = 4  # kills, or sweeps with faults, before one that is left alone
MADE = (".safetensors", ".json")
"""What is not to be written again once it is there."""


@dataclass
class Trial:
    """Sweeps of the same runs in one folder, again and again.

    Attributes:
        folder: That of the data.
        home: Where the results and the cache lie.
        workers: Runs at the same time.
        said: What the last sweep printed.
        wanted: What a sweep leaves that is left alone.
        usual: How many seconds it takes.
    """

    folder: Path
    home: Path
    workers: int
    said: Path
    wanted: dict[str, Any] = field(default_factory=dict)
    usual: float = 0.0

    def __post_init__(self) -> None:
        adopt()
        with redirect_stdout(io.StringIO()):
            self._sweep("--plan")  # here too: the children then need not import
        begun = time.monotonic()
        self.left_alone()
        self.usual = time.monotonic() - begun
        self.wanted = content(self.home, shown=True)

    def start(self, before: Callable[[], None] = lambda: None) -> int:
        """The process of a sweep."""
        self.said.write_text("")
        return started(self._sweep, lambda: (fork_runs(), before()), self.said)

    def left_alone(self) -> str:
        """Has a sweep make what is missing: what it makes again, or makes wrongly."""
        before, recorded = self._stamps(), set(self._recorded())
        process = self.start()
        if all_ended(LIMIT).get(process) != 0:
            return f"a sweep that is left alone fails:\n{self.said.read_text()}"
        after = self._stamps()
        again = [n for n, stamp in before.items() if after.get(n, stamp) != stamp]
        again += [n for n in self._begun() if n in recorded]
        faults = [f"made again: {', '.join(again)}"] if again else []
        if self.wanted:
            faults.append(differences(self.wanted, content(self.home, shown=True)))
        return "; ".join(filter(None, faults))

    def forget(self) -> None:
        """Deletes all results."""
        shutil.rmtree(self.home, ignore_errors=True)

    def _sweep(self, *more: str) -> None:
        which = ["sweep", "--seed", *SEEDS, "--workers", str(self.workers), "--device", "cpu"]
        command(self.folder, MODELS, self.home, *which, "--json", *more)

    def _stamps(self) -> dict[str, tuple[int, int]]:
        """File -> what changes where it is written again."""
        found = {}
        for path in (p for p in self.home.rglob("*") if p.suffix in MADE):
            stat = path.stat()
            found[str(path.relative_to(self.home))] = (stat.st_ino, stat.st_mtime_ns)
        return found

    def _recorded(self) -> Iterator[str]:
        """Model and seed of the runs that are recorded."""
        for path in records(self.home / "results"):
            yield f"{path.parent.name} {path.name.partition('-')[0]}"

    def _begun(self) -> Iterator[str]:
        """Model and seed of the runs that the last sweep began."""
        for line in self.said.read_text().splitlines():
            event = json.loads(line) if line.startswith("{") else {}
            if event.get("event") == "started":
                yield f"{event['model']} {event['seed']}"


def kill_sweeps(folder: Path, home: Path, rng: Random, count: int) -> Iterator[tuple[int, str]]:
    """Kills sweeps or one of their runs: the kills so far, and what went wrong since the last."""
    trial, kills, victims = Trial(folder, home, 2, folder / "said"), 0, Counter[str]()
    print(f"{trial.usual:.1f} s a sweep of {len(MODELS) * len(SEEDS)} runs", flush=True)
    while kills < count:
        trial.forget()
        where: list[str] = []
        wrong: list[str] = []
        for _ in range(rng.randint(1, MOST)):
            sweep = trial.start()
            moment = rng.uniform(0, trial.usual)
            time.sleep(moment)
            runs = children(sweep)
            victim = rng.choice([sweep, *runs])
            kind = "sweep" if victim == sweep else "run"
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:  # it has just ended
                all_ended(LIMIT)
                continue
            codes = all_ended(LIMIT)
            if codes[sweep] == -signal.SIGKILL or kind == "run":
                kills += 1
                victims[kind] += 1
                where.append(f"the {kind} at {moment:.2f} s")
            wrong.append(damaged(home, trial.wanted))
        wrong.append(trial.left_alone())
        found = "; ".join(filter(None, wrong))
        yield kills, f"killed {', '.join(where)}: {found}" if found else ""
    print(", ".join(f"{n} of a {kind}" for kind, n in victims.items()))


def fail_sweeps(folder: Path, home: Path, rng: Random, count: int) -> Iterator[tuple[int, str]]:
    """Has file operations of sweeps with four workers fail: the faults so far, what went wrong."""
    log = folder / "faults"
    log.touch()
    trial = Trial(folder, home, 4, folder / "said")
    print(f"{trial.usual:.1f} s a sweep of {len(MODELS) * len(SEEDS)} runs", flush=True)
    while len(injected(log)) < count:
        trial.forget()
        wrong: list[str] = []
        for _ in range(rng.randint(1, MOST)):
            failing = partial(inject, home, log, rng.choice([0.003, 0.01, 0.03, 0.1]))
            seeds = [rng.randrange(2**32) for _ in range(2)]

            def before(failing: Callable[[int], None] = failing, seeds: list[int] = seeds) -> None:
                Forked.before = staticmethod(lambda: failing(seeds[0] + os.getpid()))
                failing(seeds[1])

            trial.start(before)
            try:
                all_ended(LIMIT)
            except TimeoutError as error:
                wrong.append(str(error))
            logs = [trial.said, *(home / "results" / ".sweep").glob("*.log")]
            wrong += [_traceback(path) for path in logs if path.exists()]
            wrong.append(damaged(home, trial.wanted))
        wrong.append(trial.left_alone())
        found = "; ".join(filter(None, wrong))
        yield len(injected(log)), found
    kinds = Counter(injected(log))
    print(", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items())))


def _traceback(path: Path) -> str:
    """What a command printed that failed without a sentence; empty if none did."""
    text = path.read_text(errors="replace")
    return f"{path.name}:\n{text}" if "Traceback" in text else ""
