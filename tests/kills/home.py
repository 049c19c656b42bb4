"""Small runs on a small data set, and what they leave in a folder, `home`."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file

from mmbench.cli.main import main as mmbench
from mmbench.protocols import shipped
from mmbench.records.paths import records

DATA = """
files = "own.npz"

[modalities.photo]
kind = "image"

[modalities.walk]
kind = "trajectory"

[modalities.traits]
kind = "attributes"
"""
LATENT = ["width=8", "groups=4", "latent=4", "autoencoder.epochs=2", "score.epochs=2"]
CHANGE = {
    "mld": LATENT,
    "mld-inpaint": LATENT,
    "sbm-vae": ["latent=4", "channels=[8]", "vae.epochs=2", "score.epochs=2", "sampler.steps=2"],
}
QUICK = ["latent=4", "training.epochs=2"]
SAMPLER = "sampler={name='ancestral', steps=2}"
SCORING = ["examples=8", "metrics={mse='all', log-likelihood=[0]}", SAMPLER]


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


def command(folder: Path, models: tuple[str, ...], home: Path, *which: str) -> None:
    """Calls `run` or `sweep` in this process; its results and its cache lie in `home`.

    Args:
        folder: That of the data.
        models: Those to make.
        home: Where the results and the cache lie.
        which: The command, and its other options.
    """
    os.environ["MMBENCH_CACHE"] = str(home / "cache")
    settings = [f"models.{m}.{c}" for m in models for c in CHANGE.get(m, QUICK)]
    settings += [f"evaluation.{c}" for c in SCORING]
    arguments = [*which, "--model", *models, "--dataset", str(folder / "own.toml")]
    arguments += ["--protocol", str(folder / "protocol.toml"), "--out", str(home / "results")]
    mmbench([*arguments, *(a for s in settings for a in ("--set", s))], standalone_mode=False)


def content(home: Path, shown: bool = False) -> dict[str, Any]:
    """File -> what must not depend on interruptions: all but durations.

    With `shown`, hidden files and locks do not count: a sweep does not tidy up after runs that
    are done.
    """
    found: dict[str, Any] = {}
    for path in sorted(p for p in home.rglob("*") if not p.is_dir()):
        name = path.relative_to(home)
        hidden = any(part.startswith(".") for part in name.parts) or name.name == "lock"
        if not (shown and hidden):
            found[str(name)] = lasting(path)
    return found


def lasting(path: Path) -> Any:
    """What a file holds beside durations."""
    if path.suffix == ".safetensors":
        return {k: (x.dtype, x.tolist()) for k, x in load_file(path).items()}
    if path.suffix == ".json":
        found = json.loads(path.read_text())
        found.pop("seconds", None)
        return found
    if path.suffix == ".csv":
        return [line[:-1] for line in csv.reader(path.open(newline=""))]
    return path.read_bytes()


def differences(wanted: dict[str, Any], found: dict[str, Any]) -> str:
    """What is missing, left over, or another; empty if nothing is."""
    parts = {
        "missing": sorted(wanted.keys() - found.keys()),
        "left over": sorted(found.keys() - wanted.keys()),
        "another": sorted(n for n in wanted.keys() & found.keys() if wanted[n] != found[n]),
    }
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in parts.items() if names)


def damaged(home: Path, wanted: dict[str, Any]) -> str:
    """The records that are not whole, or not those of runs left alone; empty if none is."""
    wrong = []
    for path in records(home / "results"):
        try:
            same = lasting(path) == wanted[str(path.relative_to(home))]
        except (LookupError, ValueError):
            same = False
        if not same:
            wrong.append(str(path.relative_to(home)))
    return f"damaged: {', '.join(wrong)}" if wrong else ""
