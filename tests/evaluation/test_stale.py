"""What could not be measured and now can is measured; nothing else is, unless it is asked for."""

import hashlib
import json
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner

from mmbench import pretrained
from mmbench.cli.main import main
from mmbench.core.score import Metric, Score, Unavailable
from mmbench.evaluation.stale import now_possible, other_weights
from mmbench.extras import command, installed
from mmbench.pretrained import Weights, opened
from mmbench.records import versions
from mmbench.records.record import Declared

PUBLISHED = b"1"
OTHER = b"2"
EAR = Weights(
    "ear", "Ear", "ear.pth", "https://example.org/ear.pth", hashlib.sha256(PUBLISHED).hexdigest(),
    3, lambda path, device: torch.nn.Identity(), "Nobody, Nothing, 2026, https://example.org",
)  # fmt: skip
NAME = f"Ear, sha256:{EAR.sha256}"


@pytest.fixture(autouse=True)
def _ear(tmp_path, monkeypatch):
    """An extractor, and no weights but those that a test names."""
    monkeypatch.setattr(pretrained, "registered", lambda: iter([EAR]))
    monkeypatch.setattr(pretrained, "_hub", lambda: tmp_path / "hub")
    monkeypatch.delenv("MMBENCH_WEIGHTS", raising=False)


@pytest.fixture
def weights(tmp_path):
    """Two files of weights."""
    paths = {}
    for content in (PUBLISHED, OTHER):
        paths[content] = tmp_path / f"{content.decode()}.pth"
        paths[content].write_bytes(content)
    return paths


def score(**changes):
    return Score(**{"metric": "loudness", "given": (), "target": "image", "value": None, "n": 2}
                 | changes)  # fmt: skip


LACKED = score(reason=EAR.absent, lacks="weights:ear")


def test_weights_that_came(weights, tmp_path):
    lacked = [LACKED, score(given=("image",), reason="too few samples", lacks="samples")]
    assert now_possible(lacked, {}) == []
    assert now_possible(lacked, {"ear": weights[OTHER]}) == [f"the weights {weights[OTHER]}"]
    assert now_possible(lacked, {"eye": weights[OTHER]}) == []
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub/ear.pth").write_bytes(PUBLISHED)
    assert now_possible(lacked, {}) == ["the weights ear.pth"]
    assert now_possible(lacked[1:], {}) == []
    (tmp_path / "hub/ear.pth").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="damaged or another one"):
        now_possible(lacked, {})


def test_weights_of_an_extractor_that_is_not_registered(weights, monkeypatch):
    monkeypatch.setattr(pretrained, "registered", lambda: iter([]))
    found = now_possible([LACKED], {"ear": weights[OTHER]})
    assert found == [f"the weights {weights[OTHER]}"]


@pytest.mark.parametrize(
    ("lacks", "there"),
    [("package:json", ["the package json"]), ("package:nowhere_at_all", []), (None, [])],
)
def test_a_package_that_was_installed(lacks, there):
    assert now_possible([score(reason="no FAD", lacks=lacks)], {}) == there


def test_a_metric_whose_numbers_have_changed(monkeypatch):
    record = SimpleNamespace(metrics={"fmd": Declared(1), "own:metric": Declared(1)})
    assert versions.older_metrics(record) == []
    monkeypatch.setattr(versions, "now", lambda group, name: 2 if name == "fmd" else None)
    assert versions.older_metrics(record) == ["fmd is of version 1, now 2"]


def test_extras_are_told_by_their_packages(monkeypatch):
    assert "mmbench[test]" in command("test")
    assert installed("test")
    monkeypatch.setattr("mmbench.extras.requires", lambda name: ['nowhere>=3; extra == "x"'])
    assert not installed("x")
    assert not installed("no such extra")


def test_other_weights(weights):
    ear = (("ear", EAR.sha256),)
    measured = [
        score(value=1.0, networks=ear),
        score(value=1.0, target="b", networks=ear),
        score(value=1.0, target="c", networks=(("earlier", "0"),)),
    ]
    assert other_weights(measured, {}) == []
    assert other_weights(measured, {"ear": weights[PUBLISHED]}) == []
    (told,) = other_weights(measured, {"ear": weights[OTHER]})
    now = hashlib.sha256(OTHER).hexdigest()
    assert EAR.sha256[:16] in told and now[:16] in told
    assert other_weights(measured[2:], {"ear": weights[OTHER]}) == []


def compute(generated, dataset, context):
    """The mean of the samples, "seen through" the extractor."""
    for m, x in generated.samples.items():
        given, n = generated.given, len(x)
        try:
            _, name, networks = opened(EAR, context)
            value = float(x.mean())
            yield Score("loudness", given, m, value, n, name, networks=networks)
        except Unavailable as missing:
            yield missing.score("loudness", given, m, n)


loudness = Metric("loudness", "Loudness", "lower", "", "https://example.org", compute)


class Runner:
    """Runs the toy in this process, scored by the loudness."""

    def __init__(self, folder, command):
        self.folder, self.command = folder, command

    def __call__(self, *more, code=0):
        done = CliRunner().invoke(main, [*self.command, *more])
        assert done.exit_code == code, done.output
        return done.output

    def scores(self):
        (path,) = (self.folder / "results").glob("mhd-mini/*/*.json")
        return json.loads(path.read_text())["scores"]


@pytest.fixture
def run(toy_loads, tmp_path, monkeypatch):
    change = ["width=32", "groups=4", "autoencoder.epochs=1", "latent=4", "score.epochs=1"]
    settings = [*(f"models.mld.{c}" for c in change), "evaluation.examples=20",
                "evaluation.sampler={name='ancestral', steps=2}",
                f"evaluation.metrics={{'{__name__}:loudness'='all'}}"]  # fmt: skip
    return Runner(tmp_path, ["run", *[a for s in settings for a in ("--set", s)],
                             "--out", str(tmp_path / "results")])  # fmt: skip


def test_a_finished_run_tells_what_came(run, weights, tmp_path):
    """And measures it when it is asked to: what it holds may need what is gone."""
    assert f"not computed: {EAR.absent}" in run()
    lacking = run.scores()
    assert all(s["value"] is None for s in lacking)
    again = run()
    assert "already done" in again and f"not computed: {EAR.absent}" in again
    named = ["--weights", f"{__name__}:EAR={weights[PUBLISHED]}"]
    told = f"the weights {weights[PUBLISHED]}: available now: add --rescore"
    assert told in run(*named)
    assert run.scores() == lacking
    run(*named, "--rescore")
    scores = run.scores()
    assert len(scores) == len(lacking)
    assert all(s["value"] is not None and s["extractor"] == NAME for s in scores)
    assert "available" not in run(*named)
    assert "already done" in run()
    other = ["--weights", f"{__name__}:EAR={weights[OTHER]}"]
    refused = run(*other, code=1)
    assert "was measured with Ear with the weights" in refused
    assert "add --rescore to measure it again" in refused
    assert run.scores() == scores
    run(*other, "--rescore")
    scores = run.scores()
    assert {s["extractor"][-64:] for s in scores} == {hashlib.sha256(OTHER).hexdigest()}
    refused = run("--rescore", code=1)
    assert "whose weights are absent now: add --weights ear=FILE, or delete it first" in refused
    assert run.scores() == scores


def test_an_interrupted_evaluation_goes_on_with_what_came(run, weights):
    """Parts that lacked weights are made again, those of the same weights are not."""
    run()
    (record,) = (run.folder / "results").glob("mhd-mini/*/*.json")
    parts = sorted((run.folder / "results").glob("mhd-mini/mld/*/evaluation-*/*.safetensors"))
    assert len(parts) == 8
    for content in (PUBLISHED, OTHER):
        record.unlink()
        run("--weights", f"{__name__}:EAR={weights[content]}")
        now = hashlib.sha256(content).hexdigest()
        assert {s["extractor"] for s in run.scores()} == {f"Ear, sha256:{now}"}
    before = [p.stat().st_mtime_ns for p in parts]
    record.unlink()
    run("--weights", f"{__name__}:EAR={weights[OTHER]}")
    assert [p.stat().st_mtime_ns for p in parts] == before


def test_samples_too(run, weights, tmp_path):
    run()
    (record,) = (run.folder / "results").glob("mhd-mini/*/*.json")
    samples = tmp_path / "samples"
    done = CliRunner().invoke(main, ["generate", "--run", str(record), "--all", "--out",
                                     str(samples)])  # fmt: skip
    assert done.exit_code == 0, done.output
    theirs = Runner(tmp_path / "theirs", [
        "evaluate", "--dataset", "mhd-mini", "--samples", str(samples), "--name", "theirs",
        "--set", "evaluation.examples=20", "--set",
        f"evaluation.metrics={{'{__name__}:loudness'='all'}}", "--out",
        str(tmp_path / "theirs/results"),
    ])  # fmt: skip
    assert f"not computed: {EAR.absent}" in theirs()
    named = ["--weights", f"{__name__}:EAR={weights[PUBLISHED]}"]
    assert "add --replace to measure it again" in theirs(*named)
    theirs(*named, "--replace")
    assert {s["extractor"] for s in theirs.scores()} == {NAME}
    other = ["--weights", f"{__name__}:EAR={weights[OTHER]}"]
    assert "add --replace to measure it again" in theirs(*other, code=1)
    theirs(*other, "--replace")
    assert {s["extractor"] for s in theirs.scores()} != {NAME}
