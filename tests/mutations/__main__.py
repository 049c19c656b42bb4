"""Breaks the package on purpose, a fault at a time, and reports which faults no test notices.

    python -m tests.mutations --seed 0 --count 80

Every fault is applied to a copy of the working tree, in which the tests of its room run. A fault
that survives and changes nothing that a user could notice is listed in `equivalent.toml`, with the
argument; all others want a test.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from tests.mutations.draw import Mutation, draw

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BESIDE = ("baselines", "leaderboard", "metrics", "models")
ROOMS = tomllib.loads((HERE / "rooms.toml").read_text())
EQUIVALENT = tomllib.loads((HERE / "equivalent.toml").read_text())["fault"]


def files(room: str) -> list[str]:
    """The files of a room in which faults are drawn."""
    found = {p for pattern in ROOMS[room]["sources"] for p in ROOT.glob(pattern)}
    return sorted(str(p.relative_to(ROOT)) for p in found)


def tests(folder: Path, room: str, file: str) -> list[str]:
    """The tests of a copy that should notice a fault of a file, in the order in which they run."""
    patterns = [t.format(stem=Path(file).stem) for t in ROOMS[room]["tests"]]
    found = (sorted(folder.glob(pattern)) for pattern in patterns)
    return list(dict.fromkeys(str(p.relative_to(folder)) for some in found for p in some))


def copy(folder: Path) -> None:
    """The tracked and new files of the working tree, importable as the package."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for name in BESIDE:
        (folder / "mmbench" / name).symlink_to(folder / name)


def run(folder: Path, selection: list[str], limit: float) -> str:
    """Runs tests in a copy: "killed", "survived" or "timed out".

    Raises:
        RuntimeError: pytest ran no test.
    """
    # Bytecode of another fault of the same second and size would be taken for this one's.
    change = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider"]
    process = subprocess.Popen(
        [*command, *selection],
        cwd=folder,
        env=os.environ | change,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        status = process.wait(limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return "timed out"
    if status not in (0, 1, 2):  # passed, failed, or could not be imported
        raise RuntimeError(f"pytest ends with the status {status} for {' '.join(selection)}")
    return "killed" if status else "survived"


def argument(fault: Mutation, text: str) -> str:
    """Why a fault changes nothing; empty if that is not known."""
    found = (e["argument"] for e in EQUIVALENT if (e["file"], e["line"]) == (fault.file, text))
    return next(found, "")


def check(folder: Path, room: str, drawn: list[Mutation], limit: float) -> None:
    """Ends the program where the tests of a room fail without any fault."""
    every = dict.fromkeys(t for m in drawn if m.room == room for t in tests(folder, room, m.file))
    if run(folder, list(every), 4 * limit) != "survived":
        sys.exit(f"the tests of {room} fail, or take too long, without a fault")


def main() -> None:
    """Draws, runs and reports."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--rooms", nargs="+", choices=ROOMS, default=list(ROOMS))
    parser.add_argument("--limit", type=float, default=300, help="seconds a fault")
    parser.add_argument("--list", action="store_true", help="draw only")
    options = parser.parse_args()
    drawn = draw(ROOT, {r: files(r) for r in options.rooms}, options.count, options.seed)
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        copy(folder)
        whole: set[str] = set()
        for fault in drawn:
            place = folder / fault.file
            source = place.read_bytes()
            number, text = fault.line(source)
            begun, result = time.monotonic(), "drawn"
            if not options.list:
                if fault.room not in whole:
                    check(folder, fault.room, drawn, options.limit)
                    whole.add(fault.room)
                place.write_bytes(fault.applied(source))
                result = run(folder, tests(folder, fault.room, fault.file), options.limit)
                place.write_bytes(source)
            why = argument(fault, text) if result == "survived" else ""
            result = "equivalent" if why else result
            counts[result] = counts.get(result, 0) + 1
            seconds = time.monotonic() - begun
            print(f"{result:10} {seconds:4.0f} s  {fault.file}:{number}  {text}", flush=True)
    print(", ".join(f"{n} {result}" for result, n in counts.items()), f"of {len(drawn)}")


if __name__ == "__main__":
    main()
