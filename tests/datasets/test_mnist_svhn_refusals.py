import os
import random
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from mnist_svhn_files import MATS, idx_bytes, load, published_counts, write_mnist, write_svhn
from refusals import refusal
from scipy.io import savemat

from mmbench.datasets.formats import idx
from mmbench.datasets.mnist_svhn import PUBLISHED, mnist_svhn


@pytest.fixture
def folder(tmp_path):
    write_mnist(tmp_path / "data" / "MNIST" / "raw")
    write_svhn(tmp_path / "data" / "SVHN")
    return tmp_path / "data"


refused = partial(refusal, load)


def test_without_a_folder_it_says_where_the_files_are(cache):
    with pytest.raises(FileNotFoundError) as caught:
        load(None, cache)
    for part in ("mmbench data download mnist-svhn", "folder", "MMBENCH_DATA", "train_32x32.mat"):
        assert part in str(caught.value).replace("{train,test}_", "train_")


def test_missing_folders_and_halves(folder, tmp_path, cache):
    assert "does not exist" in refused(tmp_path / "none", cache, FileNotFoundError)
    (tmp_path / "empty").mkdir()
    assert "does not hold MNIST-SVHN" in refused(tmp_path / "empty", cache, FileNotFoundError)
    shutil.move(folder / "SVHN", tmp_path / "SVHN")
    assert "does not hold SVHN" in refused(folder, cache, FileNotFoundError)
    shutil.rmtree(folder / "MNIST")
    shutil.move(tmp_path / "SVHN", folder / "SVHN")
    assert "does not hold MNIST:" in refused(folder, cache, FileNotFoundError)


@pytest.mark.parametrize("name", [*idx.names("train"), *idx.names("test"), *MATS])
def test_a_missing_file_is_named(folder, cache, name):
    (path,) = folder.rglob(name)
    path.unlink()
    assert str(path) in refused(folder, cache, FileNotFoundError)


@pytest.mark.parametrize("keep", [0, 3, 10, 100, -1])
@pytest.mark.parametrize("packed", [False, True])
def test_a_truncated_idx_file(folder, cache, keep, packed):
    raw = folder / "MNIST" / "raw"
    if packed:
        shutil.rmtree(raw)
        write_mnist(raw, packed=True)
    path = raw / (idx.names("test")[0] + ".gz" * packed)
    path.write_bytes(path.read_bytes()[:keep])
    assert str(path) in refused(folder, cache)


@pytest.mark.parametrize("at", [3, 30, 300, -6])
def test_a_flipped_bit_in_a_compressed_file(folder, cache, at):
    shutil.rmtree(folder / "MNIST")
    write_mnist(folder / "MNIST" / "raw", packed=True)
    path = folder / "MNIST" / "raw" / (idx.names("train")[0] + ".gz")
    data = bytearray(path.read_bytes())
    data[at] ^= 16
    path.write_bytes(data)
    try:
        load(folder, cache)
    except ValueError as error:
        assert str(path) in str(error)
    else:
        assert at == 3  # a flag of the head that changes no content


@pytest.mark.parametrize(
    "array, wrong",
    [
        (np.zeros((20, 28, 27), np.uint8), "28 x 27 pixels, expected 28 x 28"),
        (np.zeros((20, 784), np.uint8), "is no IDX file of bytes with 3 axes"),
        (np.zeros((19, 28, 28), np.uint8), "20 labels, expected 19"),
    ],
)
def test_images_of_another_form(folder, cache, array, wrong):
    path = folder / "MNIST" / "raw" / idx.names("test")[0]
    path.write_bytes(idx_bytes(array))
    message = refused(folder, cache)
    assert str(path.parent) in message and wrong in message


def test_a_label_that_is_no_digit(folder, cache):
    path = folder / "MNIST" / "raw" / idx.names("test")[1]
    path.write_bytes(idx_bytes(np.arange(20, dtype=np.uint8) % 11))
    assert f"{path} holds the label 10" in refused(folder, cache)


def test_an_idx_file_with_more_than_it_says(folder, cache):
    path = folder / "MNIST" / "raw" / idx.names("test")[1]
    path.write_bytes(path.read_bytes() + b"x")
    assert f"{path} is damaged" in refused(folder, cache)


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[:200],
        lambda b: b[:-9],
        lambda b: b"text" * 99,
        lambda b: b"",
        lambda b: b[:300] + b"\0" * 99 + b[399:],
    ],
    ids=["head", "cut", "text", "empty", "zeros"],
)
def test_a_damaged_mat_file(folder, cache, damage):
    path = folder / "SVHN" / MATS[0]
    path.write_bytes(damage(path.read_bytes()))
    assert str(path) in refused(folder, cache)


@pytest.mark.parametrize("seed", range(20))
def test_a_mat_file_with_one_flipped_bit(folder, cache, seed):
    path, rng = folder / "SVHN" / MATS[0], random.Random(seed)
    data = bytearray(path.read_bytes())
    data[rng.randrange(128, len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    assert str(path) in refused(folder, cache)


@pytest.mark.parametrize(
    "change, wrong",
    [
        ({"X": np.zeros((3, 32, 32, 75), np.uint8)}, "shape (3, 32, 32, 75)"),
        ({"X": np.zeros((32, 32, 3, 75))}, "type float64"),
        ({"X": np.zeros((32, 32, 3, 74), np.uint8)}, "75 labels in y, expected 74"),
        ({"y": np.zeros((75, 1), np.uint8)}, "label 0, expected 1 to 9, and 10"),
        ({"y": np.full((75, 1), 1.5)}, "label 1.5"),
        ({"y": "a text"}, "labels in y"),
    ],
)
def test_svhn_of_another_form(folder, cache, change, wrong):
    write_svhn(folder / "SVHN", **change)
    message = refused(folder, cache)
    assert str(folder / "SVHN" / MATS[0]) in message and wrong in message


def test_a_mat_file_without_its_arrays(folder, cache):
    savemat(folder / "SVHN" / MATS[1], {"Z": np.zeros(3)})
    assert "holds no array X" in refused(folder, cache)


def test_a_class_that_svhn_lacks(folder, cache):
    write_svhn(folder / "SVHN", y=np.full((75, 1), 3))
    shutil.copy(folder / "SVHN" / MATS[0], folder / "SVHN" / MATS[1])
    assert "train split of mnist-svhn has no example of class 0" in refused(folder, cache)


def test_what_is_published():
    assert len({file.file for file in PUBLISHED.files}) == 6
    assert all(len(f.sha256) == 64 and f.size for f in PUBLISHED.files)
    assert mnist_svhn.files is PUBLISHED.files and "non-commercial" in mnist_svhn.licence


@pytest.mark.realdata
def test_the_real_mnist():
    data = Path(os.environ["MMBENCH_DATA"])
    if idx.place(data) is None:
        pytest.skip(f"needs MNIST/raw below {data}")
    raw = data / idx.place(data)
    for part, count in (("train", 60_000), ("test", 10_000)):
        images, classes = idx.digits(raw, part)
        assert images.shape == (count, 28, 28) and classes.shape == (count,)
        if part == "train":
            wanted = np.bincount(published_counts()[0])
            assert np.bincount(classes).tolist() == wanted.tolist()
            assert classes[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
        assert 0.12 < images.mean() / 255 < 0.14


@pytest.mark.realdata
def test_the_real_mnist_with_a_small_svhn(tmp_path, cache):
    data = Path(os.environ["MMBENCH_DATA"])
    if not (data / "mnist" / "MNIST").is_dir():
        pytest.skip(f"needs {data / 'mnist' / 'MNIST'}")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "MNIST").symlink_to(data / "mnist" / "MNIST")
    write_svhn(tmp_path / "data")
    made = load(tmp_path / "data", cache)
    assert len(made.train) == 20 * 75 and len(made.test) == 20 * 30
