from functools import cache

import numpy as np
import pytest
import torch

from mmbench.core.score import Context
from mmbench.datasets.mini import polymnist as module
from mmbench.datasets.mini.digits.handwriting import written
from mmbench.datasets.mini.digits.textures import SIZE, TEXTURES, bricks, planks
from mmbench.datasets.mini.materials import rng_of
from mmbench.datasets.mini.polymnist import make, polymnist_mini
from mmbench.metrics.extractors.classifiers import classifier
from mmbench.progress import Progress

SILENT = Progress(None)
NAMES = [f"m{k}" for k in range(5)]


@cache
def small():
    return make(train=200, test=50, seed=1)


@cache
def texture(draw, seed=0):
    return draw(np.random.default_rng(seed))


@pytest.fixture
def surfaces(monkeypatch):
    """Textures drawn once, for tests that are not about them."""
    drawn = [texture(draw) for draw in TEXTURES]
    monkeypatch.setattr(module, "TEXTURES", tuple(lambda _, x=x: x for x in drawn))


def test_shapes_dtypes_and_ranges():
    data = small()
    assert (data.name, data.classes) == ("polymnist-mini", 10)
    assert [(m.name, m.kind, m.shape) for m in data.modalities] == [
        (name, "image", (3, 28, 28)) for name in NAMES
    ]
    for split, n in ((data.train, 200), (data.test, 50)):
        assert list(split.tensors) == NAMES and not split.index
        assert split.labels.bincount().tolist() == [n // 10] * 10
        assert split.labels.tolist() != sorted(split.labels.tolist())
        for m, x in split.tensors.items():
            assert x.dtype == torch.uint8 and tuple(x.shape) == (n, 3, 28, 28)
            assert (x.flatten(1).float().std(1) > 10).all(), f"{m} has an empty example"


def test_equal_seeds_make_equal_bits_and_others_do_not(surfaces):
    assert make(30, 10, seed=1).fingerprint() == make(30, 10, seed=1).fingerprint()
    assert make(30, 10, seed=1).fingerprint() != make(30, 10, seed=2).fingerprint()


def test_other_digits_over_the_same_surfaces(monkeypatch):
    noise = lambda rng: rng.integers(256, size=(40, 40, 3), dtype=np.uint8)
    monkeypatch.setattr(module, "TEXTURES", (noise,) * 5)
    below, split = [], module._split

    def watched(part, count, drawn, seed, bar):
        below.append([x.tobytes() for x in drawn])
        return split(part, count, drawn, seed, bar)

    monkeypatch.setattr(module, "_split", watched)
    first, second, other = make(10, 10, 1), make(10, 10, 2, surfaces=1), make(10, 10, 2)
    assert below[0] == below[2] != below[4]
    prints = {data.test.fingerprint() for data in (first, second, other)}
    assert len(prints) == 3


def test_a_global_seed_changes_nothing(surfaces):
    np.random.seed(3)
    torch.manual_seed(3)
    first = make(10, 10).fingerprint()
    np.random.seed(4)
    torch.manual_seed(4)
    assert make(10, 10).fingerprint() == first


def test_too_few_examples_is_said_in_a_sentence():
    with pytest.raises(ValueError, match="test is 9, expected at least 10"):
        make(10, 9)


def ink(monkeypatch, **counts):
    """The digits alone: over a surface of white paper they are black."""
    paper = np.full((40, 40, 3), 255, np.uint8)
    monkeypatch.setattr(module, "TEXTURES", tuple([lambda _: paper] * 5))
    data = make(**counts)
    return data.train, data.test


def test_views_share_the_class_but_not_the_hand(monkeypatch):
    train, _ = ink(monkeypatch, train=200, test=10)
    digits = {m: x[:, 0] < 128 for m, x in train.tensors.items()}
    for a, b in (("m0", "m1"), ("m1", "m4"), ("m2", "m3")):
        same = (digits[a] == digits[b]).flatten(1).all(1).float().mean()
        assert same < 0.2
        # the same pictures of a class, as in PolyMNIST, in an order of its own
        for digit in range(10):
            mine = train.labels == digit
            bags = [sorted(x.numpy().tobytes() for x in digits[m][mine]) for m in (a, b)]
            assert bags[0] == bags[1]
    for digit in range(10):
        mean = digits["m0"][train.labels == digit].float().mean(0).flatten()
        others = digits["m3"].float().flatten(1)
        near = (others @ mean)[train.labels == digit].mean()
        assert near > 1.1 * (others @ mean)[train.labels != digit].mean(), digit


def test_the_writers_of_the_test_split_are_others(monkeypatch):
    seeds = []
    monkeypatch.setattr(
        module, "written", lambda d, n, seed, bar: seeds.append((n, seed)) or written(d, n, seed)
    )
    train, test = ink(monkeypatch, train=40, test=40)
    (many, first), (few, second) = seeds
    assert (many, few) == (200, 40) and first != second
    assert not any((x == test.tensors["m0"]).flatten(1).all(1).any() for x in train.tensors["m0"])


def test_digits_invert_the_surface_of_their_view():
    """What is not inverted of each picture is a crop of its texture."""
    train = small().train
    for name, draw in zip(NAMES, TEXTURES, strict=True):
        surface = draw(rng_of(1, module.NAME, name, "texture"))
        crops = np.lib.stride_tricks.sliding_window_view(surface, (28, 28), axis=(0, 1))
        tile = train.tensors[name][0].numpy()
        # the picture's corners are never written on
        spots = [(0, 0), (0, 27), (27, 0), (27, 27)]
        fits = np.logical_and.reduce(
            [(crops[..., y, x] == tile[:, y, x]).all(2) for y, x in spots]
        )
        exact = 0
        for crop in crops[fits]:
            plain, inverted = (crop == tile).all(0), (255 - crop == tile).all(0)
            exact += bool((plain | inverted).all()) and 20 < inverted.sum() < 250
        assert exact == 1, name


def test_it_is_made_once_and_kept(tmp_path, monkeypatch, surfaces):
    full = module.make
    monkeypatch.setattr(module, "make", lambda progress: full(20, 10, progress=progress))
    first = polymnist_mini.load(None, tmp_path, SILENT)
    monkeypatch.setattr(module, "make", None)
    assert polymnist_mini.load(None, tmp_path, SILENT).fingerprint() == first.fingerprint()


# Textures


@pytest.mark.parametrize("draw", TEXTURES)
def test_a_texture_is_that_of_its_stream(draw):
    x = texture(draw)
    assert x.shape == (SIZE, SIZE, 3) and x.dtype == np.uint8
    assert np.array_equal(x, draw(np.random.default_rng(0)))
    assert not np.array_equal(x, texture(draw, 1))
    # no part of it is plain
    assert (x.reshape(8, 64, 8, 64, 3).std((1, 3)).max(2) > 1).all()


def change(draw):
    """How much neighbouring pixels differ, in [0, 1]: what a digit has to be seen through."""
    x = texture(draw).astype(float) / 255
    return np.abs(np.diff(x, axis=0)).mean() + np.abs(np.diff(x, axis=1)).mean()


def contrast(draw):
    """How much inversion changes a pixel, on average in [0, 1]."""
    return np.abs(2 * texture(draw).astype(float) / 255 - 1).mean()


def test_each_texture_is_busier_than_the_one_before():
    busy = [change(draw) / contrast(draw) for draw in TEXTURES]
    assert busy == sorted(busy)
    assert busy[0] < 0.3 * busy[1] and busy[-1] > 1.5 * busy[-2]


def test_colours_tell_the_views_apart():
    means = np.stack([texture(draw).mean((0, 1)) for draw in TEXTURES])
    gaps = np.linalg.norm(means[:, None] - means, axis=2)[np.triu_indices(5, 1)]
    assert gaps.min() > 10


def test_joints_lie_between_boards_and_bricks():
    wood = texture(planks).astype(float).mean((0, 2))  # along the boards
    assert wood[0] < 0.5 * np.median(wood) and wood[30] < 0.5 * np.median(wood)
    wall = texture(bricks).astype(float).mean((1, 2))
    assert wall[[0, 11, 22]].min() > 1.3 * wall[[5, 16, 27]].max()


# What there is to learn


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_class_can_be_seen_in_every_view(name, tmp_path_factory):
    context = Context(torch.device("cpu"), tmp_path_factory.mktemp(name), SILENT)
    assert classifier(whole(), name, context).accuracy >= 0.97


@cache
def whole():
    return make()
