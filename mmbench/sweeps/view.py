"""What a user sees of a sweep: a live view in a terminal, plain lines elsewhere, or JSON."""

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO, get_args

from mmbench.progress import clock
from mmbench.sweeps.host import Job, Outcome
from mmbench.sweeps.planned import Planned, State
from mmbench.text import cut, plain

EVENTS = {"running": "started"}
"""State of a job -> the event of its beginning, where that has another name."""


@dataclass
class View:
    """Reports a sweep to a stream.

    Attributes:
        out: Where to.
        total: How many runs the sweep makes.
        as_json: Whether each event is a line of JSON.
    """

    out: TextIO
    total: int
    as_json: bool = False
    _drawn: int = 0
    _ended: int = 0
    _seen: dict[str, State] = field(default_factory=dict)

    def running(self, jobs: Sequence[Job]) -> None:
        """Shows the runs in progress: in a terminal each with the last line that it printed."""
        for job in jobs:
            if self._seen.get(job.planned.title) != job.state:
                self._seen[job.planned.title] = job.state
                name = {"job": job.name} if job.name else {}
                self._event(EVENTS.get(job.state, job.state), job.planned, name)
        if self.as_json or not self.out.isatty():
            return
        width, height = shutil.get_terminal_size()
        shown = [job for job in jobs if job.state == "running"]
        lines = [f"{self._ended} of {self.total} runs have ended"]
        if queued := len(jobs) - len(shown):
            lines[0] += f", {queued} queued"
        lines += [f"  {j.planned.title}  {clock(j.seconds)}  {j.line}" for j in shown]
        lines = lines[: height - 1]
        self._erase()
        self.out.write("".join(f"{cut(plain(line), width - 1)}\n" for line in lines))
        self.out.flush()
        self._drawn = len(lines)

    def impossible(self, planned: Iterable[Planned]) -> None:
        """Reports runs that cannot be made, each with the reason, to a program that reads JSON.

        People read them in the overview.
        """
        for p in planned if self.as_json else ():
            self._event("impossible", p, {})

    def ended(self, outcome: Outcome) -> None:
        """Reports that a run has ended."""
        self._ended += 1
        facts: dict[str, Any] = {"seconds": round(outcome.seconds, 1)}
        if outcome.fault:
            facts |= {"fault": outcome.fault, "log": str(outcome.log)}
        ended = "cancelled" if outcome.planned.state == "cancelled" else "failed"
        self._event(ended if outcome.fault else "recorded", outcome.planned, facts)

    def close(self) -> None:
        """Leaves no trace of the live view."""
        self._erase()

    def _event(self, what: str, planned: Planned, facts: dict[str, Any]) -> None:
        if self.as_json:
            self._line(json.dumps({"event": what, **described(planned), **facts}))
            return
        took = f" in {clock(facts['seconds'])}" if "seconds" in facts else ""
        job = f" as job {facts['job']}" if "job" in facts else ""
        fault = f": {facts['fault']}" if "fault" in facts else ""
        self._line(plain(f"{what} {planned.title}{job}{took}{fault}"))

    def _line(self, text: str) -> None:
        self._erase()
        self.out.write(f"{text}\n")
        self.out.flush()

    def _erase(self) -> None:
        if self._drawn:
            self.out.write(f"\x1b[{self._drawn}A\x1b[J")  # up, then clear what is below
            self._drawn = 0


def described(planned: Planned) -> dict[str, Any]:
    """A run as plain JSON."""
    found: dict[str, Any] = {
        "model": planned.model,
        "dataset": planned.dataset,
        "seed": planned.seed,
        "state": planned.state,
        "command": planned.command,
    }
    return found | ({"why": planned.why} if planned.why else {})


def overview(planned: Sequence[Planned]) -> list[str]:
    """How far a sweep is, a line each: counts, and why runs are stale, impossible or failed."""
    counts = Counter(p.state for p in planned)
    parts = [f"{counts[state]} {state}" for state in get_args(State) if counts[state]]
    runs = "1 run" if len(planned) == 1 else f"{len(planned)} runs"
    lines = [f"{runs}: {', '.join(parts) or 'none'}"]
    known = [p.seconds for p in planned if p.wanted and p.seconds is not None]
    if known:
        of = sum(p.wanted for p in planned)
        lines.append(f"{len(known)} of {of} to make took {clock(sum(known))} in all before")
    for state in ("stale", "impossible", "failed", "cancelled"):
        for (dataset, why), models in _together(p for p in planned if p.state == state):
            lines.append(f"{state}: {dataset} {', '.join(models)}: {why}")
    return lines


def _together(planned: Iterable[Planned]) -> Iterable[tuple[tuple[str, str], list[str]]]:
    """(data set, why) -> the models of which it is true."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for p in planned:
        found.setdefault((p.dataset, p.why), {})[p.model] = None
    return [(key, list(models)) for key, models in found.items()]
