import random
import shutil

import numpy as np
import pytest
import torch
from mnist_svhn_files import (
    COUNTS,
    MATS,
    labels,
    load,
    pictures,
    published_counts,
    write_mnist,
    write_svhn,
)
from scipy.io import savemat

from mmbench.datasets import mnist_svhn as module
from mmbench.datasets.mnist_svhn import pair


@pytest.fixture
def folder(tmp_path):
    write_mnist(tmp_path / "data" / "MNIST" / "raw")
    write_svhn(tmp_path / "data" / "SVHN")
    return tmp_path / "data"


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
