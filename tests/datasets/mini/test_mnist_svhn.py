import io
from collections import Counter
from functools import cache

import numpy as np
import pytest
import torch
from scipy.ndimage import label

from mmbench.core.score import Context
from mmbench.datasets.mini.digits import house_numbers
from mmbench.datasets.mini.digits.handwriting import written
from mmbench.datasets.mini.digits.house_numbers import Numerals, photograph
from mmbench.datasets.mini.digits.typefaces import CELLS, COLUMNS, ROWS, Face, fields
from mmbench.datasets.mini.mnist_svhn import make, mnist_svhn_mini
from mmbench.datasets.mnist_svhn import MODALITIES
from mmbench.metrics.extractors import judges
from mmbench.metrics.extractors.classifiers import classifier
from mmbench.progress import Progress
from mmbench.training.trainer import Trainer

SILENT = Progress(None)


@cache
def small():
    return make(train=60, test=20, pairings=3, seed=1)


@cache
def faces(count=60):
    rng = np.random.default_rng(0)
    return tuple(Face(rng) for _ in range(count))


@cache
def numerals():
    return Numerals(list(faces()))


def test_shapes_dtypes_and_ranges():
    data = small()
    assert (data.name, data.classes) == ("mnist-svhn-mini", 10)
    assert data.modalities == MODALITIES  # those of the original
    for split, n in ((data.train, 60), (data.test, 20)):
        shapes = {m: (x.dtype, tuple(x.shape)) for m, x in split.tensors.items()}
        assert shapes == {
            "mnist": (torch.uint8, (n, 1, 28, 28)),
            "svhn": (torch.uint8, (n, 3, 32, 32)),
        }
        assert split.labels.bincount().tolist() == [3 * n // 10] * 10
        assert split.labels.tolist() != sorted(split.labels.tolist())
        for m, x in split.batch(torch.arange(len(split))).items():
            assert 0 <= x.min() < x.max() <= 1, m
        assert (split.tensors["mnist"].flatten(1).float().std(1) > 20).all()
        assert (split.tensors["svhn"].flatten(1).float().std(1) > 3).all(), "an empty wall"


def test_each_picture_has_its_class_and_occurs_in_as_many_pairs_as_asked():
    for split, n in ((small().train, 60), (small().test, 20)):
        assert len(split) == 3 * n
        for m, rows in split.index.items():
            assert rows.bincount(minlength=n).tolist() == [3] * n
            classes = [set(split.labels[rows == r].tolist()) for r in range(n)]
            assert all(len(c) == 1 for c in classes), m
    assert len(make(10, 10, pairings=20).test) == 200


def test_equal_seeds_make_equal_bits_and_others_do_not():
    assert make(30, 10, seed=1).fingerprint() == make(30, 10, seed=1).fingerprint()
    assert make(30, 10, seed=1).fingerprint() != make(30, 10, seed=2).fingerprint()


def test_a_global_seed_changes_nothing():
    np.random.seed(3)
    torch.manual_seed(3)
    first = make(10, 10).fingerprint()
    np.random.seed(4)
    torch.manual_seed(4)
    assert make(10, 10).fingerprint() == first


def test_splits_share_neither_pictures_nor_typefaces_nor_writers(monkeypatch):
    drawn = []
    real = Numerals.__init__
    monkeypatch.setattr(Numerals, "__init__", lambda self, f: drawn.append(f) or real(self, f))
    data = make(20, 20)
    train, test = drawn
    assert len(train) > 10 and len(test) > 10
    assert not {f.weight for f in train} & {f.weight for f in test}
    for m, x in data.train.tensors.items():
        assert not any((y == x).flatten(1).all(1).any() for y in data.test.tensors[m]), m
    digits = np.arange(20) % 10
    assert not np.array_equal(written(digits, 5, 1), written(digits, 5, 2))


@pytest.mark.parametrize(
    "given, wrong",
    [
        ({"train": 9}, "train is 9, expected at least 10"),
        ({"test": 0}, "test is 0, expected at least 10"),
        ({"pairings": 0}, "pairings is 0, expected at least 1"),
    ],
)
def test_too_few_is_said_in_a_sentence(given, wrong):
    with pytest.raises(ValueError, match=wrong):
        make(**{"train": 10, "test": 10} | given)


def test_it_is_made_once_and_kept(tmp_path, monkeypatch):
    from mmbench.datasets.mini import mnist_svhn as module

    full = module.make
    monkeypatch.setattr(module, "make", lambda progress: full(20, 10, progress=progress))
    out = io.StringIO()
    first = mnist_svhn_mini.load(None, tmp_path, Progress(out))
    assert "making mnist-svhn-mini: done" in out.getvalue()
    monkeypatch.setattr(module, "make", None)
    second = mnist_svhn_mini.load(None, tmp_path, SILENT)
    assert second.fingerprint() == first.fingerprint()
    assert second.train.index["svhn"].dtype == first.train.index["svhn"].dtype


def test_a_writer_keeps_a_pen():
    ink = written(np.ones(400, int), 1, 3)  # by one person
    others = written(np.ones(400, int), 400, 3)
    amount = lambda x: (x / 255).sum((1, 2)).std()
    assert amount(ink) < 0.7 * amount(others)


# Typefaces


HOLES = {0: {1}, 1: {0}, 2: {0}, 3: {0}, 4: {0, 1}, 5: {0}, 6: {1}, 7: {0}, 8: {2}, 9: {1}}


@pytest.mark.parametrize("digit", range(10))
def test_digits_have_the_holes_that_they_should(digit):
    drawn = numerals().fields[:, digit]
    holes = Counter(label(d > 0)[1] - 1 for d in drawn)
    right = sum(count for n, count in holes.items() if n in HOLES[digit])
    assert right >= 0.85 * len(drawn), holes
    assert all(label(d < 0, np.ones((3, 3)))[1] == 1 for d in drawn), "in pieces"


def test_digits_are_as_high_as_they_say_and_end_within_their_field():
    ink = numerals().fields < 0
    height = ink.any(3).sum(2) / CELLS
    assert 0.95 < height.min() and height.max() < 1.15
    assert not ink[..., [0, -1]].any() and not ink[..., [0, -1], :].any()


def test_a_six_turned_is_the_nine_of_an_upright_face():
    upright = [f for f in faces() if f.slant == 0]
    six, nine = fields(upright)[:, [6, 9]].transpose(1, 0, 2, 3)
    np.testing.assert_allclose(six[:, ::-1, ::-1], nine, atol=1e-4)


def test_typefaces_differ():
    ink = (numerals().fields < 0).reshape(60, -1)
    shared = (ink[:, None] & ink).sum(2) / (ink[:, None] | ink).sum(2)
    assert (shared - np.eye(60)).max() < 0.97
    assert np.median(shared) < 0.6


def test_weight_makes_ink():
    by_weight = sorted(range(60), key=lambda i: faces()[i].weight)
    ink = (numerals().fields < 0).mean((1, 2, 3))
    assert ink[by_weight[-15:]].mean() > 1.5 * ink[by_weight[:15]].mean()


def test_a_field_is_read_off_at_any_place():
    one, zero = np.array([7]), np.array([0])
    y, x = np.mgrid[:ROWS, :COLUMNS].astype(np.float32)
    x, y = (x - (COLUMNS - 1) / 2) / CELLS, (y - (ROWS - 1) / 2) / CELLS
    inside = numerals().distance(zero, one, x[None], y[None])[0]
    np.testing.assert_allclose(inside[:-1, :-1], numerals().fields[0, 7][:-1, :-1], atol=1e-3)
    far = numerals().distance(zero, one, np.full((1, 1, 1), 9.0), np.zeros((1, 1, 1)))
    assert 7.5 < far[0, 0, 0] < 9


# Photographs


def shots(digits, seed, count=200):
    who = np.zeros(count, int)
    return photograph(np.full(count, digits), who, numerals(), np.random.default_rng(seed))


def test_the_digit_is_in_the_middle_and_alone_changes_it():
    """Two shots that differ in the digit alone differ where the digit is."""
    change = np.abs(shots(1, 5) - shots(8, 5)).mean((0, 1))
    assert change[10:22, 10:22].mean() > 3 * change[:, [0, 1, 30, 31]].mean()
    assert change[10:22, 10:22].mean() > 0.04


def test_walls_colours_and_contrast_vary():
    x = shots(3, 0, 600)
    assert x.shape == (600, 3, 32, 32) and 0 <= x.min() <= x.max() <= 1
    means = x.mean((2, 3))
    assert means.mean(1).std() > 0.1
    assert (means.max(1) - means.min(1)).std() > 0.03
    contrast = x.mean(1).reshape(600, -1).std(1)
    assert contrast.max() > 4 * contrast.min()
    # the digit is darker than its wall about as often as lighter
    middle, rim = x.mean(1)[:, 9:23, 12:20].mean((1, 2)), x.mean(1)[:, [0, 31]].mean((1, 2))
    assert 0.3 < (middle < rim).mean() < 0.7


def test_neighbours_stand_beside_some_digits(monkeypatch):
    """They are the only ink at the left and right border."""
    rng = np.random.default_rng(0)
    count = 600
    height = np.full((count, 1, 1), 20, np.float32)
    off = house_numbers._number(np.ones(count, int), np.zeros(count, int), height, numerals(), rng)
    border = (off[:, :, [0, -1]] < 0).any((1, 2))
    assert 0.5 < border.mean() < 0.95
    assert (off[:, :, 12:20] < 0).any((1, 2)).all(), "the digit itself"


def test_a_lens_keeps_the_light_and_takes_the_edges():
    x = np.random.default_rng(0).random((4, 3, 32, 32), np.float32)
    sharp, soft = house_numbers._blurred(x, np.array([0.1, 0.1, 1.5, 1.5], np.float32))[[0, 2]]
    np.testing.assert_allclose(sharp, x[0], atol=1e-6)
    assert soft.std() < 0.5 * x[2].std()
    assert abs(soft.mean() - x[2].mean()) < 0.02


# What there is to learn


@pytest.mark.slow
def test_classifiers_learn_the_class_and_come_with_mmbench(tmp_path, monkeypatch):
    whole = make()
    assert len(whole.train) == 50_000 and len(whole.test) == 5000

    def accuracies(cache):
        context = Context(torch.device("cpu"), tmp_path / cache, SILENT)
        mnist, svhn = (classifier(whole, m, context).accuracy for m in ("mnist", "svhn"))
        assert mnist >= 0.985
        assert 0.92 <= svhn < mnist  # street numbers are harder

    with monkeypatch.context() as alone:
        alone.setattr(judges, "TRAINED", tmp_path / "none")
        accuracies("learnt")
    monkeypatch.setattr(Trainer, "_run", lambda *args: pytest.fail("trained again"))
    accuracies("come along")
