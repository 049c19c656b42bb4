import gzip
import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from mmbench.datasets import polymnist_build as module
from mmbench.datasets.formats import idx
from mmbench.datasets.polymnist import polymnist
from mmbench.datasets.polymnist_build import build, build_polymnist, overlay
from mmbench.media import image as pictures
from mmbench.progress import Progress

COUNTS = {"train": range(3, 13), "test": [2] * 10}
TONES = [(10 * k, 200 - 9 * k, 60 + 5 * k) for k in range(12)]
"""The colour of each background: none is its own inversion."""


def write_idx(path, array, packed):
    data = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
    if packed:
        Path(f"{path}.gz").write_bytes(gzip.compress(data))
    else:
        path.write_bytes(data)


def write_mnist(root, packed=False):
    """Every picture is of its own: a bar at the place of its number, and grey that is no ink."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, counts in COUNTS.items():
        labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), counts))
        images = np.full((len(labels), 28, 28), 128, np.uint8)  # not above the threshold
        for i, image in enumerate(images):
            image.ravel()[7 * i : 7 * i + 7] = 129
        for name, array in zip(idx.names(part), (images, labels.astype(np.uint8)), strict=True):
            write_idx(raw / name, array, packed)
    return root


def write_backgrounds(folder, count):
    """Plain ones, whose colour tells which modality they became."""
    folder.mkdir()
    for k in range(count):
        ending = "png" if k % 2 else "JPG"
        Image.new("RGB", (40, 33), TONES[k]).save(folder / f"{k}.{ending}", quality=100)
    (folder / "read me.txt").write_text("not a picture")
    return folder


@pytest.fixture
def mnist(tmp_path):
    return write_mnist(tmp_path / "mnist")


@pytest.fixture
def backgrounds(tmp_path):
    return write_backgrounds(tmp_path / "backgrounds", 11)


def load(folder, tmp_path):
    return polymnist.load(folder, tmp_path / "cache", Progress(None))


def content(folder):
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def bars(split, name, tone):
    """The number of the picture of MNIST that each example shows."""
    x = split.tensors[name].int()
    inverted = (x - torch.tensor(tone)[:, None, None]).abs().amax(1) > 20
    assert (inverted.flatten(1).sum(1) == 7).all(), "grey of 128 is no ink"
    return inverted.flatten(1).int().argmax(1) // 7


@pytest.mark.parametrize("modalities", [2, 10])
def test_what_it_writes_loads_as_polymnist(mnist, backgrounds, tmp_path, modalities):
    build(mnist, backgrounds, tmp_path / "out", modalities)
    data = load(tmp_path / "out", tmp_path)
    assert [m.name for m in data.modalities] == [f"m{k}" for k in range(modalities)]
    for part, split in (("train", data.train), ("test", data.test)):
        assert split.labels.bincount().tolist() == list(COUNTS[part])
        raw = mnist / "MNIST" / "raw"
        labels = torch.from_numpy(idx.digits(raw, part)[1])
        for k in range(modalities):
            # 2.JPG comes before 10.JPG
            shown = bars(split, f"m{k}", TONES[k])
            assert torch.equal(labels[shown], split.labels), "another class, or another background"
            assert sorted(shown.tolist()) == list(range(len(split))), "all of MNIST, each once"


def test_names_are_the_published_ones(mnist, backgrounds, tmp_path):
    build(mnist, backgrounds, tmp_path / "out", 2)
    names = {p.name for p in (tmp_path / "out" / "MMNIST" / "train" / "m1").iterdir()}
    assert names == {f"{i}.{d}.png" for d, n in enumerate(COUNTS["train"]) for i in range(n)}
    with Image.open(tmp_path / "out" / "MMNIST" / "test" / "m0" / "1.9.png") as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (28, 28))


def test_hands_are_independent_between_modalities(mnist, backgrounds, tmp_path):
    build(mnist, backgrounds, tmp_path / "out", 3)
    train = load(tmp_path / "out", tmp_path).train
    shown = [bars(train, f"m{k}", TONES[k]) for k in range(3)]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert (shown[a] == shown[b]).float().mean() < 0.5


def test_a_crop_is_inverted_under_the_ink_alone():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (40, 61, 3), np.uint8)
    digits = rng.integers(0, 256, (200, 28, 28), np.uint8)
    tiles = overlay(digits, picture, rng)
    assert tiles.shape == (200, 28, 28, 3) and tiles.dtype == np.uint8
    plain = np.where((digits > 128)[..., None], 255 - tiles, tiles)
    places = {
        picture[y : y + 28, x : x + 28].tobytes(): (y, x) for y in range(13) for x in range(34)
    }
    found = np.array([places[tile.tobytes()] for tile in plain])
    assert set(found[:, 0]) == set(range(13)), "the last row of crops counts too"
    assert found[:, 1].min() < 3 and found[:, 1].max() > 30


def test_a_background_may_be_as_small_as_a_picture():
    picture = np.arange(28 * 28 * 3).astype(np.uint8).reshape(28, 28, 3)
    tiles = overlay(np.zeros((2, 28, 28), np.uint8), picture, np.random.default_rng(0))
    assert (tiles == picture).all()


def test_equal_seeds_write_equal_pictures_and_others_do_not(mnist, backgrounds, tmp_path):
    for name, seed, k in (("a", 1, 2), ("b", 1, 3), ("c", 2, 2)):
        build(mnist, backgrounds, tmp_path / name, k, seed=seed)
    a, b, c = (content(tmp_path / name) for name in "abc")
    assert a == {name: b[name] for name in a}, "a third modality changes the first two"
    assert a.keys() == c.keys() and a != c


def test_compressed_mnist_gives_the_same(mnist, backgrounds, tmp_path):
    build(mnist, backgrounds, tmp_path / "a", 2)
    packed = write_mnist(tmp_path / "packed", packed=True)
    build(packed / "MNIST" / "raw", backgrounds, tmp_path / "b", 2)
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_a_part_of_mnist_is_shared_out_to_the_digits(mnist, backgrounds, tmp_path):
    build(mnist, backgrounds, tmp_path / "out", 2, train=23, test=10)
    data = load(tmp_path / "out", tmp_path)
    assert data.train.labels.bincount().tolist() == [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]
    assert data.test.labels.bincount().tolist() == [1] * 10


def test_it_reports(mnist, backgrounds, tmp_path):
    out = io.StringIO()
    build(mnist, backgrounds, tmp_path / "out", 2, progress=Progress(out))
    assert f"writing {tmp_path / 'out'}: done" in out.getvalue()


# Refusals: a sentence, and nothing written


def refused(error, mnist, backgrounds, out, modalities=2, **rest):
    before = sorted(out.parent.iterdir())
    with pytest.raises(error) as caught:
        build(mnist, backgrounds, out, modalities, **rest)
    assert sorted(out.parent.iterdir()) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_something_is_there_already(mnist, backgrounds, tmp_path):
    out = tmp_path / "out"
    build(mnist, backgrounds, out, 2)
    before = content(out)
    assert f"{out} exists already" in refused(FileExistsError, mnist, backgrounds, out)
    assert content(out) == before
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    assert f"{link} exists already" in refused(FileExistsError, mnist, backgrounds, link)


def test_one_modality(mnist, backgrounds, tmp_path):
    assert "at least 2" in refused(ValueError, mnist, backgrounds, tmp_path / "out", 1)


def test_too_few_backgrounds(mnist, backgrounds, tmp_path):
    message = refused(ValueError, mnist, backgrounds, tmp_path / "out", 12)
    assert f"{backgrounds} has 11 pictures" in message and "12 modalities" in message
    nowhere = tmp_path / "nowhere"
    assert str(nowhere) in refused(FileNotFoundError, mnist, nowhere, tmp_path / "out")


def test_no_mnist(tmp_path, backgrounds):
    message = refused(FileNotFoundError, tmp_path, backgrounds, tmp_path / "out")
    assert f"{tmp_path} does not hold MNIST" in message


@pytest.mark.parametrize(
    "rest, wrong",
    [
        ({"train": 31}, "4 pictures of the digit 0; MNIST has 3: expected at most 30"),
        ({"test": 9}, "test is 9, expected at least 10"),
        ({"test": 21}, "expected at most 20"),
    ],
)
def test_more_or_fewer_examples_than_can_be(mnist, backgrounds, tmp_path, rest, wrong):
    assert wrong in refused(ValueError, mnist, backgrounds, tmp_path / "out", **rest)


@pytest.mark.parametrize("size", [(27, 40), (40, 27)])
def test_a_background_that_is_too_small(mnist, backgrounds, tmp_path, size):
    path = backgrounds / "1.png"
    Image.new("RGB", size).save(path)
    message = refused(ValueError, mnist, backgrounds, tmp_path / "out")
    assert f"{path} has {size[0]} x {size[1]} pixels, expected at least 28 x 28" in message


@pytest.mark.parametrize("keep", [0, 30, -50])
def test_a_damaged_background(mnist, backgrounds, tmp_path, keep):
    path = backgrounds / "0.JPG"
    path.write_bytes(path.read_bytes()[:keep])
    assert str(path) in refused(ValueError, mnist, backgrounds, tmp_path / "out")


def test_a_background_that_would_fill_the_memory(mnist, backgrounds, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MOST_PIXELS", 1000)
    message = refused(ValueError, mnist, backgrounds, tmp_path / "out")
    assert "expected at most 1,000 in all" in message


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_build_leaves_nothing(mnist, backgrounds, tmp_path, monkeypatch, error):
    real, calls = Image.fromarray, []

    def fromarray(tile):
        calls.append(tile)
        if len(calls) > 20:
            raise error
        return real(tile)

    monkeypatch.setattr(module.Image, "fromarray", fromarray)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(type(error)):
        build(mnist, backgrounds, tmp_path / "out", 3)
    assert sorted(tmp_path.iterdir()) == before


# The command


def test_the_command_builds(mnist, backgrounds, tmp_path):
    given = {
        "--mnist": mnist,
        "--backgrounds": backgrounds,
        "--out": tmp_path / "a",
        "--modalities": 3,
        "--train": 20,
        "--test": 10,
        "--seed": 4,
    }
    words = [str(word) for pair in given.items() for word in pair]
    result = CliRunner().invoke(build_polymnist, words, catch_exceptions=False)
    assert result.exit_code == 0
    assert f"--dataset polymnist --data {tmp_path / 'a'}" in result.output
    build(mnist, backgrounds, tmp_path / "b", 3, 20, 10, 4)
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_the_command_refuses_one_modality(tmp_path):
    words = ["--mnist", "x", "--backgrounds", "x", "--out", "x", "--modalities", "1"]
    result = CliRunner().invoke(build_polymnist, words)
    assert result.exit_code == 2 and "--modalities" in result.output


@pytest.mark.realdata
def test_real_digits_over_the_published_backgrounds(tmp_path):
    data = Path(os.environ["MMBENCH_DATA"])
    for folder in ("mnist", "polymnist-backgrounds"):
        if not (data / folder).is_dir():
            pytest.skip(f"needs {data / folder}")
    build(data / "mnist", data / "polymnist-backgrounds", tmp_path / "out", 5, 200, 100)
    made = load(tmp_path / "out", tmp_path)
    assert len(made.modalities) == 5 and len(made.train) == 200 and len(made.test) == 100
    # the backgrounds differ in colour, so the modalities do
    means = torch.stack([x.float().mean((0, 2, 3)) for x in made.train.tensors.values()])
    assert torch.pdist(means).min() > 5
