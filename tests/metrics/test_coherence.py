"""Coherence and FMD on samples whose agreement is known."""

import math
from dataclasses import replace

import pytest
import torch

from mmbench.core.data import Dataset, Modality, Split
from mmbench.core.score import JOINT, Context, Generated
from mmbench.metrics.coherence import coherence
from mmbench.metrics.extractors import classifiers
from mmbench.metrics.extractors.classifiers import classifier
from mmbench.metrics.fmd import fmd
from mmbench.metrics.statistics.frechet import Statistics, frechet_distance
from mmbench.progress import Progress
from mmbench.seeds import stream

CLASSES, NAMES = 5, ("a", "b", "c")


def split(name, n):
    """Three views, each a well separated cluster for each class."""
    labels = torch.randint(0, CLASSES, (n,), generator=stream(0, name, "labels"))
    labels[:CLASSES] = torch.arange(CLASSES)
    views = {
        m: torch.eye(CLASSES)[labels].repeat(1, 2)
        + 0.05 * torch.randn(n, 2 * CLASSES, generator=stream(0, name, m))
        for m in NAMES
    }
    return Split(views, labels=labels)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    modalities = tuple(Modality(m, "trajectory", (2 * CLASSES,)) for m in NAMES)
    dataset = Dataset("toy", modalities, split("train", 500), split("test", 300), CLASSES)
    context = Context(torch.device("cpu"), tmp_path_factory.mktemp("cache"), Progress(None))
    patch = pytest.MonkeyPatch()
    patch.setattr(classifiers, "LEAST_EXAMPLES", 8000)
    yield dataset, context
    patch.undo()


ROWS = torch.randperm(300, generator=stream(0, "rows"))[:200]


def drawn(dataset, given, targets, wrong=0):
    """The real views of the test examples; the first `wrong` of each are of the next class."""
    samples = dataset.test.batch(ROWS, targets)
    labels = dataset.test.labels[ROWS]
    for x in samples.values():
        other = (labels[:wrong] + 1) % CLASSES
        x[:wrong] = torch.eye(CLASSES)[other].repeat(1, 2)
    return Generated(given, samples, ROWS)


def scores(metric, generated, world):
    return {s.target: s for s in metric.compute(generated, *world)}


def test_real_examples_have_the_classifiers_accuracy(world):
    dataset, context = world
    for m, score in scores(coherence, drawn(dataset, ("a",), NAMES), world).items():
        judge = classifier(dataset, m, context)
        right = judge.predictions(dataset.test.tensors[m][ROWS]) == dataset.test.labels[ROWS]
        assert score.value == pytest.approx(100 * right.double().mean().item())
        assert score.value > 98
        assert (score.n, score.given, score.extractor) == (200, ("a",), judge.identity)


@pytest.mark.parametrize("wrong", [0, 60, 200])
def test_wrong_samples_are_counted(world, wrong):
    found = scores(coherence, drawn(world[0], ("a", "c"), ("b", "c"), wrong), world)
    assert set(found) == {"b", "c"}  # "c" is given too: its self-coherence
    for score in found.values():
        assert score.value == pytest.approx(100 - wrong / 2, abs=1), score


def test_the_label_is_the_conditioning_examples(world):
    generated = drawn(world[0], ("a",), ("b",))
    mismatched = replace(generated, rows=ROWS.roll(1))
    labels = world[0].test.labels
    chance = 100 * (labels[ROWS] == labels[ROWS.roll(1)]).double().mean().item()
    assert scores(coherence, mismatched, world)["b"].value == pytest.approx(chance, abs=1)


def test_joint_coherence_is_agreement_of_all_not_truth(world):
    dataset = world[0]
    generated = drawn(dataset, (), NAMES, wrong=60)  # all modalities are wrong alike
    score = scores(coherence, generated, world)
    assert set(score) == {JOINT}
    assert score[JOINT].value == pytest.approx(100, abs=1)
    samples = generated.samples | {"b": drawn(dataset, (), ("b",)).samples["b"]}
    score = scores(coherence, replace(generated, samples=samples), world)[JOINT]
    assert score.value == pytest.approx(70, abs=1)
    assert score.n == 200 and score.given == ()
    assert all(f"toy/{m} classifier" in score.extractor for m in NAMES)


def test_joint_coherence_needs_all_modalities(world):
    assert not scores(coherence, drawn(world[0], (), ("a", "b")), world)


def test_no_labels_no_scores(world):
    dataset, context = world
    bare = replace(
        dataset, train=Split(dataset.train.tensors), test=Split(dataset.test.tensors), classes=None
    )
    for metric in (coherence, fmd):
        assert not scores(metric, drawn(dataset, ("a",), ("b",)), (bare, context))


@pytest.mark.parametrize("metric", [coherence, fmd], ids=lambda m: m.name)
def test_bad_samples_are_refused(world, metric):
    generated = drawn(world[0], ("a",), ("b",))
    generated.samples["b"][7, 0] = math.inf
    with pytest.raises(ValueError, match=r"samples of b are not finite.*row 7"):
        scores(metric, generated, world)


def test_a_missing_sample_is_refused(world):
    generated = drawn(world[0], ("a",), ("b",))
    short = replace(generated, samples={"b": generated.samples["b"][:-1]})
    with pytest.raises(ValueError, match="199 samples of b for 200 test examples"):
        scores(coherence, short, world)


def test_fmd_of_the_real_examples_is_zero(world):
    found = scores(fmd, drawn(world[0], ("a",), NAMES), world)
    assert set(found) == set(NAMES)
    for score in found.values():
        assert score.value == pytest.approx(0, abs=1e-6)
        assert score.n == 200 and "classifier, test accuracy" in score.extractor


def test_fmd_grows_with_noise(world):
    generated = drawn(world[0], (), ("a",))
    noise = torch.randn(200, 2 * CLASSES, generator=stream(0, "noise"))
    values = [
        scores(fmd, replace(generated, samples={"a": generated.samples["a"] + s * noise}), world)[
            "a"
        ].value
        for s in (0, 0.1, 0.3, 1)
    ]
    assert values == sorted(values) and values[0] < 1e-6 < values[1]


def test_fmd_is_the_distance_of_features(world):
    dataset, context = world
    generated = drawn(dataset, ("a",), ("b",), wrong=50)
    judge = classifier(dataset, "b", context)
    real = judge.features(dataset.test.tensors["b"][ROWS])
    fake = judge.features(generated.samples["b"])
    by_hand = frechet_distance(Statistics.of(fake), Statistics.of(real))
    assert scores(fmd, generated, world)["b"].value == pytest.approx(by_hand, rel=1e-9)


def test_order_and_batch_size_do_not_matter(world, monkeypatch):
    generated = drawn(world[0], ("a",), ("b",), wrong=50)
    before = {m.name: scores(m, generated, world)["b"].value for m in (coherence, fmd)}
    order = torch.randperm(200, generator=stream(0, "order"))
    samples = {"b": generated.samples["b"][order]}
    monkeypatch.setattr(classifiers, "BATCH", 7)
    shuffled = Generated(("a",), samples, ROWS[order])
    for metric in (coherence, fmd):
        assert scores(metric, shuffled, world)["b"].value == pytest.approx(
            before[metric.name], rel=1e-5
        )


def test_real_features_are_computed_once(world, monkeypatch):
    generated = drawn(world[0], ("a",), ("b",), wrong=20)
    value = scores(fmd, generated, world)["b"].value
    monkeypatch.setattr(Split, "batch", lambda *args: pytest.fail("gathered real examples"))
    assert scores(fmd, generated, world)["b"].value == value
    with pytest.raises(pytest.fail.Exception):  # other rows are other features
        scores(fmd, replace(generated, rows=ROWS[1:]), world)
