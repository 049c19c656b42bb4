"""How much processor time `mmbench table` and `mmbench page` take for thousands of records.

    python -m tests.benchmarks.records_speed [--records 5000] [--folder DIR]

The records are those of the repository with other seeds, under five protocols for each model and
data set, with other values, written in a folder of their own. Seconds are those of a fresh
process, Python's start and imports included; the files are in the system's memory.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

from mmbench.core.score import Score
from mmbench.protocols.protocol import digest
from mmbench.records.paths import Place
from mmbench.records.record import Record
from mmbench.records.store import find, write
from tests.benchmarks import command

MEASURED = Path(__file__).parents[2] / "records"
PROTOCOLS = 5
PROMISED = {"table": 5.0, "page": 15.0}
"""Seconds for 5,000 records."""


def made() -> Iterator[Record]:
    """Ever more records, all of different runs."""
    noise = random.Random(0)

    def other(score: Score) -> Score:
        less = noise.uniform(0.8, 1.0)  # in the range of every metric
        ends = (score.value, score.low, score.high)
        value, low, high = (x if x is None else x * less for x in ends)
        return replace(score, value=value, low=low, high=high)

    measured = list(find(MEASURED).values())
    for round in count():
        for r in measured:
            variant = {"variant": v} if (v := round % PROTOCOLS) else {}
            protocol = r.protocol | {"model": r.protocol["model"] | variant}
            yield replace(
                r,
                seed=r.seed + 10 * (round // PROTOCOLS),
                protocol=protocol,
                protocol_hash=digest(protocol),
                scores=tuple(map(other, r.scores)),
            )


def seconds(*words: str) -> float:
    """The processor time of a command of mmbench, the system's part included."""
    before = os.times()
    subprocess.run([sys.executable, "-m", "mmbench", *words], check=True, stdout=subprocess.PIPE)
    after = os.times()
    user = after.children_user - before.children_user
    return user + after.children_system - before.children_system


def main() -> None:
    parser = command.Parser("records_speed", __doc__)
    parser.add_argument(
        "--records", type=command.whole(1, 1_000_000), default=5000, help="how many"
    )
    parser.add_argument(
        "--folder",
        type=command.folder,
        help="where to keep the records for a while, by default with temporary files",
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        results, site = Path(folder) / "results", Path(folder) / "site"
        for record in islice(made(), given.records):
            write(record, results / Place.of(record).record)
        for page, more in (("table", ()), ("page", ("--out", str(site)))):
            took = seconds(page, "--results", str(results), *more)
            print(
                f"{page} of {given.records:,} records: {took:.1f} s of processor time; "
                f"promised for 5,000: {PROMISED[page]:g}"
            )


if __name__ == "__main__":
    command.run(main)
