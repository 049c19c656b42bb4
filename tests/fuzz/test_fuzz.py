"""The fuzzer finds what it should, and a short run of it finds nothing."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS
from tests.fuzz.verdict import judged, verdicts

ROOT = Path(__file__).parents[2]
QUICK = ["records", "own-npz", "samples", "archives", "checkpoints", "parts", "caches"]


def key_error(folder):
    return {}["x"]


def type_error(folder):
    return len(5)


def two_lines(folder):
    raise ValueError(f"{folder}\nis bad")


def unnamed(folder):
    raise ValueError("it is bad")


def endless(folder):
    time.sleep(60)


def hungry(folder):
    held = [b"x" * 2**24 for _ in range(64)]
    time.sleep(2)
    return held


def crash(folder):
    os._exit(3)


def named(folder):
    raise ValueError(f"{folder} is bad")


@pytest.mark.parametrize(
    ("read", "kind"),
    [(key_error, "traceback"), (type_error, "traceback"), (two_lines, "lines"),
     (unnamed, "unnamed"), (endless, "hang"), (hungry, "memory"), (named, "refused"),
     (crash, "crash")],
)  # fmt: skip
def test_every_kind_of_fault_is_found(tmp_path, read, kind):
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    one = lambda number: judged(read if number == 1 else named, tmp_path)
    # a forked process starts with less than this one has: the files that are mapped come later
    found = dict(verdicts(one, range(3), 5.0, resident + 2**28))
    kinds = {number: said.partition(":")[0] for number, said in found.items()}
    assert kinds == {0: "refused", 1: kind, 2: "refused"}


def test_a_short_run_finds_nothing(tmp_path):
    command = [sys.executable, "-m", "tests.fuzz", "--count", "105", "--out", str(tmp_path)]
    done = subprocess.run(
        [*command, "--targets", *QUICK], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(QUICK) < set(TARGETS)
