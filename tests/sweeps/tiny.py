"""Runs of a second, and what of them does not depend on where and when they are made."""

import json

from safetensors.torch import load_file

DATA = "mmbench.testing.toy:toy"
QUICK = ("latent=4", "training.epochs=1")
SCORED = ("evaluation.examples=8", "evaluation.metrics={mse='all'}")


def settings(*changes, model="mvae"):
    """The options of a run of a toy that takes a second, after the packages are imported."""
    every = [f"models.{model}.{c}" for c in (*QUICK, *changes)] + list(SCORED)
    return ["--dataset", DATA, "--device", "cpu", *(a for s in every for a in ("--set", s))]


def made(results):
    """What does not depend on where and when runs are made: records, and tensors by their bits."""
    found = {}
    for path in sorted(results.rglob("*.json")):
        if path.parts[-2] != ".sweep":
            found[str(path.relative_to(results))] = json.loads(path.read_text()) | {"seconds": 0}
    for path in sorted(results.rglob("*.safetensors")):
        tensors = {k: x.numpy().tobytes() for k, x in load_file(path).items()}
        found[str(path.relative_to(results))] = tensors
    assert found
    return found
