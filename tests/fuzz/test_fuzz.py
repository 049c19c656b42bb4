"""The fuzzer finds what it should, and a short run of it finds nothing."""

import mmap
import os
import time

import pytest

from tests.fuzz.__main__ import fuzzed
from tests.fuzz.verdict import FINE, LIMIT, judged, verdicts

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
    [
        (key_error, "lines"),  # those of a user's own code, which tests are
        (type_error, "lines"),
        (two_lines, "lines"),
        (unnamed, "unnamed"),
        (endless, "hang"),
        (hungry, "memory"),
        (named, "refused"),
        (crash, "crash"),
    ],
)
def test_every_kind_of_fault_is_found(tmp_path, read, kind):
    one = lambda number: judged(read if number == 1 else named, tmp_path)
    found = dict(verdicts(one, range(3), 1.5 if read is endless else LIMIT, 2**28))
    kinds = {number: said.partition(":")[0] for number, said in found.items()}
    assert kinds == {0: "refused", 1: kind, 2: "refused"}


def test_memory_is_told_beside_large_files_that_are_mapped(tmp_path):
    """A forked process begins without them: they are no allowance."""
    with (tmp_path / "large").open("wb+") as file:
        file.truncate(2**30)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert not any(mapped[::4096])
            found = dict(verdicts(lambda number: judged(hungry, tmp_path), range(1), LIMIT, 2**28))
    assert found[0].startswith("memory")


@pytest.mark.parametrize("name", QUICK)
def test_a_short_run_finds_nothing(name, tmp_path):
    found = dict(fuzzed(name, 0, range(8), tmp_path))
    assert {said.partition(":")[0] for said in found.values()} <= set(FINE), found
    assert len(found) == 8
