"""A run of the toy that was trained and scored for a moment, for all tests of a process."""

import pytest

import mmbench

TINY = {
    "models.mld.width": 32,
    "models.mld.groups": 4,
    "models.mld.latent": 4,
    "models.mld.autoencoder.epochs": 1,
    "models.mld.score.epochs": 1,
    "evaluation.sampler": {"name": "ancestral", "steps": 2},
    "evaluation.examples": 20,
    "evaluation.metrics": {"mse": "all"},
}


@pytest.fixture(scope="session")
def trained(toy, tmp_path_factory):
    """A run before it is scored, and all that was drawn to score it."""
    out = tmp_path_factory.mktemp("results")
    return mmbench.train("mld", toy, settings=TINY, out=out, device="cpu", quiet=True)


@pytest.fixture(scope="session")
def table(trained):
    """Its scores."""
    return mmbench.evaluate(trained, quiet=True)


@pytest.fixture(scope="session")
def run(trained, table):
    """The run once it is scored."""
    return trained
