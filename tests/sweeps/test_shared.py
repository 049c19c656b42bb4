"""What runs share can be made by itself, and nothing else of a run is."""

import pytest
from click.testing import CliRunner

from mmbench.api.preparation import runs
from mmbench.cli.main import main
from mmbench.progress import Progress
from mmbench.sweeps.shared import first_stage

TINY = ("width=32", "groups=4", "latent=4", "autoencoder.epochs=1", "score.epochs=1")
SCORED = ["evaluation.examples=20", "evaluation.metrics={coherence='all'}"]

OWN = """
from mmbench.core.model import Model

class Mine(Model):
    def __init__(self, modalities, parts):
        super().__init__()

    def fit(self, train, trainer):
        raise RuntimeError("it is trained")

    def generate(self, given, targets, n, generator):
        raise RuntimeError("it draws")
"""


def tiny(model):
    """The settings of a run that takes a moment."""
    return [*(f"models.{model}.{c}" for c in TINY if model.startswith("mld")), *SCORED]


@pytest.fixture
def run(toy_loads, tmp_path, monkeypatch):
    monkeypatch.setenv("MMBENCH_CACHE", str(tmp_path / "cache"))

    def make(*arguments):
        options = [a for s in tiny(arguments[1]) for a in ("--set", s)]
        more = ["--device", "cpu", "--out", str(tmp_path / "results"), *options]
        done = CliRunner().invoke(main, ["run", *arguments, *more], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    return make


def test_what_runs_share_is_made_alone(run, tmp_path):
    run("--model", "mld", "--seed", "1", "--only-shared")
    results = tmp_path / "results"
    shared = {path.name for path in (results / "mhd-mini" / "shared").glob("*.safetensors")}
    assert {name.rpartition("-")[0] for name in shared} == {
        f"autoencoder-{m}" for m in ("image", "trajectory", "sound")
    }
    networks = set((tmp_path / "cache" / "classifiers").glob("*/*.safetensors"))
    assert len(networks) == 3
    assert not [*results.rglob("*.json"), *results.rglob("weights.safetensors")]
    run("--model", "mld-uni", "--seed", "1", "--only-shared")
    run("--model", "mld", "--seed", "1")
    assert shared == {p.name for p in (results / "mhd-mini" / "shared").glob("*.safetensors")}


def test_a_model_that_shares_nothing_is_not_trained(run, tmp_path):
    assert "vae" not in run("--model", "mvae", "--only-shared")
    assert not list((tmp_path / "results").rglob("*.safetensors"))


def test_a_first_stage_is_known_without_training(toy, toy_loads, tmp_path):
    def stage(model, seed=0, more=()):
        settings = [*tiny(model), *more]
        (one,) = runs(model, toy, [seed], tmp_path, "cpu", Progress(None), settings=settings)
        return first_stage(one)

    assert stage("mld") == stage("mld-uni") != ""
    assert len({stage("mld"), stage("mld", 1), stage("mld", more=["models.mld.latent=5"])}) == 3
    assert stage("mvae") == stage("mopoe") == ""
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_model_that_may_train_in_a_way_of_its_own_is_not_asked(toy, tmp_path):
    (tmp_path / "mine_alone.py").write_text(OWN)
    model = f"{tmp_path}/mine_alone.py:Mine"
    (one,) = runs(model, toy, [0], tmp_path, "cpu", Progress(None))
    assert first_stage(one) == ""
