"""Training, loading and drawing in Python: the same as on the command line."""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import mmbench
from mmbench.cli.main import main


@pytest.fixture(autouse=True)
def _toy(toy, monkeypatch):
    monkeypatch.setattr("mmbench.datasets.load.load_dataset", lambda *_: toy)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[m], b[m]) for m in a)


def test_a_run_is_found_again_by_all_that_names_it(run, table, toy, tmp_path):
    """By its record, its folder of weights, and the folder of a model with one run."""
    home = tmp_path / "mhd-mini/mld"
    weights = shutil.copytree(run.run.folder, home / run.run.folder.name)
    record = shutil.copy(run.path, home)
    (home / "._0-12345678.json").write_bytes(b"\0")  # a hidden file is no record
    (home / "reference.json").write_text("{}")  # nor is what is not called like one
    drawn = run.generate(n=2)
    for path in (record, str(weights), home, run.path):
        again = mmbench.load_run(path, toy, device="cpu", quiet=True)
        assert same(again.generate(n=2), drawn)
        assert again.record == run.record and again.dataset is toy
        assert not again.model.training
    with pytest.raises(ValueError, match="data is 3, expected"):
        mmbench.load_run(run.path, 3)
    with pytest.raises(ValueError, match="path is 3, expected a path"):
        mmbench.load_run(3)
    with pytest.raises(ValueError, match=r"7\.png is no record"):
        mmbench.load_run(shutil.copy(run.path, tmp_path / "7.png"))
    assert len(run.record.scores) == len(table)


def test_training_finds_what_is_trained(run, toy, monkeypatch):
    monkeypatch.setattr("mmbench.models.mld.MLD.fit", lambda *_: pytest.fail("trained twice"))
    settings = [f"models.mld.{x}" for x in ("width=32", "groups=4", "latent=4")]
    settings += ["models.mld.autoencoder.epochs=1", "models.mld.score.epochs=1"]
    again = mmbench.train("mld", "mhd-mini", settings=settings, out=run.run.out, quiet=True)
    assert same(again.model.state_dict(), run.model.state_dict())
    assert again.record is None  # its evaluation has other settings


def test_an_example_is_the_same_however_it_is_given(run, toy, tmp_path):
    x = toy.test.batch(torch.tensor([7]))
    pixels = toy.test.tensors["image"][7]
    Image.fromarray(pixels[0].numpy()).save(tmp_path / "7.png")
    np.save(tmp_path / "7.npy", x["sound"][0].numpy())
    of_image = [
        "test:7",
        x["image"],
        x["image"][0],
        x["image"].double().numpy(),
        pixels,
        pixels.numpy(),
        pixels.long().numpy(),
        tmp_path / "7.png",
        str(tmp_path / "7.png"),
        x["image"].clone().requires_grad_(),
    ]
    of_sound = ["test:7", x["sound"], tmp_path / "7.npy"]
    expected = run.generate({"image": "test:7", "sound": "test:7"}, ["trajectory"], n=3)
    assert expected["trajectory"].shape == (3, 200)
    for i, image in enumerate(of_image):
        given = {"sound": of_sound[i % 3], "image": image}
        assert same(run.generate(given, ["trajectory"], n=3), expected)
    assert not same(run.generate({"image": "test:8"}, "trajectory", n=3), expected)
    assert not same(run.generate(of_image[:0] or {}, "trajectory", n=3), expected)


def test_draws_are_those_of_the_command(run, toy, tmp_path):
    arguments = ("generate", "--run", run.path, "--given", "image=test:3", "-n", 3, "--seed", 5)
    done = CliRunner().invoke(main, list(map(str, (*arguments, "--out", tmp_path / "drawn"))))
    assert done.exit_code == 0, done.output
    drawn = run.generate({"image": "test:3"}, n=3, seed=5)
    with np.load(tmp_path / "drawn/samples.npz") as arrays:
        assert set(drawn) == {"trajectory", "sound"}
        assert all(np.array_equal(arrays[m], drawn[m].numpy()) for m in drawn)


@pytest.mark.parametrize("n", [0, -1, 2.5, "8", None, np.float64(3)])
def test_the_number_of_samples_is_a_whole_one(run, n):
    with pytest.raises(ValueError, match=r"^n is .+, expected a whole number of at least 1$"):
        run.generate(n=n)
    assert len(run.generate(targets=["image"], n=np.int64(3))["image"]) == 3


IMAGE = np.zeros((1, 28, 28), np.float32)


@pytest.mark.parametrize(
    ("given", "targets", "words"),
    [
        ({"imge": IMAGE}, None, "mhd-mini has no modality 'imge'; did you mean 'image'?"),
        (
            {"image": IMAGE[0]},
            None,
            r"image given has shape \(28, 28\), expected one image of sha",
        ),
        ({"image": IMAGE + np.nan}, None, "the image given is not finite"),
        ({"image": IMAGE + 1.5}, None, r"values from 1.5 to 1.5, expected \[0, 1\]"),
        ({"image": np.full((1, 28, 28), 256)}, None, r"values from 256 to 256, expected \[0, 1\]"),
        ({"image": IMAGE.astype(object)}, None, "the image given holds object, expected numbers"),
        ({"image": IMAGE.astype("complex64")}, None, "holds complex64, expected numbers"),
        ({"image": None}, None, r"image given has shape \(\)"),
        ({"image": [[1], [1, 2]]}, None, "the image given cannot be read as numbers"),
        ({"image": "nowhere.png"}, None, "there is no file nowhere.png to read image from"),
        ({"image": "test:40"}, None, "expected test:0 to test:39"),
        ({"image": IMAGE}, 3, "targets is 3, expected names of modalities"),
        (["image"], None, r"given is \['image'\], expected a dict"),
        ({"image": IMAGE}, ["sond"], "no modality 'sond'; did you mean 'sound'?"),
        ({m: "test:1" for m in ("image", "sound", "trajectory")}, None, "every modality of mhd-m"),
    ],
)
def test_wrong_examples_get_a_sentence(run, given, targets, words):
    with pytest.raises((ValueError, LookupError, FileNotFoundError), match=words):
        run.generate(given, targets, n=1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "mldd"}, "no model is called 'mldd'"),
        ({"data": ["mhd"]}, r"data is \['mhd'\], expected a mmbench.core.Dat"),
        ({"data": "mhd-mni"}, "did you mean 'mhd-mini'?"),
        ({"seed": -1}, "seed is -1, expected a whole number of at least 0"),
        ({"settings": {"models.mld.widht": 3}}, "models.mld has no setting 'widht'"),
        ({"settings": {"models.mld.d": float("inf")}}, "expected a finite number"),
        ({"settings": "models.mld.width=3"}, "expected a dictionary, or a list"),
        ({"sampler": "nine", "model": "mvae"}, "mvae has no sampler"),
        ({"device": "cudda"}, "there is no device 'cudda'"),
        ({"device": None}, "there is no device None"),
        ({"settings": 3}, "settings is 3, expected a dictionary"),
        ({"protocol": 3}, "protocol is 3, expected a path"),
        ({"model": int}, "model is <class 'int'>, expected"),
    ],
)
def test_wrong_arguments_get_a_sentence(toy, change, words, tmp_path):
    arguments = {"model": "mld", "data": toy, "out": tmp_path, "quiet": True} | change
    with pytest.raises((ValueError, LookupError), match=words):
        mmbench.train(**arguments)
    assert not list(tmp_path.iterdir())


def test_a_run_that_is_missing_is_told_before_all_else(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no run"):
        mmbench.load_run(tmp_path / "nowhere", device="nonsense")
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "results").mkdir()
    with pytest.raises(FileNotFoundError, match="is not the folder of a finished run"):
        mmbench.load_run(tmp_path / "results")


@pytest.mark.skipif(os.name == "nt", reason="needs a folder right below the root")
def test_a_record_in_a_shallow_folder_has_no_weights(run):
    shallow = Path(tempfile.mkstemp(suffix=".json", dir="/tmp")[1])
    try:
        shutil.copy(run.path, shallow)
        with pytest.raises(FileNotFoundError, match="has no weights beside it"):
            mmbench.load_run(shallow)
    finally:
        shallow.unlink()
