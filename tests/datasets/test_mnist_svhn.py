import gzip
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from mmbench.datasets import mnist_svhn as module
from mmbench.datasets.formats import idx
from mmbench.datasets.mnist_svhn import PUBLISHED, mnist_svhn, pair
from mmbench.progress import Progress

COUNTS = {"train": (range(3, 13), range(12, 2, -1)), "test": ([2] * 10, [3] * 10)}
"""Pictures of each class in MNIST and in SVHN."""
MATS = ("train_32x32.mat", "test_32x32.mat")


def labels(part, view):
    rng = np.random.default_rng([part == "test", view])
    return rng.permutation(np.repeat(np.arange(10), COUNTS[part][view]))


def pictures(part, view):
    rng = np.random.default_rng([part == "test", view, 1])
    shape = ((28, 28), (3, 32, 32))[view]
    return rng.integers(0, 256, (len(labels(part, view)), *shape), np.uint8)


def idx_bytes(array):
    return bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write_mnist(raw, packed=False):
    raw.mkdir(parents=True)
    for part in ("train", "test"):
        arrays = pictures(part, 0), labels(part, 0).astype(np.uint8)
        for name, array in zip(idx.names(part), arrays, strict=True):
            data = idx_bytes(array)
            if packed:
                (raw / f"{name}.gz").write_bytes(gzip.compress(data))
            else:
                (raw / name).write_bytes(data)


def write_svhn(folder, **change):
    folder.mkdir(parents=True, exist_ok=True)
    for part, name in zip(("train", "test"), MATS, strict=True):
        y = labels(part, 1).astype(np.uint8)
        content = {
            "X": pictures(part, 1).transpose(2, 3, 1, 0),
            "y": np.where(y == 0, 10, y)[:, None],
        }
        savemat(folder / name, content | change, do_compression=True)
    return folder


@pytest.fixture
def folder(tmp_path):
    write_mnist(tmp_path / "data" / "MNIST" / "raw")
    write_svhn(tmp_path / "data" / "SVHN")
    return tmp_path / "data"


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def load(folder, cache):
    return mnist_svhn.load(folder, cache, Progress(None))


def refused(folder, cache, error=ValueError):
    """The message of a load that fails, which must leave nothing behind."""
    with pytest.raises(error) as caught:
        load(folder, cache)
    assert not cache.exists() or not list(cache.iterdir())
    message = str(caught.value)
    assert "\n" not in message and str(folder) in message
    return message


# What a load returns


def test_every_example_is_two_pictures_of_its_class(folder, cache):
    data = load(folder, cache)
    assert (data.name, data.classes) == ("mnist-svhn", 10)
    assert [(m.name, m.kind, m.shape) for m in data.modalities] == [
        ("mnist", "image", (1, 28, 28)),
        ("svhn", "image", (3, 32, 32)),
    ]
    for part, split in (("train", data.train), ("test", data.test)):
        for view, name in enumerate(("mnist", "svhn")):
            source, classes = pictures(part, view), labels(part, view)
            number = {x.tobytes(): i for i, x in enumerate(source)}
            kept = [number[x.numpy().tobytes()] for x in split.tensors[name]]
            assert split.tensors[name].dtype == torch.uint8
            assert len(set(kept)) == len(kept)
            found = torch.from_numpy(classes[kept])[split.index[name].long()]
            assert torch.equal(found, split.labels)


def test_each_picture_occurs_twenty_times_in_both_splits(folder, cache):
    data = load(folder, cache)
    for part, split in (("train", data.train), ("test", data.test)):
        counts = np.minimum(*COUNTS[part])
        assert len(split) == 20 * counts.sum()
        assert split.labels.bincount().tolist() == (20 * counts).tolist()
        for name, rows in split.index.items():
            assert len(split.tensors[name]) == counts.sum()
            # each twentieth has all of them once, in an order of its own
            rounds = rows.view(20, -1)
            assert (rounds.sort(1).values == torch.arange(counts.sum())).all(), name
            assert len({tuple(r.tolist()) for r in rounds}) == 20
        assert split.labels[:10].tolist() != sorted(split.labels[:10].tolist())


def test_a_batch_gathers_pairs(folder, cache):
    split = load(folder, cache).train
    rows = torch.tensor([5, 0, len(split) - 1])
    batch = split.batch(rows)
    wanted = split.tensors["svhn"][split.index["svhn"][rows].long()]
    assert torch.equal(batch["svhn"], wanted.float().div(255))


@pytest.mark.parametrize("mats", ["SVHN", "svhn", "."])
@pytest.mark.parametrize("raw", ["MNIST/raw", "mnist/MNIST/raw"])
@pytest.mark.parametrize("outer", [".", "mnist-svhn"])
@pytest.mark.parametrize("packed", [False, True])
def test_every_layout_holds_the_same(folder, tmp_path, cache, outer, raw, mats, packed):
    other = tmp_path / "other"
    write_mnist(other / outer / raw, packed)
    write_svhn(other / outer / mats)
    assert load(other, cache).fingerprint() == load(folder, cache).fingerprint()


def test_torchvision_reads_the_same(folder, cache):
    torchvision = pytest.importorskip("torchvision")
    data = load(folder, cache)
    digits = torchvision.datasets.MNIST(folder, train=True)
    known = {x.numpy().tobytes(): y for x, y in zip(digits.data, digits.targets, strict=True)}
    split = data.train
    for x, row in zip(split.tensors["mnist"], range(len(split.tensors["mnist"])), strict=True):
        mine = split.labels[(split.index["mnist"] == row).nonzero()[0, 0]]
        assert known[x.numpy().tobytes()] == mine


# The pairing


def published_counts():
    """Of each class in the real train splits, from which 1,121,360 pairs are made."""
    mnist = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
    svhn = (4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659)
    return tuple(np.repeat(np.arange(10), n) for n in (mnist, svhn))


def test_the_published_number_of_pairs():
    first, second = published_counts()
    pairs = pair(first, second, "train")
    assert len(pairs.labels) == 1_121_360
    assert np.array_equal(first[pairs.first], pairs.labels)
    assert np.array_equal(second[pairs.second], pairs.labels)
    # pinned: the pairing is a constant of the data set, on every platform
    assert pairs.first[:3].tolist() == [6733, 20175, 37954]
    assert pairs.second[:3].tolist() == [11343, 30526, 57840]


def test_at_most_ten_thousand_of_a_class():
    zeros = np.zeros(10_050, int)
    pairs = pair(zeros, zeros, "train", times=1)
    assert sorted(pairs.first) == sorted(pairs.second) == list(range(10_000))


def test_partners_are_drawn_at_random():
    zeros = np.zeros(2000, int)
    pairs = pair(zeros, zeros, "train", times=2)
    first, second = pairs.first.reshape(2, -1), pairs.second.reshape(2, -1)
    by_partner = [s[f.argsort()] for f, s in zip(first, second, strict=True)]
    assert abs(np.corrcoef(*by_partner)[0, 1]) < 0.1
    for partner in by_partner:
        assert abs(np.corrcoef(partner, np.arange(2000))[0, 1]) < 0.1
        assert (partner == np.arange(2000)).sum() < 10


def test_the_pairing_is_that_of_its_seed_and_part_alone():
    first, second = labels("train", 0), labels("train", 1)
    draw = lambda part, seed: pair(first, second, part, seed=seed).second.tolist()
    np.random.seed(1)
    torch.manual_seed(1)
    once = draw("train", 1)
    np.random.seed(2)
    torch.manual_seed(2)
    assert draw("train", 1) == once
    assert draw("train", 2) != once
    assert draw("test", 1) != once


def test_the_pairing_does_not_depend_on_the_run_or_on_listings(folder, tmp_path, cache):
    files = [p for p in folder.rglob("*") if p.is_file()]
    random.Random(0).shuffle(files)
    for path in files:
        to = tmp_path / "copy" / path.relative_to(folder)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    assert load(tmp_path / "copy", cache).fingerprint() == load(folder, cache).fingerprint()


# The cache


def test_pictures_and_pairs_are_kept(folder, cache, monkeypatch):
    first = load(folder, cache)
    (path,) = cache.iterdir()
    assert path.name.startswith("mnist-svhn-")
    monkeypatch.setattr(module, "loadmat", None)
    monkeypatch.setattr(module, "pair", None)
    second = load(folder, cache)
    assert second.fingerprint() == first.fingerprint()
    assert torch.equal(second.train.index["svhn"], first.train.index["svhn"])


def test_changed_files_are_read_again(folder, cache):
    before = load(folder, cache).fingerprint()
    path = folder / "SVHN" / MATS[0]
    inverted = 255 - pictures("train", 1).transpose(2, 3, 1, 0)
    y = labels("train", 1)
    savemat(path, {"X": inverted, "y": np.where(y == 0, 10, y)[:, None].astype(np.uint8)})
    after = load(folder, cache)
    assert after.fingerprint() != before
    assert {x.numpy().tobytes() for x in after.train.tensors["svhn"]} <= {
        (255 - x).tobytes() for x in pictures("train", 1)
    }
    assert len(list(cache.iterdir())) == 1  # the old one is replaced


# Refusals


def test_without_a_folder_it_says_where_the_files_are(cache):
    with pytest.raises(FileNotFoundError) as caught:
        load(None, cache)
    for part in ("mmbench data download mnist-svhn", "--data", "MMBENCH_DATA", "train_32x32.mat"):
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
    with pytest.raises(ValueError, match="train split of mnist-svhn has no example of class 0"):
        load(folder, cache)


def test_what_is_published():
    assert len({file.file for file in PUBLISHED.files}) == 6
    assert all(len(f.sha256) == 64 and f.size for f in PUBLISHED.files)
    assert mnist_svhn.files is PUBLISHED.files and "non-commercial" in mnist_svhn.licence


# Real samples


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
