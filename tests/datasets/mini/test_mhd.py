from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from mmbench.core.score import Context
from mmbench.datasets.mini import mhd
from mmbench.datasets.mini.digits import handwriting
from mmbench.datasets.mini.mhd import SPEAKERS, WRITERS, cast, make, mhd_mini
from mmbench.datasets.mini.speech import mel, synthesiser
from mmbench.metrics.extractors.classifiers import classifier
from mmbench.progress import Progress
from mmbench.registry import find
from mmbench.training.trainer import Trainer

SILENT = Progress(None)


@cache
def small():
    return make(train=60, test=20, seed=1)


def test_shapes_dtypes_and_ranges():
    data = small()
    assert [m.name for m in data.modalities] == ["image", "trajectory", "sound"]
    assert (data.name, data.classes, data.sampling_rate) == ("mhd-mini", 10, 16_000)
    for split, n in ((data.train, 60), (data.test, 20)):
        shapes = {m: (x.dtype, tuple(x.shape)) for m, x in split.tensors.items()}
        assert shapes == {
            "image": (torch.uint8, (n, 1, 28, 28)),
            "trajectory": (torch.float32, (n, 200)),
            "sound": (torch.uint8, (n, 1, 32, 128)),
        }
        assert split.labels.bincount().tolist() == [len(split) // 10] * 10
        assert split.labels.tolist() != sorted(split.labels.tolist())
        for m, x in split.batch(torch.arange(n)).items():
            assert 0 <= x.min() < x.max() <= 1, m
            assert (x.flatten(1).std(1) > 0.03).all(), f"{m} has an empty example"


def test_sounds_are_seldom_clipped():
    sound = small().train.tensors["sound"]
    assert (sound == 0).float().mean() < 0.01
    assert (sound == 255).float().mean() < 0.01


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


def test_splits_do_not_share_their_streams():
    data = make(20, 20)
    for m, x in data.train.tensors.items():
        assert not any((y == x).flatten(1).all(1).any() for y in data.test.tensors[m]), m


def test_too_few_examples_is_said_in_a_sentence():
    with pytest.raises(ValueError, match="test is 9, expected at least 10"):
        make(10, 9)
    with pytest.raises(ValueError, match="pairings is 0, expected at least 1"):
        make(10, 10, pairings=0)


def test_nobody_of_the_test_split_occurs_in_train():
    train, test = cast("train", 20_000), cast("test", 500)
    assert not set(train.writers) & set(test.writers)
    assert not set(train.speakers) & set(test.speakers)
    assert set(train.writers) == set(WRITERS["train"])
    assert set(test.speakers) == set(SPEAKERS["test"])
    people = {p: mhd._people(p, 5) for p in ("train", "test")}
    for a, b in zip(people["train"], people["test"], strict=True):
        key = "height" if isinstance(a, handwriting.Writers) else "pitch"
        assert not np.isin(getattr(a, key), getattr(b, key)).any()


def test_cast_is_that_of_the_data():
    assert cast("train", 60, 1).digits.tolist() == small().train.labels[:60].tolist()


def test_a_picture_goes_with_other_recordings_of_its_digit():
    train, test = small().train, small().test
    assert (len(train), len(test)) == (60 * mhd.PAIRINGS, 20)
    names = ("image", "trajectory", "sound")
    image, path, sound = (train.index[m].view(mhd.PAIRINGS, 60) for m in names)
    digits = cast("train", 60, 1).digits
    for i, recordings in enumerate(sound):
        assert image[i].tolist() == path[i].tolist() == list(range(60))
        assert sorted(recordings.tolist()) == list(range(60))
        assert digits[recordings.numpy()].tolist() == digits.tolist()
        assert train.labels.view(mhd.PAIRINGS, 60)[i].tolist() == digits.tolist()
    assert (sound[0] == torch.arange(60)).all()  # who writes also speaks, once
    assert len({tuple(r.tolist()) for r in sound}) == mhd.PAIRINGS


def test_one_pairing_is_the_first_of_several():
    one, several = make(20, 10, pairings=1).train, make(20, 10, pairings=3).train
    assert len(one) == 20
    a, b = one.batch(torch.arange(20)), several.batch(torch.arange(20))
    assert all(torch.equal(a[m], b[m]) for m in a)


def test_image_and_trajectory_share_the_hand():
    train = small().train
    paths = train.tensors["trajectory"].view(-1, 2, 100).transpose(1, 2).numpy()
    drawn = handwriting.ink(paths, np.full(len(paths), 0.027, np.float32)).reshape(60, -1)
    image = train.tensors["image"].reshape(60, -1).numpy() / 255
    own = np.minimum(drawn, image).sum(1) / np.maximum(drawn, image).sum(1)
    assert own.min() > 0.5
    # Another's path of the same digit overlaps far less.
    labels = train.labels[:60].numpy()
    for digit in range(10):
        rows = np.flatnonzero(labels == digit)
        other = np.roll(rows, 1)
        union = np.maximum(drawn[other], image[rows]).sum(1)
        shared = np.minimum(drawn[other], image[rows]).sum(1) / union
        assert shared.mean() < own[rows].mean() - 0.15, digit


def test_a_writer_keeps_a_slant():
    rng = np.random.default_rng(0)
    writers = handwriting.Writers(40, rng)
    ones = np.ones(40, int)
    writers.form[:, 1] = 0  # a bare stroke
    first, _ = handwriting.write(ones, writers, rng)
    second, _ = handwriting.write(ones, writers, rng)
    lean = lambda p: (p[:, 0, 0] - p[:, -1, 0]) / (p[:, 0, 1] - p[:, -1, 1])
    assert np.corrcoef(lean(first), lean(second))[0, 1] > 0.8


def test_paths_are_measured_out_evenly():
    paths = small().train.tensors["trajectory"].view(-1, 2, 100)
    gaps = paths.diff(dim=-1).norm(dim=1)
    assert (gaps.max(1).values < 0.04).all(), "the pen was lifted"
    assert (gaps.median(1).values > 0.8 * gaps.max(1).values).all()


def test_sound_knows_the_class_only():
    who = cast("train", 4000)
    for digit in range(10):
        mine = who.digits == digit
        table = np.histogram2d(who.writers[mine], who.speakers[mine], bins=(10, 10))[0]
        wanted = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
        assert ((table - wanted) ** 2 / wanted).sum() < 81 + 5 * (2 * 81) ** 0.5
    # The sounds stay what they are when other hands write.
    hands = dict(WRITERS)
    first = make(10, 10).train.tensors
    try:
        WRITERS["train"] = range(3)
        second = make(10, 10).train.tensors
    finally:
        WRITERS.update(hands)
    assert torch.equal(first["sound"], second["sound"])
    assert not torch.equal(first["image"], second["image"])


def test_a_shorter_vocal_tract_and_a_higher_voice_show_in_the_sound():
    rng = np.random.default_rng(0)
    everyone = synthesiser.Speakers(200, rng)
    deep, high = everyone.pitch.argsort()[[0, -1]]
    ones = np.ones(20, int)
    centre = []
    for who in (deep, high):
        power = mel.mel_power(synthesiser.speak(ones, everyone[np.full(20, who)], rng))
        loud = power.mean((0, 1))
        centre.append((loud * mel.band_hertz()).sum() / loud.sum())
    assert centre[1] > 1.2 * centre[0]


@pytest.mark.parametrize("hertz", [440.0, 2500.0])
def test_mel_power_of_a_sine(hertz):
    wave = np.sin(2 * np.pi * hertz * np.arange(mel.SAMPLES) / mel.RATE).astype(np.float32)
    power = mel.mel_power(wave[None])[0, 10]
    assert abs(mel.band_hertz()[power.argmax()] - hertz) < 0.03 * hertz
    assert -8 < 10 * np.log10(power.max()) < 1


def test_scaled_spans_the_range():
    power = 10 ** (np.array([mel.FLOOR_DB - 9, mel.FLOOR_DB, mel.CEILING_DB, 30]) / 10)
    assert mel.scaled(power) == pytest.approx([0, 0, 1, 1], abs=1e-6)


def test_registered():
    assert find("datasets", "mhd-mini") is mhd_mini


# What there is to learn


@pytest.fixture(scope="module")
def whole():
    return make(pairings=1)


def networks():
    """Small classifiers, of sounds the one of MHD's authors."""
    flat = nn.Flatten()
    return {
        "image": nn.Sequential(
            *(nn.Conv2d(1, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU(), flat),
            *(nn.Linear(1568, 128), nn.ReLU(), nn.Linear(128, 10)),
        ),
        "trajectory": nn.Sequential(
            *(nn.Linear(200, 512), nn.BatchNorm1d(512), nn.LeakyReLU()),
            *(nn.Linear(512, 128), nn.BatchNorm1d(128), nn.LeakyReLU(), nn.Linear(128, 10)),
        ),
        "sound": nn.Sequential(
            *(nn.Conv2d(1, 128, (1, 128), bias=False), nn.BatchNorm2d(128), nn.ReLU()),
            *(nn.Conv2d(128, 128, (4, 1), (2, 1), (1, 0)), nn.BatchNorm2d(128), nn.ReLU()),
            *(nn.Conv2d(128, 256, (4, 1), (2, 1), (1, 0)), nn.BatchNorm2d(256), nn.ReLU(), flat),
            *(nn.Dropout(0.3), nn.Linear(2048, 128), nn.ReLU(), nn.Linear(128, 10)),
        ),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["image", "trajectory", "sound"])
def test_a_small_network_learns_the_class(whole, name):
    torch.manual_seed(0)
    network, train, epochs = networks()[name], whole.train, 10 if name == "sound" else 6
    steps = epochs * (len(train) // 64)
    adam = torch.optim.AdamW(network.parameters(), weight_decay=1e-2)
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, 3e-3, steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(train)).split(64)[: len(train) // 64]:
            adam.zero_grad()
            predicted = network(train.batch(rows, [name])[name])
            nn.functional.cross_entropy(predicted, train.labels[rows]).backward()
            adam.step()
            rate.step()
    network.eval()
    with torch.no_grad():
        test = whole.test.batch(torch.arange(len(whole.test)), [name])[name]
        right = (network(test).argmax(1) == whole.test.labels).float().mean()
    assert right >= 0.97


@pytest.mark.slow
def test_its_judges_come_with_mmbench(tmp_path, monkeypatch):
    data = make()
    monkeypatch.setattr(Trainer, "_run", lambda *args: pytest.fail("trained again"))
    context = Context(torch.device("cpu"), tmp_path, SILENT)
    judges = [classifier(data, m.name, context) for m in data.modalities]
    assert min(judge.accuracy for judge in judges) > 0.97


@pytest.mark.slow
@pytest.mark.filterwarnings("error:lbfgs failed to converge")  # stopped early it scores less
def test_a_linear_classifier_does_not_hear_all(whole):
    from sklearn.linear_model import LogisticRegression, RidgeClassifier

    flat = lambda split: split.tensors["sound"].flatten(1).numpy() / np.float32(255)
    for linear in (RidgeClassifier(30), LogisticRegression(C=1, max_iter=2000)):
        linear.fit(flat(whole.train), whole.train.labels.numpy())
        assert 0.5 < linear.score(flat(whole.test), whole.test.labels.numpy()) < 0.85, linear
