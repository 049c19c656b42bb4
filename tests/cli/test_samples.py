"""`mmbench generate` and `mmbench evaluate`, on a run that was trained for a moment."""

import json
import shutil

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from mmbench.cli.main import main
from mmbench.datasets import load
from mmbench.evaluation.references import references

CHANGE = """
models.mld.width=32
models.mld.groups=4
models.mld.latent=4
models.mld.autoencoder.epochs=1
models.mld.score.epochs=1
evaluation.sampler={name='ancestral', steps=2}
evaluation.examples=20
evaluation.metrics={coherence='all', fmd=[0, 2], log-likelihood=[0]}
"""
SETTINGS = [a for c in CHANGE.split("\n") if c for a in ("--set", c)]


def mmbench(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture(scope="module", autouse=True)
def _toy(toy):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "load_dataset", lambda *_: toy)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The record of a run."""
    out = tmp_path_factory.mktemp("results")
    done = mmbench("run", *SETTINGS, "--out", out)
    assert done.exit_code == 0, done.output
    (path,) = out.rglob("*.json")
    return path


@pytest.fixture(scope="module")
def exported(finished, tmp_path_factory):
    """All samples that the run scored, in a folder."""
    out = tmp_path_factory.mktemp("samples") / "all"
    done = mmbench("generate", "--run", finished, "--all", "--out", out)
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture
def samples(exported, tmp_path):
    """A copy that may be changed."""
    return shutil.copytree(exported, tmp_path / "samples")


def evaluate(folder, out, *more):
    usual = {"--dataset": "mhd-mini", "--samples": folder, "--name": "theirs", "--out": out}
    where = [word for o, value in usual.items() if o not in more for word in (o, value)]
    return mmbench("evaluate", *where, *SETTINGS, *more)


def evaluated(folder, out, *more):
    done = evaluate(folder, out, *more)
    assert done.exit_code == 0, done.output
    (path,) = out.rglob("*.json")
    return json.loads(path.read_text()), done


def test_exported_samples_score_as_the_run_did(finished, exported, tmp_path):
    """To the last bit; only what needs the model itself has no score."""
    run = json.loads(finished.read_text())
    theirs, done = evaluated(exported, tmp_path)
    both = [
        {(s["metric"], *s["given"], s["target"]): s for s in r["scores"]} for r in (run, theirs)
    ]
    density = both[1].pop(("log-likelihood", "joint"))
    assert density["value"] is None
    assert both[0].pop(("log-likelihood", "joint"))["n"] == 20
    assert both[0] == both[1]
    assert len(both[0]) == 16 + 6  # coherence of all subsets, FMD of those of 0 and 2
    assert theirs["references"] == run["references"]
    assert theirs["data"] == run["data"]
    assert theirs["samples"]
    assert run["samples"] is None
    assert "theirs" in done.output
    assert next(tmp_path.rglob("*.png")).read_bytes() == finished.with_suffix(".png").read_bytes()


def test_seeds_share_a_row_and_other_samples_do_not_slip_in(samples, tmp_path):
    out = tmp_path / "results"
    first, _ = evaluated(samples, out)
    again, done = evaluated(samples, out)
    assert again == first
    assert "already done" in done.output
    path = samples / "joint/image.npz"
    with np.load(path) as arrays:
        np.savez(path, samples=arrays["samples"][::-1])
    refused = evaluate(samples, out)
    assert refused.exit_code == 1
    assert "holds the scores of other samples: give another --seed" in refused.output
    (path,) = out.rglob("*.json")
    assert json.loads(path.read_text()) == first
    replaced, _ = evaluated(samples, out, "--replace")
    assert replaced["samples"] != first["samples"]
    assert replaced["protocol_hash"] == first["protocol_hash"]
    done = evaluate(samples, out, "--seed", 1)
    assert done.exit_code == 0, done.output
    shown = mmbench("table", "--full", "--results", out).output
    assert "theirs  2 seeds" in shown


def test_a_record_that_came_meanwhile_is_not_lost(samples, tmp_path, monkeypatch):
    """Two evaluations under one name, of which another process finishes first."""
    other = tmp_path / "other"
    assert evaluate(samples, other).exit_code == 0
    (theirs,) = other.rglob("*.json")
    out = tmp_path / "results"
    path = out / theirs.relative_to(other)

    def meanwhile(*arguments):
        path.write_text(theirs.read_text().replace('"cpu', '"another cpu'))
        return references(*arguments)

    monkeypatch.setattr("mmbench.runs.scoring.references", meanwhile)
    done = evaluate(samples, out)
    assert done.exit_code == 1
    assert str(path) in done.output and "--replace" in done.output
    assert '"another cpu' in path.read_text()
    assert not list(out.rglob("*.lock"))


def test_some_of_the_samples_are_enough(samples, tmp_path):
    for folder in samples.iterdir():
        if folder.name != "sound":
            shutil.rmtree(folder)
    (samples / "sound/trajectory.npz").unlink()
    record, _ = evaluated(samples, tmp_path / "results")
    scored = {(*s["given"], s["target"]) for s in record["scores"]}
    assert scored == {("sound", "image"), ("sound", "sound")}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--name", "mld"], "mld is the name of a registered model"),
        (["--name", "a/b"], "'a/b' cannot name a model"),
        (["--name", ".."], "'..' cannot name a model"),
        (["--name", "modèle"], "'modèle' cannot name a model"),
        (["--samples", "/nowhere"], "there is no folder /nowhere of samples"),
        (["--dataset", "mhd-mni"], "no data set is called 'mhd-mni'; did you mean 'mhd-mini'?"),
        (["--set", "evaluation.examples=10"], "expected 10"),
        (["--set", "evaluation.given=[1]"], "but the evaluation asks for [1]"),
        (["--set", "evaluation.metrics={fmdd='all'}"], "did you mean 'fmd'?"),
        (["--set", "evaluation.metrics={ssim=[0]}"], "no metric of the protocol (ssim)"),
    ],
)
def test_mistakes_in_an_evaluation_get_one_sentence(exported, arguments, words, tmp_path):
    done = evaluate(exported, tmp_path, *arguments)
    assert done.exit_code == 1
    assert words in done.output
    assert "Traceback" not in done.output
    assert not list(tmp_path.rglob("*.json"))


def drawn(folder):
    with np.load(folder / "samples.npz") as arrays:
        return {m: arrays[m] for m in arrays.files}


def test_generate_jointly(finished, toy, tmp_path):
    for name in ("a", "b"):
        done = mmbench("generate", "--run", finished, "-n", 3, "--out", tmp_path / name)
        assert done.exit_code == 0, done.output
    a, b = (drawn(tmp_path / x) for x in "ab")
    assert {m: x.shape for m, x in a.items()} == {m.name: (3, *m.shape) for m in toy.modalities}
    assert all(np.array_equal(a[m], b[m]) for m in a)
    assert Image.open(tmp_path / "a/image-2.png").size == (28, 28)
    mmbench("generate", "--run", finished, "-n", 3, "--seed", 1, "--out", tmp_path / "b")
    assert not np.array_equal(a["sound"], drawn(tmp_path / "b")["sound"])


def test_generate_from_files_and_test_examples(finished, toy, tmp_path):
    """A test example, its picture in a file and its array are the same condition."""
    example = toy.test.batch(torch.tensor([7]))
    pixels = toy.test.tensors["image"][7, 0].numpy()
    Image.fromarray(pixels).save(tmp_path / "7.png")
    np.savez(tmp_path / "7.npz", sound=example["sound"].numpy())
    out = []
    for name, given in {
        "test": ["image=test:7", "sound=test:7"],
        "files": [f"sound={tmp_path}/7.npz", f"image={tmp_path}/7.png"],
        "other": ["image=test:8", "sound=test:7"],
    }.items():
        wanted = ("-n", 2, "--targets", "trajectory", "image", "--out", tmp_path / name)
        done = mmbench("generate", "--run", finished, "--given", *given, *wanted)
        assert done.exit_code == 0, done.output
        out.append(drawn(tmp_path / name))
    assert set(out[0]) == {"given-image", "given-sound", "trajectory", "image"}
    assert all(np.array_equal(out[0][m], out[1][m]) for m in out[0])
    assert np.array_equal(out[0]["given-sound"], example["sound"].numpy())
    assert not np.array_equal(out[0]["trajectory"], out[2]["trajectory"])


def test_a_run_is_named_by_its_folders_too(finished, tmp_path):
    (weights,) = (p for p in finished.parent.iterdir() if p.name.startswith("0-") and p.is_dir())
    for i, path in enumerate((finished.parent, weights)):
        done = mmbench("generate", "--run", path, "-n", 1, "--out", tmp_path / str(i))
        assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--run", "/nowhere/0.json"], "there is no run /nowhere/0.json"),
        (["--run", "/nope.json"], "there is no run /nope.json, expected results/"),
        (["--given", "image"], "--given image is not of the form MODALITY=FILE"),
        (["--given", "imge=test:1"], "mhd-mini has no modality 'imge'; did you mean 'image'?"),
        (["--given", "image=test:40"], "expected test:0 to test:39"),
        (
            ["--given", "image=tests:3"],
            "there is no file tests:3 to read image from; did you mean",
        ),
        (["--given", "image=test:-1"], "test:-1 is no test example"),
        (["--given", "image=/nowhere.png"], "there is no file /nowhere.png"),
        (["--given", "image=test:1", "image=test:2"], "image is given twice"),
        (["--given", "image=test:1", "sound=test:1", "trajectory=test:2"], "every modality of"),
        (["--targets", "sond"], "mhd-mini has no modality 'sond'; did you mean 'sound'?"),
        (["--all", "--targets", "sound"], "leave out --given, --targets, -n and --seed"),
        (["--all", "-n", "8"], "leave out --given, --targets, -n and --seed"),
        (["--all", "--seed", "0"], "leave out --given, --targets, -n and --seed"),
        (["-n", 0], "0 is not in the range"),
    ],
)
def test_mistakes_in_generating_get_one_sentence(finished, arguments, words, tmp_path):
    run = [] if "--run" in arguments else ["--run", finished]
    done = mmbench("generate", *run, "--out", tmp_path / "out", *arguments)
    assert done.exit_code != 0
    assert words in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


def test_a_run_that_cannot_be_drawn_from(finished, exported, toy, tmp_path, loads):
    out = tmp_path / "out"
    home = tmp_path / "results/mhd-mini/mld"
    home.mkdir(parents=True)
    shutil.copy(finished, home)
    done = mmbench("generate", "--run", home, "--out", out)
    assert "has no weights beside it, expected" in done.output
    assert "the same 'mmbench run' trains it again" in done.output
    evaluated(exported, tmp_path / "theirs")
    done = mmbench("generate", "--run", next(tmp_path.glob("theirs/*/*/*.json")), "--out", out)
    assert "has no trained model" in done.output
    done = mmbench("generate", "--run", tmp_path, "--out", out)
    assert "is not the folder of a finished run" in done.output
    shutil.copy(finished, home / "1-0c0ffee0.json")
    done = mmbench("generate", "--run", home, "--out", out)
    assert "has no weights beside it" in done.output  # a copy draws the same
    copy = json.loads(finished.read_text()) | {"seed": 1}
    (home / "1-0c0ffee0.json").write_text(json.dumps(copy))
    done = mmbench("generate", "--run", home, "--out", out)
    assert "has 2 records, expected one: name its file" in done.output
    other = type(toy)(toy.name, toy.modalities, toy.test, toy.test, 10, 16_000)
    loads(other)
    done = mmbench("generate", "--run", finished, "--out", out)
    assert "was trained on other examples of mhd-mini" in done.output
    other = type(toy)("another", toy.modalities, toy.train, toy.test, 10, 16_000)
    loads(other)
    done = mmbench("generate", "--run", finished, "--out", out)
    assert "is a record of mhd-mini, not of another" in done.output
    assert not out.exists()


def test_other_files_are_never_overwritten(finished, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    done = mmbench("generate", "--run", finished, "--out", tmp_path)
    assert done.exit_code == 1
    assert "holds notes.txt, which is not a sample of mhd-mini" in done.output
    assert (tmp_path / "notes.txt").read_text() == "mine"
