"""Kills runs by SIGKILL, starts them again, and compares what they leave with a run left alone.

    python -m tests.kills --seed 0 --count 200
    python -m tests.kills --operations

A run is killed at random moments, or else before each of its file operations in turn, and the
same command goes on with it until it ends. Its record (but for durations), picture and weights
must then be those of a run left alone, and the results folder and the cache hold the same files.
"""

import argparse
import csv
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from mmbench.cli.main import main as mmbench
from mmbench.protocols import shipped
from mmbench.runs import run as runs
from mmbench.training.trainer import Trainer

DATA = """
files = "own.npz"

[modalities.photo]
kind = "image"

[modalities.walk]
kind = "trajectory"

[modalities.traits]
kind = "attributes"
"""
MODELS = ("mld", "mvae", "mopoe", "nexus", "sbm-vae")
CHANGE = {
    "mld": ["width=8", "groups=4", "latent=4", "autoencoder.epochs=2", "score.epochs=2"],
    "sbm-vae": ["latent=4", "channels=[8]", "vae.epochs=2", "score.epochs=2", "sampler.steps=2"],
}
QUICK = ["latent=4", "training.epochs=2"]
SCORING = ["examples=8", "metrics={mse='all', log-likelihood=[0]}",
           "sampler={name='ancestral', steps=2}"]  # fmt: skip
CHANGING = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate"}
"""What file operations are called in Python's audit events, beside opening for writing."""


def write_data(folder: Path) -> None:
    """A data set of three modalities and 48 training examples."""
    rng, arrays = np.random.default_rng(0), {}
    for part, n in (("train", 48), ("test", 12)):
        arrays[f"{part}/photo"] = rng.integers(0, 256, (n, 1, 16, 16), np.uint8)
        arrays[f"{part}/walk"] = rng.random((n, 8))
        arrays[f"{part}/traits"] = rng.integers(0, 2, (n, 3))
        arrays[f"{part}/labels"] = np.arange(n) % 3
    np.savez(folder / "own.npz", **arrays)
    (folder / "own.toml").write_text(DATA)
    (folder / "protocol.toml").write_text(shipped.own("own").read_text(encoding="utf-8"))


def command(folder: Path, model: str, home: Path, *more: str) -> None:
    """Runs a model in this process; its results and its cache lie in `home`."""
    os.environ["MMBENCH_CACHE"] = str(home / "cache")
    settings = [f"models.{model}.{c}" for c in CHANGE.get(model, QUICK)]
    settings += [f"evaluation.{c}" for c in SCORING]
    arguments = ["run", "--model", model, "--dataset", str(folder / "own.toml")]
    arguments += ["--protocol", str(folder / "protocol.toml"), "--out", str(home / "results")]
    mmbench(
        [*arguments, *more, *(a for s in settings for a in ("--set", s))], standalone_mode=False
    )


def started(work: Callable[[], None], before: Callable[[], None]) -> int:
    """The id of a process that does some work after something else."""
    process = os.fork()
    if process == 0:
        status = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            before()
            work()
            status = 0
        finally:
            os._exit(status)
    return process


def dies_at(operation: int, home: Path) -> None:
    """Has this process killed before a file operation below `home`, counted from 0."""
    count, prefix = 0, f"{home}{os.sep}"

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        writing = event == "open" and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if (writing or event in CHANGING) and str(arguments[0]).startswith(prefix):
            if count == operation:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1

    sys.addaudithook(watch)


def ended(process: int) -> bool:
    """Whether a process came to its end, or else was killed.

    Raises:
        RuntimeError: It failed.
    """
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status > 0:
        raise RuntimeError("a run that was started again fails")
    return status == 0


def content(home: Path) -> dict[str, Any]:
    """File -> what must not depend on interruptions: all but durations."""
    found: dict[str, Any] = {}
    for path in sorted(p for p in home.rglob("*") if not p.is_dir()):
        name = str(path.relative_to(home))
        if path.suffix == ".safetensors":
            found[name] = {k: (x.dtype, x.tolist()) for k, x in load_file(path).items()}
        elif path.suffix == ".json":
            found[name] = json.loads(path.read_text())
            found[name].pop("seconds", None)
        elif path.suffix == ".csv":
            found[name] = [line[:-1] for line in csv.reader(path.open(newline=""))]
        else:
            found[name] = path.read_bytes()
    return found


def differences(wanted: dict[str, Any], found: dict[str, Any]) -> str:
    """What is missing, left over, or another; empty if nothing is."""
    parts = {
        "missing": sorted(wanted.keys() - found.keys()),
        "left over": sorted(found.keys() - wanted.keys()),
        "another": sorted(n for n in wanted.keys() & found.keys() if wanted[n] != found[n]),
    }
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in parts.items() if names)


def main() -> None:
    """Runs, kills, compares and reports."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=200, help="kills at random moments")
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument(
        "--operations", action="store_true", help="kill at file operations instead"
    )
    parser.add_argument("--every", type=int, default=1, help="of the operations, one in so many")
    options = parser.parse_args()
    torch.set_num_threads(1)  # the runs are forked, which threads do not survive
    runs.Trainer = partial(Trainer, checkpoint_seconds=0.0)  # type: ignore[misc,assignment]
    rng, kills, wrong = Random(options.seed), 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        folder, home = Path(scratch), Path(scratch, "home")
        write_data(folder)
        for i, model in enumerate(options.models):
            run = partial(command, folder, model, home)
            with redirect_stdout(io.StringIO()):
                run("--dry-run")  # here too: the children then need not import
            ended(started(run, lambda: None))
            wanted = content(home)
            shutil.rmtree(home)
            begun = time.monotonic()
            ended(started(run, lambda: None))
            usual = time.monotonic() - begun
            target = options.count * (i + 1) // len(options.models)
            operation, alive = 0, True
            while alive if options.operations else kills < target:
                shutil.rmtree(home, ignore_errors=True)
                where, done = [], False
                while not done:
                    if options.operations:
                        at = operation if not where else -1
                        process = started(run, partial(dies_at, at, home))
                        where.append(f"operation {at}")
                    else:
                        process = started(run, lambda: None)
                        if len(where) < 4:
                            moment = rng.uniform(0, usual)
                            time.sleep(moment)
                            os.kill(process, signal.SIGKILL)
                            where.append(f"{moment:.2f} s")
                    done = ended(process)
                    kills += not done
                    alive = alive and not (options.operations and len(where) == 1 and done)
                if found := differences(wanted, content(home)):
                    wrong += 1
                    print(f"{model}, killed at {', '.join(where)}: {found}", flush=True)
                elif options.operations and alive:
                    print(f"{model}, killed at {where[0]}: the same", flush=True)
                operation += options.every
            shutil.rmtree(home, ignore_errors=True)
            print(f"{model}: {usual:.1f} s a run, {kills} kills so far", flush=True)
    print(f"{kills} kills, {wrong} runs that differ from one left alone")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
