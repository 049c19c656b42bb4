"""What holds for each twin."""

import json
import os
import subprocess
import sys
from importlib import import_module

import numpy as np

FINGERPRINTS = {
    "celebamask": "114f6b39c2a897541555597a1d0e64214cb819b837420ce19267301f345b9308",
    "cub": "7042287d7c4022cd5408256ef2bf11763a8edfe7fec24f24465c4912109f90c6",
    "mhd": "7f65ad328e655cecf7b0a6c3dc9d35027b0f6958b25c0f84affa809ae1f94012",
    "mnist_svhn": "60b0e64c9b4c671583b190740607dcdd7807bf1c14735d7bd609a91c4d10fa89",
    "polymnist": "6efe2b9fb6ae1802fe35d956962e1c2b0916cf84bb8bd20337cff41a8a851c5c",
}


def made():
    twins = {name: import_module(f"mmbench.datasets.mini.{name}") for name in FINGERPRINTS}
    return {name: twin.make(train=20, test=10).content() for name, twin in twins.items()}


def test_processors_make_the_same_bits():
    features = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    plain = {"NPY_DISABLE_CPU_FEATURES": " ".join(features), "OPENBLAS_CORETYPE": "Prescott"}
    elsewhere = subprocess.run(
        [sys.executable, __file__], stdout=subprocess.PIPE, check=True, env=os.environ | plain
    )
    assert json.loads(elsewhere.stdout) == made() == FINGERPRINTS


if __name__ == "__main__":  # on a plainer processor
    print(json.dumps(made()))
